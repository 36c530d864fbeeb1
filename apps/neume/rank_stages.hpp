#pragma once
// Training and judging a ranker, as the verbs train and evaluate and the stages of run do it.

#include <filesystem>
#include <string>
#include <vector>

#include "console.hpp"
#include "data/catalogue.hpp"
#include "data/interactions.hpp"
#include "json_file.hpp"
#include "judge_options.hpp"
#include "rank/bundle.hpp"
#include "rank/training.hpp"

namespace neume::app {

/// Where content vectors are read from; none: no modalities.
struct ContentFiles {
  std::vector<data::ModalitySource> modalities = {};
  data::CatalogueOptions options = {};
};

struct TrainingFiles {
  std::string sids;
  std::string train;
  std::string validation;  ///< empty: none
  data::InteractionOptions log;
  std::vector<std::string> features = {};  ///< as --feature names them
  std::size_t feature_buckets = 0;
  base::SpillPolicy spill = {};  ///< where logs lie that are longer than --shuffle-rows
  ContentFiles content = {};
  std::string codebooks = {};  ///< folder whose centroids start the tables of codes; empty: none
};

/// Whether training starts tables of codes from the centroids of a folder of codebooks; qarm has its own.
bool starts_from_codebooks(const RankerOptions& options);

/// Reads what a ranker learns from. Throws DataError and InvalidArgument as the readers do.
rank::TrainingData read_training_data(const TrainingFiles& files);

/// Where training reports to.
struct TrainingOutput {
  Console* console;
  std::string prefix;  ///< opens each line
};

/// Trains into `folder`, prints a line an epoch, and says when it goes on from a checkpoint.
rank::TrainingResult train(const rank::TrainingData& data, const RankerOptions& options,
                           const std::filesystem::path& folder, const TrainingOutput& output);

struct TestLog {
  std::string file;
  data::InteractionOptions options;
};

/// Metrics as metrics.hpp names them, with the model's options and the test log's fingerprint.
Json judge_ranker(rank::RankerBundle& bundle, const TestLog& test, const JudgeOptions& options,
                  const ProgressFn& progress);

}  // namespace neume::app
