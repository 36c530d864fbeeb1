#include "rank_stages.hpp"

#include <fmt/format.h>

#include "codebooks.hpp"
#include "data/sids_file.hpp"
#include "input_files.hpp"
#include "metrics.hpp"
#include "option_json.hpp"
#include "rank/metrics_json.hpp"

namespace neume::app {

bool starts_from_codebooks(const RankerOptions& options) {
  return options.table_init == TableInit::centroids && options.model != RankerModel::qarm;
}

rank::TrainingData read_training_data(const TrainingFiles& files) {
  rank::TrainingData data;
  data.sids = data::read_semantic_ids(files.sids);
  const data::IdIndex items(data.sids.items);
  data.features = data::FeatureSet(files.features, files.feature_buckets);
  const data::LogReading reading{files.spill, &data.features};
  data.train = data::read_interactions(files.train, items, data.users, files.log, reading);
  if (!files.validation.empty()) {
    data.validation = data::read_interactions(files.validation, items, data.users, files.log, reading);
  }
  data.features.read_items(items, files.log.item_column);
  if (!files.content.modalities.empty()) {
    const data::Catalogue catalogue = data::open_catalogue(files.content.modalities, files.content.options);
    data.content = rank::make_content(catalogue, data.sids.items);
  }
  if (!files.codebooks.empty()) data.tables.centroids = load_centroids(files.codebooks);
  return data;
}

rank::TrainingResult train(const rank::TrainingData& data, const RankerOptions& options,
                           const std::filesystem::path& folder, const TrainingOutput& output) {
  Console& console = *output.console;
  rank::TrainingEvents events;
  events.progress = console.progress(output.prefix);
  events.resumed = [&](std::size_t step, std::size_t epoch) {
    console.print(fmt::format("{}goes on from the checkpoint at step {} of epoch {}", output.prefix, step, epoch));
  };
  events.epoch_done = [&](const EpochReport& report) {
    std::string line = fmt::format("{}epoch {}  training loss {:.4f}  {:.1f} s", output.prefix, report.epoch,
                                   report.training_loss, report.seconds);
    if (report.validation) line += "  validation: " + metrics_line(*report.validation);
    console.print(line);
  };
  return rank::train_ranker(data, options, folder, events);
}

Json judge_ranker(rank::RankerBundle& bundle, const TestLog& test, const JudgeOptions& options,
                  const ProgressFn& progress) {
  const data::LogReading reading{{}, &bundle.features()};
  const data::Interactions log =
      data::read_interactions(test.file, bundle.items(), bundle.users(), test.options, reading);
  Json json{{"format", "neume-metrics"}, {"version", kMetricsVersion}};
  json.update(rank::metrics_to_json(
      bundle.evaluate(log, {options.cold_threshold, options.cold_thresholds, options.gauc_mode}, progress)));
  if (options.full_ranking) add_ranking(json, bundle.rank_catalogue(log, options.cutoffs, progress));
  json["seed"] = bundle.options().seed;
  json["model"] = json_of(bundle.options());
  json["data"] = {{"test", fingerprint_of_source(test.file)}};
  return json;
}

}  // namespace neume::app
