#include "quantize/price_ascent.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/parallel.hpp"

namespace neume::quantize {

namespace {

constexpr std::size_t kRowsAtOnce = 4096;
constexpr std::size_t kCodesAtATime = 64;
constexpr std::size_t kRowsPerExcess = 1000;

// Neighbours move at the same time, those above a code down and those below it up: half a step each, less where that is
// too much. Steps that grow while a code stays on one side (Rprop) were tried: they run away where lists are short.
constexpr double kDamping = 0.5;
constexpr double kSmallestDamping = 0.05;
constexpr double kShrinkage = 0.7;

/// Gaps of rows, grouped by a code of theirs.
class GapsByCode {
 public:
  /// `codes` and `gaps` have one entry a row; rows with `skip` are left out.
  void group(std::span<const Code> codes, std::span<const float> gaps, std::span<const std::uint8_t> skip,
             std::size_t num_codes) {
    begins_.assign(num_codes + 2, 0);
    for (std::size_t i = 0; i < codes.size(); ++i) begins_[codes[i] + 2] += skip[i] == 0;
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    values_.resize(begins_.back());
    // begins_[j + 1] runs over the places of code j, and ends where those of j + 1 begin.
    for (std::size_t i = 0; i < codes.size(); ++i)
      if (skip[i] == 0) values_[begins_[codes[i] + 1]++] = gaps[i];
  }

  std::size_t count(std::size_t code) const { return begins_[code + 1] - begins_[code]; }

  /// The `rank`-th smallest gap of a code, counted from 1; the largest where there are fewer, 0 where there is none.
  double smallest(std::size_t code, std::size_t rank) {
    const std::size_t place = std::min(rank, count(code));
    if (place == 0) return 0.0;
    const auto begin = values_.begin() + static_cast<std::ptrdiff_t>(begins_[code]);
    const auto nth = begin + static_cast<std::ptrdiff_t>(place - 1);
    std::nth_element(begin, nth, values_.begin() + static_cast<std::ptrdiff_t>(begins_[code + 1]));
    return double{*nth};
  }

 private:
  std::vector<std::size_t> begins_;
  std::vector<float> values_;
};

class PriceAscent {
 public:
  explicit PriceAscent(const BalanceTask& task)
      : task_(task), first_(task.lists.rows()), second_(task.lists.rows()), gap_(task.lists.rows()) {}

  /// Looks at every row under `prices`; returns how many rows are too many, over all codes.
  std::size_t look(std::span<const double> prices) {
    const CandidateLists& lists = task_.lists;
    base::parallel_for(base::num_chunks(lists.rows(), kRowsAtOnce), [&](std::size_t chunk) {
      for (std::size_t i = chunk * kRowsAtOnce; i < std::min(lists.rows(), (chunk + 1) * kRowsAtOnce); ++i) {
        const CandidateLists::Best best = lists.best(i, prices);
        first_[i] = lists.code(i, best.first);
        second_[i] = lists.code(i, best.second);
        gap_[i] = static_cast<float>(best.gap());
      }
    });
    leaving_.group(first_, gap_, task_.surplus, lists.num_codes());
    coming_.group(second_, gap_, task_.surplus, lists.num_codes());
    std::size_t excess = 0;
    for (std::size_t j = 0; j < lists.num_codes(); ++j)
      excess += leaving_.count(j) - std::min(leaving_.count(j), task_.capacity);
    return excess;
  }

  /// One step from where look() looked.
  void step(double damping, std::vector<double>& prices) {
    base::parallel_for(base::num_chunks(prices.size(), kCodesAtATime), [&](std::size_t chunk) {
      for (std::size_t j = chunk * kCodesAtATime; j < std::min(prices.size(), (chunk + 1) * kCodesAtATime); ++j) {
        const std::size_t count = leaving_.count(j);
        if (count > task_.capacity)
          prices[j] += damping * leaving_.smallest(j, count - task_.capacity);
        else
          prices[j] = std::max(0.0, prices[j] - damping * coming_.smallest(j, task_.capacity - count));
      }
    });
  }

 private:
  const BalanceTask& task_;
  std::vector<Code> first_, second_;
  std::vector<float> gap_;
  GapsByCode leaving_, coming_;
};

}  // namespace

void approach_balance(const BalanceTask& task, std::size_t passes, std::vector<double>& prices) {
  if (task.lists.length() < 2) return;
  PriceAscent ascent(task);
  std::vector<double> best = prices;
  std::size_t fewest = std::numeric_limits<std::size_t>::max(), before = fewest;
  double damping = kDamping;
  for (std::size_t pass = 0; pass <= passes; ++pass) {
    const std::size_t excess = ascent.look(prices);
    if (excess < fewest) {
      fewest = excess;
      best = prices;
    }
    if (excess * kRowsPerExcess < task.lists.rows() || pass == passes) break;
    if (excess > before) damping = std::max(kSmallestDamping, kShrinkage * damping);
    before = excess;
    ascent.step(damping, prices);
  }
  prices = std::move(best);
}

}  // namespace neume::quantize
