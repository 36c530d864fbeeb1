#include "rank/evaluation.hpp"

#include <algorithm>
#include <unordered_set>

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

Scored score_all(Network<float>& network, const Samples& samples, const ProgressFn& progress) {
  Scored scored;
  const std::size_t total = samples.size();
  scored.logits.resize(total);
  Batch batch;
  for (std::size_t begin = 0; begin < total; begin += batch.size()) {
    batch.clear();
    const std::size_t end = std::min(total, begin + network.max_batch());
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

}  // namespace

std::vector<std::uint32_t> count_items(const data::Interactions& log, std::size_t num_items) {
  std::vector<std::uint32_t> counts(num_items, 0);
  for (const std::uint32_t item : log.items) ++counts[item];
  return counts;
}

RankerMetrics evaluate_samples(Network<float>& network, const Samples& samples, const ColdRule& cold,
                               const ProgressFn& progress) {
  const Scored scored = score_all(network, samples, progress);
  RankerMetrics metrics;
  metrics.samples = scored.labels.size();
  metrics.positives = static_cast<std::size_t>(std::ranges::count(scored.labels, std::uint8_t{1}));
  metrics.users = std::unordered_set(scored.users.begin(), scored.users.end()).size();
  metrics.cold_threshold = cold.threshold;
  metrics.auc = eval::auc(scored.logits, scored.labels);
  metrics.logloss = eval::log_loss(scored.logits, scored.labels);
  metrics.base_rate = eval::base_rate(scored.labels);
  metrics.mean_prediction = eval::mean_prediction(scored.logits);
  const eval::Gauc gauc = eval::gauc(scored.logits, scored.labels, scored.users);
  metrics.gauc = gauc.value;
  metrics.gauc_users_dropped = gauc.groups_dropped;

  std::vector<float> cold_logits;
  std::vector<std::uint8_t> cold_labels;
  for (std::size_t i = 0; i < metrics.samples; ++i) {
    if (cold.item_counts[scored.targets[i]] >= cold.threshold) continue;
    cold_logits.push_back(scored.logits[i]);
    cold_labels.push_back(scored.labels[i]);
  }
  metrics.cold_samples = cold_labels.size();
  metrics.auc_cold = eval::auc(cold_logits, cold_labels);
  return metrics;
}

}  // namespace neume::rank
