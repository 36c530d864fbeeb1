#pragma once
// Whether predictions are what comes: predicted probabilities beside the share of positives. Functions of logits and
// labels only; they throw InvalidArgument as those of ranking_metrics.hpp do, are pure, and sum in a fixed order.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <neume/ranker.hpp>

namespace neume::eval {

/// The samples, by rising prediction 1 / (1 + e^-z), in `bins` parts of equal counts (they differ by one at most): the
/// sample of 0-based place i is in the part b with b (n-1) / bins < i <= (b+1) (n-1) / bins, place 0 in the first.
/// Samples of one logit share the part of their first, so that no order of the rows matters; parts without samples are
/// left out. Without ties these are the quantile bins of scikit-learn's calibration_curve. No rows: no bins.
/// Throws InvalidArgument for 0 bins. O(n log n).
std::vector<ReliabilityBin> reliability(std::span<const float> logits, std::span<const std::uint8_t> labels,
                                        std::size_t bins = 10);

/// Expected calibration error: the mean over samples of |mean prediction - share of positives| of their bin. 0 for no
/// bins.
double expected_calibration_error(std::span<const ReliabilityBin> bins);

}  // namespace neume::eval
