#pragma once
// The files of a ranker's folder (docs/formats/ranker.md), as training writes them and the bundle reads them.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include <neume/ranker.hpp>

#include "data/id_index.hpp"
#include "rank/training.hpp"

namespace neume::rank {

inline constexpr int kRankerFormatVersion = 1;

struct BundleFiles {
  explicit BundleFiles(std::filesystem::path path) : folder(std::move(path)) {}

  std::filesystem::path parameters() const { return folder / "ranker.safetensors"; }
  std::filesystem::path sids() const { return folder / "sids.parquet"; }
  std::filesystem::path history() const { return folder / "history.parquet"; }
  std::filesystem::path content() const { return folder / "content.safetensors"; }
  std::filesystem::path users() const { return folder / "users.parquet"; }
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

/// users.parquet: user_id of the first `count` users, in their order; for the models with a row a user.
void write_users(const std::filesystem::path& path, const data::IdIndex& users, std::size_t count);

/// Throws DataError for a file that is no such table, or has a user twice.
data::IdIndex read_users(const std::filesystem::path& path);

/// Whether the finished bundle must hold the content vectors, or the users in their order.
bool keeps_content(const RankerOptions& options);
bool keeps_users(const RankerOptions& options);

nlohmann::json epoch_to_json(const EpochReport& epoch);
EpochReport epoch_from_json(const nlohmann::json& json);

}  // namespace neume::rank
