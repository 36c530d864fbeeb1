#include "rank/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "eval/calibration.hpp"
#include "eval/ranking_metrics.hpp"

namespace neume::rank {

namespace {

/// Scores, labels, targets and users of all samples.
struct Scored {
  std::vector<float> logits;
  std::vector<std::uint8_t> labels;
  std::vector<std::uint32_t> targets;
  std::vector<std::uint32_t> users;
};

Scored score_all(Network<float>& network, const Samples& samples, std::size_t batch_size, const ProgressFn& progress) {
  Scored scored;
  const std::size_t total = samples.size();
  const std::size_t at_once = batch_size == 0 ? network.max_batch() : std::min(batch_size, network.max_batch());
  scored.logits.resize(total);
  Batch batch;
  for (std::size_t begin = 0; begin < total; begin += batch.size()) {
    batch.clear();
    const std::size_t end = std::min(total, begin + at_once);
    for (std::size_t i = begin; i < end; ++i) {
      samples.append(i, 0, batch);
      scored.labels.push_back(batch.labels.back() > 0.5f ? 1 : 0);
      scored.targets.push_back(batch.targets.back());
      scored.users.push_back(samples.user(i));
    }
    network.score(batch, std::span(scored.logits).subspan(begin, batch.size()));
    if (progress)
      progress({"evaluate", static_cast<std::int64_t>(end), static_cast<std::int64_t>(total), "samples", ""});
  }
  return scored;
}

/// Fills what is about cold items and about popularity.
void judge_slices(const eval::JudgedSamples& scored, std::span<const std::uint32_t> item_counts,
                  const JudgingOptions& options, RankerMetrics& metrics) {
  const auto colder_than = [&](std::size_t threshold) {
    return eval::judge_slice(fmt::format("cold<{}", threshold), scored, item_counts.size(),
                             [&](std::uint32_t item) { return item_counts[item] < threshold; });
  };
  const SliceMetrics cold = colder_than(options.cold_threshold);
  metrics.cold_threshold = options.cold_threshold;
  metrics.cold_samples = cold.samples;
  metrics.auc_cold = cold.auc;
  for (const std::size_t threshold : options.cold_thresholds) metrics.cold.push_back(colder_than(threshold));
  const std::vector<eval::Popularity> classes = eval::popularity_classes(item_counts);
  for (std::size_t c = 0; c < eval::kPopularityNames.size(); ++c) {
    metrics.popularity.push_back(
        eval::judge_slice(std::string(eval::kPopularityNames[c]), scored, item_counts.size(),
                          [&](std::uint32_t item) { return classes[item] == static_cast<eval::Popularity>(c); }));
  }
}

}  // namespace

std::vector<std::uint32_t> count_items(const data::Interactions& log, std::size_t num_items) {
  std::vector<std::uint32_t> counts(num_items, 0);
  for (const std::uint32_t item : log.items) ++counts[item];
  return counts;
}

RankerMetrics evaluate_samples(Network<float>& network, const Samples& samples,
                               std::span<const std::uint32_t> item_counts, const JudgingOptions& options,
                               const ProgressFn& progress) {
  const Scored scored = score_all(network, samples, options.batch_size, progress);
  return judge_scores({scored.logits, scored.labels, scored.targets}, scored.users, item_counts, options);
}

RankerMetrics judge_scores(const eval::JudgedSamples& scored, std::span<const std::uint32_t> users,
                           std::span<const std::uint32_t> item_counts, const JudgingOptions& options) {
  RankerMetrics metrics;
  metrics.samples = scored.labels.size();
  metrics.positives = static_cast<std::size_t>(std::ranges::count(scored.labels, std::uint8_t{1}));
  metrics.users = std::unordered_set(users.begin(), users.end()).size();
  metrics.auc = eval::auc(scored.logits, scored.labels);
  metrics.logloss = eval::log_loss(scored.logits, scored.labels);
  metrics.base_rate = eval::base_rate(scored.labels);
  metrics.mean_prediction = eval::mean_prediction(scored.logits);
  metrics.reliability = eval::reliability(scored.logits, scored.labels);
  metrics.calibration_error = eval::expected_calibration_error(metrics.reliability);
  const eval::Gauc gauc = eval::gauc(scored.logits, scored.labels, users, options.gauc_mode);
  metrics.gauc = gauc.value;
  metrics.gauc_mode = gauc.mode;
  metrics.gauc_users_dropped = gauc.groups_dropped;
  judge_slices(scored, item_counts, options, metrics);
  return metrics;
}

}  // namespace neume::rank
