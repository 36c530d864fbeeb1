#include "training_stages.hpp"

#include <fmt/format.h>

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
  for (const QuantizerPlan& quantizer : plan.quantizers) {
    sids_fingerprints_[quantizer.name] = base::fingerprint_of_file(plan.sids_file(quantizer.name));
  }
}

std::shared_ptr<const rank::TrainingData> TrainingStages::training_data(const RankerPlan& ranker) {
  const RankerOptions& options = ranker.options;
  const std::string key =
      Json{ranker.quantizer, options.features, options.feature_buckets, options.shuffle_rows}.dump();
  const std::lock_guard lock(mutex_);
  auto data = in_use_[key].lock();
  if (!data) {
    latest_.reset();  // before the next is read: they are large
    data = std::make_shared<const rank::TrainingData>(read_training_data({plan_.sids_file(ranker.quantizer).string(),
                                                                          plan_.log.train,
                                                                          plan_.log.validation,
                                                                          plan_.log.options,
                                                                          options.features,
                                                                          options.feature_buckets,
                                                                          {plan_.out(), options.shuffle_rows}}));
    in_use_[key] = data;
  }
  latest_ = data;
  return data;
}

std::string TrainingStages::train(const RankerPlan& ranker, std::uint64_t seed, const TrainingReports& reports) {
  RankerOptions options = ranker.options;
  options.seed = seed;
  Json inputs{
      {"ranker", json_of(options)}, {"sids", sids_fingerprints_.at(ranker.quantizer)}, {"logs", log_fingerprints_}};
  for (const std::string& text : options.features) {
    const std::string file = data::FeatureSpec::parse(text).file;
    if (!file.empty()) inputs["feature tables"][text] = fingerprint_of_source(file);
  }
  const Stage stage(plan_.ranker_folder(ranker, seed), inputs);
  if (stage.is_up_to_date()) return "up to date";
  const Stopwatch stopwatch;
  const auto data = training_data(ranker);
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
  std::string outcome = stopwatch.text();
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
