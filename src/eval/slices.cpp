#include "eval/slices.hpp"

#include <algorithm>
#include <numeric>

#include "eval/ranking_metrics.hpp"
#include "eval/score_rows.hpp"

namespace neume::eval {

std::vector<Popularity> popularity_classes(std::span<const std::uint32_t> counts) {
  std::vector<std::uint32_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, [&](std::uint32_t a, std::uint32_t b) { return counts[a] > counts[b]; });
  const std::uint64_t total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  std::vector<Popularity> classes(counts.size(), Popularity::unseen);
  std::uint64_t before = 0;
  for (const std::uint32_t item : order) {
    if (counts[item] == 0) break;
    classes[item] = 2 * before < total        ? Popularity::head
                    : 10 * before < 9 * total ? Popularity::torso
                                              : Popularity::tail;
    before += counts[item];
  }
  return classes;
}

SliceMetrics judge_slice(const std::string& name, const JudgedSamples& samples, std::size_t num_items,
                         const std::function<bool(std::uint32_t item)>& belongs) {
  require_valid(samples.logits, samples.labels);
  require_same_length(samples.logits.size(), samples.targets.size(), "the column of targets");
  SliceMetrics slice;
  slice.name = name;
  for (std::uint32_t item = 0; item < num_items; ++item) slice.items += belongs(item) ? 1 : 0;
  std::vector<float> logits;
  std::vector<std::uint8_t> labels;
  for (std::size_t i = 0; i < samples.logits.size(); ++i) {
    if (!belongs(samples.targets[i])) continue;
    logits.push_back(samples.logits[i]);
    labels.push_back(samples.labels[i]);
    slice.positives += samples.labels[i];
  }
  slice.samples = labels.size();
  if (labels.empty()) return slice;
  slice.auc = auc(logits, labels);
  slice.logloss = log_loss(logits, labels);
  slice.base_rate = base_rate(labels);
  slice.mean_prediction = mean_prediction(logits);
  return slice;
}

}  // namespace neume::eval
