#include "training_stages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "aligned_codes.hpp"
#include "base/file.hpp"
#include "input_files.hpp"
#include "option_json.hpp"
#include "rank/bundle.hpp"
#include "rank_stages.hpp"
#include "stage.hpp"
#include "stopwatch.hpp"

namespace neume::app {

TrainingStages::TrainingStages(const RunPlan& plan) : plan_(plan) {
  log_fingerprints_ = {{"train", fingerprint_of_source(plan.log.train)}, {"options", json_of(plan.log.options)}};
  if (!plan.log.validation.empty()) log_fingerprints_["validation"] = fingerprint_of_source(plan.log.validation);
  test_fingerprint_ = fingerprint_of_source(plan.log.test);
  const auto reads = [](const RankerPlan& ranker) { return rank::reads_content(ranker.options.model); };
  if (std::ranges::any_of(plan.rankers, reads)) modality_inputs_ = inputs_of_modalities(plan.modalities);
  for (const QuantizerPlan& quantizer : plan.quantizers) {
    sids_fingerprints_[quantizer.name] = base::fingerprint_of_file(plan.sids_file(quantizer.name));
  }
}

TrainingFiles TrainingStages::files_of(const RankerPlan& ranker) const {
  const RankerOptions& options = ranker.options;
  TrainingFiles files{plan_.sids_file(ranker.quantizer).string(), plan_.log.train, plan_.log.validation,
                      plan_.log.options};
  files.features = options.features;
  files.feature_buckets = options.feature_buckets;
  files.spill = {plan_.out(), options.shuffle_rows};
  if (rank::reads_content(options.model)) files.content = {plan_.modalities, plan_.items.options};
  if (starts_from_codebooks(options)) files.codebooks = plan_.quantizer_folder(ranker.quantizer).string();
  return files;
}

std::shared_ptr<const rank::TrainingData> TrainingStages::shared_data(const RankerPlan& ranker) {
  const RankerOptions& options = ranker.options;
  const std::string key = Json{ranker.quantizer,
                               options.features,
                               options.feature_buckets,
                               options.shuffle_rows,
                               rank::reads_content(options.model),
                               starts_from_codebooks(options)}
                              .dump();
  const std::lock_guard lock(mutex_);
  auto data = in_use_[key].lock();
  if (!data) {
    latest_.reset();  // before the next is read: they are large
    data = std::make_shared<const rank::TrainingData>(read_training_data(files_of(ranker)));
    in_use_[key] = data;
  }
  latest_ = data;
  return data;
}

TrainingStages::Prepared TrainingStages::prepare(const RankerPlan& ranker, const RankerOptions& options,
                                                 const ProgressFn& aligning) {
  if (options.model != RankerModel::qarm) return {shared_data(ranker), ""};
  // Every seed makes codes of its own, so nobody else can use these data.
  auto own = std::make_shared<rank::TrainingData>(read_training_data(files_of(ranker)));
  const std::string note = make_aligned_codes(*own, options, aligning).text();
  return {std::move(own), "  " + note};
}

Json TrainingStages::inputs_of(const RankerPlan& ranker, const RankerOptions& options) const {
  Json inputs{
      {"ranker", json_of(options)}, {"sids", sids_fingerprints_.at(ranker.quantizer)}, {"logs", log_fingerprints_}};
  for (const std::string& text : options.features) {
    const std::string file = data::FeatureSpec::parse(text).file;
    if (!file.empty()) inputs["feature tables"][text] = fingerprint_of_source(file);
  }
  if (rank::reads_content(options.model)) {
    inputs["item-column"] = plan_.items.options.item_column;
    inputs["zero-is-missing"] = plan_.items.options.zero_is_missing;
    inputs["modalities"] = modality_inputs_;
  }
  if (starts_from_codebooks(options)) {
    // The same IDs may come from other codebooks; the manifest knows them by content.
    inputs["codebooks"] = base::fingerprint_of_file(plan_.quantizer_folder(ranker.quantizer) / "manifest.json");
  }
  return inputs;
}

std::string TrainingStages::train(const RankerPlan& ranker, std::uint64_t seed, const TrainingReports& reports) {
  RankerOptions options = ranker.options;
  options.seed = seed;
  const Json inputs = inputs_of(ranker, options);
  const Stage stage(plan_.ranker_folder(ranker, seed), inputs);
  if (stage.is_up_to_date()) return "up to date";
  const Stopwatch stopwatch;
  const auto [data, note] = prepare(ranker, options, reports.aligning);
  stage.begin();
  rank::TrainingEvents events;
  events.progress = reports.training;
  events.epoch_done = reports.epoch_done;
  events.resumed = [&](std::size_t step, std::size_t epoch) {
    if (reports.resumed)
      reports.resumed(fmt::format("goes on from its checkpoint at step {} of epoch {}", step, epoch));
  };
  const rank::TrainingResult result = rank::train_ranker(*data, options, stage.folder(), events);
  stage.finish();
  std::string outcome = stopwatch.text() + note;
  if (!result.epochs.empty()) outcome += fmt::format("  training loss {:.4f}", result.epochs.back().training_loss);
  return outcome;
}

Json TrainingStages::judge(const RankerPlan& ranker, std::uint64_t seed, const TrainingReports& reports) const {
  const std::filesystem::path folder = plan_.ranker_folder(ranker, seed);
  const Json inputs{{"ranker", base::fingerprint_of_file(folder / "manifest.json")},
                    {"parameters", base::fingerprint_of_file(folder / "ranker.safetensors")},
                    {"test", test_fingerprint_},
                    {"log", json_of(plan_.log.options)},
                    {"judge", json_of(plan_.judge)}};
  return cached_json(folder / "metrics.json", inputs, [&] {
    rank::RankerBundle bundle = rank::RankerBundle::load(folder);
    return judge_ranker(bundle, {plan_.log.test, plan_.log.options}, plan_.judge, reports.judging);
  });
}

}  // namespace neume::app
