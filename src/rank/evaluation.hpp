#pragma once
// Scores samples with a model and judges the scores.

#include <cstdint>
#include <span>
#include <vector>

#include <neume/progress.hpp>
#include <neume/ranker.hpp>

#include "rank/network.hpp"
#include "rank/samples.hpp"

namespace neume::rank {

/// What makes an item cold: fewer than `threshold` interactions in the training log.
struct ColdRule {
  std::span<const std::uint32_t> item_counts;
  std::size_t threshold = 0;
};

/// Interactions of every item in a log.
std::vector<std::uint32_t> count_items(const data::Interactions& log, std::size_t num_items);

/// Metrics over all samples, in their order.
RankerMetrics evaluate_samples(Network<float>& network, const Samples& samples, const ColdRule& cold,
                               const ProgressFn& progress = {});

}  // namespace neume::rank
