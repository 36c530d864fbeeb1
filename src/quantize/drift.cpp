#include "quantize/drift.hpp"

#include <algorithm>
#include <cmath>

#include "base/random.hpp"
#include "quantize/encoder.hpp"

namespace neume::quantize {

namespace {

constexpr std::size_t kPermutations = 200;
constexpr double kStandardErrors = 4.0;
constexpr double kRareChance = 1e-4;
constexpr std::array<std::size_t, 3> kShownQuantiles{50, 90, 99};
constexpr std::size_t kItemsAtOnce = 8192;

using Counts = std::vector<std::uint32_t>;

double total_of(const Counts& counts) {
  double total = 0.0;
  for (const std::uint32_t count : counts) total += count;
  return total;
}

/// Jensen-Shannon divergence in bits of two samples' shares (Lin 1991, with equal weights).
double divergence(const Counts& a, const Counts& b) {
  const double a_total = total_of(a), b_total = total_of(b);
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    const double p = a[j] / a_total, q = b[j] / b_total, middle = (p + q) / 2.0;
    if (p > 0.0) sum += p * std::log2(p / middle) / 2.0;
    if (q > 0.0) sum += q * std::log2(q / middle) / 2.0;
  }
  return std::max(0.0, sum);
}

/// Divergence of two samples of these sizes that are drawn from the two thrown together.
struct ChanceDivergence {
  double mean = 0.0;
  double limit = 0.0;  ///< kStandardErrors standard deviations above the mean
};

ChanceDivergence chance_divergence(const Counts& a, const Counts& b, std::uint64_t seed) {
  std::vector<std::uint32_t> pool;
  Counts all(a.size());
  for (std::size_t j = 0; j < a.size(); ++j) {
    all[j] = a[j] + b[j];
    pool.insert(pool.end(), all[j], static_cast<std::uint32_t>(j));
  }
  const auto draws = static_cast<std::size_t>(std::min(total_of(a), total_of(b)));
  base::Random random(seed);
  double sum = 0.0, squares = 0.0;
  for (std::size_t p = 0; p < kPermutations; ++p) {
    Counts drawn(all.size(), 0), left = all;
    for (std::size_t i = 0; i < draws; ++i) {
      std::swap(pool[i], pool[i + random.index(pool.size() - i)]);
      ++drawn[pool[i]];
      --left[pool[i]];
    }
    const double found = divergence(drawn, left);
    sum += found;
    squares += found * found;
  }
  const double mean = sum / kPermutations;
  return {mean, mean + kStandardErrors * std::sqrt(std::max(0.0, squares / kPermutations - mean * mean))};
}

/// The smallest x / n with P(X >= x) < kRareChance for a binomial X of n draws of chance 0.01.
double rare_share(std::size_t n) {
  constexpr double kChance = 0.01;
  const double count = static_cast<double>(n);
  double below = 0.0;
  for (std::size_t x = 0; x <= n; ++x) {
    if (1.0 - below < kRareChance) return static_cast<double>(x) / count;
    const double k = static_cast<double>(x);
    below += std::exp(std::lgamma(count + 1.0) - std::lgamma(k + 1.0) - std::lgamma(count - k + 1.0) +
                      k * std::log(kChance) + (count - k) * std::log1p(-kChance));
  }
  return 1.0;
}

LayerDrift compare_layer(const LayerStatistics& fit, const LayerStatistics& fresh, std::span<const float> distances,
                         std::uint64_t seed) {
  LayerDrift drift;
  const double n = static_cast<double>(distances.size()), fit_rows = total_of(fit.usage);
  drift.mean = fresh.mean;
  drift.fit_mean = fit.mean;
  drift.mean_limit = fit.mean + kStandardErrors * fit.deviation * std::sqrt(1.0 / n + 1.0 / fit_rows);
  for (std::size_t q = 0; q < kShownQuantiles.size(); ++q) {
    drift.quantiles[q] = double{fresh.quantiles[kShownQuantiles[q]]};
    drift.fit_quantiles[q] = double{fit.quantiles[kShownQuantiles[q]]};
  }
  const float percentile = fit.quantiles[99];
  const auto beyond = std::ranges::count_if(distances, [&](float x) { return x > percentile; });
  drift.beyond = static_cast<double>(beyond) / n;
  drift.beyond_limit = rare_share(distances.size());
  drift.usage_counts = fit_rows >= static_cast<double>(kRowsACode * fit.usage.size());
  drift.usage_shift = divergence(fit.usage, fresh.usage);
  const ChanceDivergence chance = chance_divergence(fit.usage, fresh.usage, seed);
  drift.usage_chance = chance.mean;
  drift.usage_limit = chance.limit;
  return drift;
}

}  // namespace

bool LayerDrift::is_far() const {
  return (mean >= kFarRatio * fit_mean && mean > mean_limit) || (beyond >= kFarShare && beyond >= beyond_limit);
}

bool LayerDrift::is_shifted() const {
  return usage_counts && usage_shift >= usage_chance + kShiftedBits && usage_shift > usage_limit;
}

DriftVerdict FamilyDrift::verdict() const {
  if (rows < kFewestNewRows) return DriftVerdict::too_few_rows;
  if (std::ranges::any_of(layers, &LayerDrift::is_far)) return DriftVerdict::refit_due;
  return std::ranges::any_of(layers, &LayerDrift::is_shifted) ? DriftVerdict::usage_shifted : DriftVerdict::none;
}

FamilyDrift compare_with_fit(const FitStatistics& fit, const MeasuredRows& rows, std::uint64_t seed) {
  FamilyDrift drift;
  drift.rows = rows.num_rows();
  drift.fit_rows = fit.rows;
  for (std::size_t l = 0; l < fit.layers.size(); ++l) {
    const LayerStatistics fresh = statistics_of(rows.distances[l], rows.codes_of(l), fit.layers[l].usage.size());
    drift.layers.push_back(compare_layer(fit.layers[l], fresh, rows.distances[l], base::derive_seed(seed, l)));
  }
  return drift;
}

MeasuredRows measure_items(const data::Catalogue& catalogue, const Quantizer& quantizer,
                           std::span<const std::uint32_t> items) {
  check_modalities(catalogue, quantizer);
  MeasuredRows measured(quantizer.num_layers());
  for (std::size_t begin = 0; begin < items.size(); begin += kItemsAtOnce) {
    const Matrix raw = catalogue.gather(quantizer.shape().block_names,
                                        items.subspan(begin, std::min(kItemsAtOnce, items.size() - begin)));
    Matrix mapped(raw.rows(), raw.cols());
    quantizer.map(raw.view(), mapped.view());
    measured.append(measure_rows(quantizer.codec(), mapped.view()));
  }
  return measured;
}

}  // namespace neume::quantize
