#pragma once
// Drift: do new rows still look like those that a quantizer was fitted to, or is a new fit due?

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <neume/fit_statistics.hpp>
#include <neume/quantizer.hpp>

#include "data/catalogue.hpp"
#include "quantize/fit_statistics.hpp"

namespace neume::quantize {

/// Below this many new rows nothing is said.
inline constexpr std::size_t kFewestNewRows = 30;
/// A layer is far off where the mean distance of new rows has grown by this factor ...
inline constexpr double kFarRatio = 1.15;
/// ... or this share of them lies beyond the fit's 99th percentile, and chance gives neither (LayerDrift).
inline constexpr double kFarShare = 0.05;
/// Its usage has shifted where the divergence is this many bits above what chance gives. The population stability index
/// counts 0.25 as a large shift, which is about 0.045 bits here.
inline constexpr double kShiftedBits = 0.05;

/// New rows in one layer, beside the held-out rows of the fit (FitStatistics). Distances as in LayerStatistics.
struct LayerDrift {
  double mean = 0.0;
  double fit_mean = 0.0;
  double mean_limit = 0.0;            ///< fit_mean + 4 standard errors of the difference of two such samples
  std::array<double, 3> quantiles{};  ///< median, 90%, 99%
  std::array<double, 3> fit_quantiles{};
  double beyond = 0.0;        ///< share of rows beyond the fit's 99th percentile; 0.01 without drift
  double beyond_limit = 0.0;  ///< the least share that comes with a chance below 1 in 10,000 without drift
  double usage_shift = 0.0;   ///< Jensen-Shannon divergence of the two usages of codes, bits, 0..1
  double usage_chance = 0.0;  ///< its mean where the two samples are mixed up (permutations)
  bool usage_counts = true;   ///< the fit has kRowsACode held-out rows a code; below, usage is no sign
  double usage_limit = 0.0;   ///< 4 standard deviations of the permutations above it

  /// mean >= kFarRatio * fit_mean and above mean_limit, or beyond >= kFarShare and at least beyond_limit.
  bool is_far() const;
  /// usage_counts and usage_shift >= usage_chance + kShiftedBits and above usage_limit.
  bool is_shifted() const;
};

enum class DriftVerdict {
  too_few_rows,   ///< fewer than kFewestNewRows
  none,           ///< nothing that chance does not give as well
  usage_shifted,  ///< the mix of items is another one, but codewords fit them as they fit the old ones
  refit_due       ///< new rows lie far from all codewords in some layer
};

struct FamilyDrift {
  std::string name;
  std::size_t rows = 0;      ///< new rows that were measured
  std::size_t fit_rows = 0;  ///< held-out rows of the fit
  std::vector<LayerDrift> layers;

  DriftVerdict verdict() const;
};

/// Compares new rows (at least one) with the fit's. Permutations are seeded with `seed`; 200 of them, each of as many
/// draws as the smaller sample has rows.
FamilyDrift compare_with_fit(const FitStatistics& fit, const MeasuredRows& rows, std::uint64_t seed = 1);

/// Codes and distances of `items`, all of which have the quantizer's modalities. Rows are gathered a few thousand at a
/// time. Throws as encode_family.
MeasuredRows measure_items(const data::Catalogue& catalogue, const Quantizer& quantizer,
                           std::span<const std::uint32_t> items);

}  // namespace neume::quantize
