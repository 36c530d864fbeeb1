// The verbs of stage 2: train, evaluate.

#include <fmt/format.h>

#include <neume/error.hpp>

#include "aligned_codes.hpp"
#include "base/file.hpp"
#include "data/sids_file.hpp"
#include "metrics.hpp"
#include "rank/bundle.hpp"
#include "rank_stages.hpp"
#include "settings.hpp"

namespace neume::app {

namespace {

/// Where the training's data lie; what the model does not read is left out.
TrainingFiles files_of(const TrainSettings& settings) {
  const RankerOptions& ranker = settings.ranker;
  TrainingFiles files{settings.sids, settings.train, settings.validation, settings.log};
  files.log.item_column = settings.catalogue.options.item_column;
  files.features = ranker.features;
  files.feature_buckets = ranker.feature_buckets;
  files.spill = {settings.out, ranker.shuffle_rows};
  if (rank::reads_content(ranker.model)) {
    if (settings.catalogue.modalities.empty()) {
      throw InvalidArgument(fmt::format("{} reads content vectors: give --modality NAME=SOURCE",
                                        kRankerModelNames[static_cast<std::size_t>(ranker.model)]));
    }
    files.content = {settings.catalogue.sources(), settings.catalogue.options};
  }
  if (starts_from_codebooks(ranker)) {
    if (settings.codebooks.empty()) {
      throw InvalidArgument(
          "table-init centroids: give --codebooks, the folder of neume fit that the semantic IDs "
          "come from");
    }
    files.codebooks = settings.codebooks;
  }
  return files;
}

}  // namespace

int run(const TrainSettings& settings, Console& console) {
  require_flag(settings.sids, "--sids");
  require_flag(settings.train, "--train");
  require_flag(settings.out, "--out");
  check_writable(std::filesystem::path(settings.out) / "manifest.json");
  settings.ranker.validate();
  rank::TrainingData data = read_training_data(files_of(settings));
  console.print(fmt::format("{} items, {} users, {} rows{}{}", data.sids.items.size(), data.users.size(),
                            data.train.size(), data.train.has_labels() ? "" : ", all positive: negatives are sampled",
                            data.train.has_time() ? "" : "; no time: a history is the user's other positives"));
  if (settings.ranker.model == RankerModel::qarm) {
    console.print(make_aligned_codes(data, settings.ranker, console.progress()).text());
  }
  const rank::TrainingResult result = train(data, settings.ranker, settings.out, {&console, ""});
  console.print(fmt::format("{}: the ranker of epoch {}", settings.out, result.best_epoch));
  return 0;
}

int run(const EvaluateSettings& settings, Console& console) {
  require_flag(settings.model, "--model");
  require_flag(settings.test, "--test");
  if (!settings.out.empty()) check_writable(settings.out);
  rank::RankerBundle bundle = rank::RankerBundle::load(settings.model);
  const Json metrics =
      judge_ranker(bundle, {settings.test, settings.log}, settings.judge, console.progress("evaluate"));
  if (!settings.out.empty()) write_json(settings.out, metrics);
  console.print(metrics_text(metrics));
  return 0;
}

}  // namespace neume::app
