#pragma once
// Scores samples with a model and judges the scores.

#include <cstdint>
#include <span>
#include <vector>

#include <neume/progress.hpp>
#include <neume/ranker.hpp>

#include "eval/slices.hpp"
#include "rank/network.hpp"
#include "rank/samples.hpp"

namespace neume::rank {

/// How to judge.
struct JudgingOptions {
  std::size_t cold_threshold = 30;  ///< of auc_cold: fewer interactions in training make a cold item
  std::vector<std::size_t> cold_thresholds = {5, 10, 100};  ///< further ones, a slice each
  GaucMode gauc_mode = GaucMode::impression;
  /// Samples scored at once, 0 for as many as the network takes. Logits depend on it in their last bits: who wants the
  /// figures of a training gives the training's.
  std::size_t batch_size = 0;
};

/// Interactions of every item in a log.
std::vector<std::uint32_t> count_items(const data::Interactions& log, std::size_t num_items);

/// Metrics over all samples, in their order. `item_counts`: training interactions of every item.
RankerMetrics evaluate_samples(Network<float>& network, const Samples& samples,
                               std::span<const std::uint32_t> item_counts, const JudgingOptions& options,
                               const ProgressFn& progress = {});

/// The same of samples that have been scored. `users`: one a sample.
RankerMetrics judge_scores(const eval::JudgedSamples& scored, std::span<const std::uint32_t> users,
                           std::span<const std::uint32_t> item_counts, const JudgingOptions& options);

}  // namespace neume::rank
