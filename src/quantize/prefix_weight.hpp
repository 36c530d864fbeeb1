#pragma once
// The search behind --prefix-weight auto.

#include <neume/quantizer.hpp>

namespace neume::quantize {

/// The most rows that a trial is fitted to; larger sets are sampled with options.seed.
inline constexpr std::size_t kTrialRows = 65536;

/// Fits psrq with several weights to mapped rows (N x d without padding): 0 for what rq explains, 1, doubled as long as
/// it keeps the share, then halving the interval between the largest weight that keeps it and the smallest above that
/// does not, to 1/64 of the upper end. The variance explained falls with the weight but for small steps back, so the
/// result is the largest weight tried with enough of it. Costs about eight fits. Throws as Quantizer::fit.
PrefixWeightChoice choose_prefix_weight(ConstMatrixView rows, const QuantizerOptions& options,
                                        const ProgressFn& progress);

}  // namespace neume::quantize
