// The verbs of stage 2: train, evaluate.

#include <fmt/format.h>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/sids_file.hpp"
#include "metrics.hpp"
#include "rank/bundle.hpp"
#include "rank_stages.hpp"
#include "settings.hpp"

namespace neume::app {

int run(const TrainSettings& settings, Console& console) {
  require_flag(settings.sids, "--sids");
  require_flag(settings.train, "--train");
  require_flag(settings.out, "--out");
  check_writable(std::filesystem::path(settings.out) / "manifest.json");
  settings.ranker.validate();
  const RankerOptions& ranker = settings.ranker;
  const rank::TrainingData data = read_training_data({settings.sids,
                                                      settings.train,
                                                      settings.validation,
                                                      settings.log,
                                                      ranker.features,
                                                      ranker.feature_buckets,
                                                      {settings.out, ranker.shuffle_rows}});
  console.print(fmt::format("{} items, {} users, {} rows{}{}", data.sids.items.size(), data.users.size(),
                            data.train.size(), data.train.has_labels() ? "" : ", all positive: negatives are sampled",
                            data.train.has_time() ? "" : "; no time: a history is the user's other positives"));
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
