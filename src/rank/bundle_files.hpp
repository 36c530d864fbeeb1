#pragma once
// The files of a ranker's folder (docs/formats/ranker.md), as training writes them and the bundle reads them.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include <neume/ranker.hpp>

#include "rank/training.hpp"

namespace neume::rank {

inline constexpr int kRankerFormatVersion = 1;

struct BundleFiles {
  explicit BundleFiles(std::filesystem::path path) : folder(std::move(path)) {}

  std::filesystem::path parameters() const { return folder / "ranker.safetensors"; }
  std::filesystem::path sids() const { return folder / "sids.parquet"; }
  std::filesystem::path history() const { return folder / "history.parquet"; }
  std::filesystem::path features() const { return folder / "features.json"; }              ///< with --feature
  std::filesystem::path item_features() const { return folder / "features.safetensors"; }  ///< with item features
  std::filesystem::path checkpoint() const { return folder / "checkpoint.safetensors"; }
  std::filesystem::path manifest() const { return folder / "manifest.json"; }

  std::filesystem::path folder;
};

/// What decides the bytes of a training: options (less checkpoint-every, which does not) and all data.
std::string training_fingerprint(const TrainingData& training, const RankerOptions& options);

/// history.parquet: user_id, item_id and, where the log has time, timestamp of the positives, in the log's order.
void write_history(const std::filesystem::path& path, const TrainingData& training);

nlohmann::json metrics_to_json(const RankerMetrics& metrics);
nlohmann::json epoch_to_json(const EpochReport& epoch);
EpochReport epoch_from_json(const nlohmann::json& json);

}  // namespace neume::rank
