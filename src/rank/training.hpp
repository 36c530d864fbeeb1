#pragma once
// Training a ranker from a log, with checkpoints: a killed training goes on from its last checkpoint and ends in the
// same bytes.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <neume/progress.hpp>
#include <neume/ranker.hpp>
#include <neume/semantic_ids.hpp>

#include "data/features.hpp"
#include "data/interactions.hpp"
#include "rank/content.hpp"
#include "rank/initial_tables.hpp"

namespace neume::rank {

/// What a ranker learns from. Item rows of the logs are rows of `sids`, user rows those of `users`.
struct TrainingData {
  SemanticIds sids;
  data::IdIndex users;
  data::Interactions train;
  std::optional<data::Interactions> validation;
  /// Learnt from `train` (read_interactions) and the item tables (FeatureSet::read_items); both logs were read with it.
  data::FeatureSet features;
  Content content;  ///< for the models that read content vectors; empty for the others
  /// For --table-init centroids; empty otherwise.
  InitialTables tables;
};

struct TrainingEvents {
  ProgressFn progress;
  std::function<void(const EpochReport&)> epoch_done;
  std::function<void(std::size_t step, std::size_t epoch)> resumed;  ///< a checkpoint was found and is continued
};

struct TrainingResult {
  std::vector<EpochReport> epochs;
  std::size_t best_epoch = 0;  ///< the epoch whose parameters were kept; the last, unless patience stopped it
  bool resumed = false;
};

/// Trains and leaves a finished bundle in `folder` (docs/formats/ranker.md): ranker.safetensors, sids.parquet,
/// history.parquet, the features' files where there are features, and manifest.json, written last. While it runs the
/// folder holds checkpoint.safetensors. Throws InvalidArgument for options out of range, families that the IDs lack,
/// features or centroids that the data lack, or a loss that is no longer finite (with the step); DataError where the
/// log has no positives or the folder holds the checkpoint of another training (other options or data).
TrainingResult train_ranker(const TrainingData& training, const RankerOptions& options,
                            const std::filesystem::path& folder, const TrainingEvents& events = {});

}  // namespace neume::rank
