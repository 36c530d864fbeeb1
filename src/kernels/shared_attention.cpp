// Highway version for every instruction set; the plain version that it is held to is in
// tests/kernels/shared_attention_test.cpp.

#include "kernels/shared_attention.hpp"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/shared_attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, which it builds on.
#include <hwy/cache_control.h>
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace neume::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using Lanes = hn::ScalableTag<float>;
using Vector = hn::Vec<Lanes>;

// Queries times vectors of entries in a tile: its sums fill half of the registers, and are enough of them to hide how
// long an addition takes.
#if HWY_TARGET <= HWY_AVX3
constexpr std::size_t kTileSums = 16;
#else
constexpr std::size_t kTileSums = 8;
#endif

/// output_bias - sum over h of v_h t_ih: as v relu(p - t) = v max(p, t) - v t, an operation less a pair.
float offset_of(const PairScores& pass, const float* thresholds) {
  const Lanes d;
  auto sum = hn::Zero(d);
  for (std::size_t h = 0; h < pass.hidden; h += hn::Lanes(d)) {
    sum = hn::MulAdd(hn::LoadU(d, pass.output_weights + h), hn::LoadU(d, thresholds + h), sum);
  }
  return pass.output_bias - hn::GetLane(hn::SumOfLanes(d, sum));
}

/// Scores of queries [query, query + kQueries) and entries [column, column + kVectors vectors).
template <std::size_t kQueries, std::size_t kVectors>
HWY_INLINE void score_tile(const PairScores& pass, std::size_t query, std::size_t column) {
  const Lanes d;
  const std::size_t lanes = hn::Lanes(d);
  Vector sums[kQueries][kVectors];
  const float* thresholds = pass.thresholds + query * pass.hidden;
  for (std::size_t q = 0; q < kQueries; ++q) {
    const auto offset = hn::Set(d, offset_of(pass, thresholds + q * pass.hidden));
    for (std::size_t v = 0; v < kVectors; ++v) sums[q][v] = offset;
  }
  for (std::size_t h = 0; h < pass.hidden; ++h) {
    const float* row = pass.projected + h * pass.stride + column;
    const auto weight = hn::Set(d, pass.output_weights[h]);
    Vector projected[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) projected[v] = hn::LoadU(d, row + v * lanes);
    for (std::size_t q = 0; q < kQueries; ++q) {
      const auto threshold = hn::Set(d, thresholds[q * pass.hidden + h]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[q][v] = hn::MulAdd(weight, hn::Max(projected[v], threshold), sums[q][v]);
      }
    }
  }
  for (std::size_t q = 0; q < kQueries; ++q) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(sums[q][v], d, pass.scores + (query + q) * pass.stride + column + v * lanes);
    }
  }
}

template <std::size_t kVectors>
HWY_INLINE void score_columns(const PairScores& pass, std::size_t begin, std::size_t end, std::size_t column) {
  constexpr std::size_t kQueries = kTileSums / kVectors;
  std::size_t query = begin;
  for (; query + kQueries <= end; query += kQueries) score_tile<kQueries, kVectors>(pass, query, column);
  for (; query < end; ++query) score_tile<1, kVectors>(pass, query, column);
}

void score_all_pairs(const PairScores& pass, std::size_t begin, std::size_t end) {
  const std::size_t lanes = hn::Lanes(Lanes());
  std::size_t column = 0;
  for (; column + 4 * lanes <= pass.stride; column += 4 * lanes) score_columns<4>(pass, begin, end, column);
  const std::size_t left = (pass.stride - column) / lanes;
  if (left == 3) score_columns<3>(pass, begin, end, column);
  if (left == 2) score_columns<2>(pass, begin, end, column);
  if (left == 1) score_columns<1>(pass, begin, end, column);
}

void softmax_row(float* scores, const float* counts, std::size_t count, std::size_t stride) {
  const Lanes d;
  float largest = -std::numeric_limits<float>::infinity();
  for (std::size_t j = 0; j < count; ++j) largest = std::max(largest, scores[j]);
  const auto shift = hn::Set(d, largest);
  for (std::size_t j = 0; j < stride; j += hn::Lanes(d)) {
    hn::StoreU(hn::Exp(d, hn::Sub(hn::LoadU(d, scores + j), shift)), d, scores + j);
  }
  float sum = 0.0f;
  for (std::size_t j = 0; j < count; ++j) sum += counts[j] * scores[j];
  const float factor = 1.0f / sum;
  for (std::size_t j = 0; j < count; ++j) scores[j] *= factor;
  for (std::size_t j = count; j < stride; ++j) scores[j] = 0.0f;
}

constexpr std::size_t kStretch = 32;  // entries whose running sums are kept at a time, in the first cache
constexpr std::size_t kPrefetchAhead = 8;

/// Asks for the row of the value some places ahead: rows come in any order, from the second cache.
HWY_INLINE void prefetch_row(const RankedValue* ranked, std::size_t at, std::size_t count, const float* rows,
                             std::size_t stride) {
  if (at + kPrefetchAhead >= count) return;
  const float* row = rows + ranked[at + kPrefetchAhead].index * stride;
  for (std::size_t c = 0; c < 4 * hn::Lanes(Lanes()); c += 16) hwy::Prefetch(row + c);
}

/// S0 and S1 of some columns before each entry of a stretch and after its last, of the stretch alone. It is added to
/// the whole after it, which keeps what thousands of additions lose by rounding to that of tens.
template <std::size_t kVectors>
struct Stretch {
  static constexpr std::size_t kRow = 2 * kVectors * hn::MaxLanes(Lanes());  // S0, then S1

  /// Of entries [begin, begin + count) of the pass; projections are taken from `middle`.
  HWY_INLINE void run(const Sweep& pass, std::size_t begin, std::size_t count, std::size_t column, float middle) {
    const Lanes d;
    const std::size_t lanes = hn::Lanes(d), width = pass.width, num_entries = pass.entries.size();
    const RankedValue* HWY_RESTRICT entries = pass.entries.data();
    const float* HWY_RESTRICT embeddings = pass.embeddings + column;
    Vector sums0[kVectors], sums1[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) sums0[v] = sums1[v] = hn::Zero(d);
    for (std::size_t k = 0;; ++k) {
      float* row = rows + k * kRow;
      for (std::size_t v = 0; v < kVectors; ++v) {
        hn::Store(sums0[v], d, row + v * lanes);
        hn::Store(sums1[v], d, row + (kVectors + v) * lanes);
      }
      if (k == count) break;
      const RankedValue entry = entries[begin + k];
      prefetch_row(entries, begin + k, num_entries, embeddings, width);
      values[k] = entry.value;
      const float* embedding = embeddings + entry.index * width;
      const auto p = hn::Set(d, entry.value - middle);
      for (std::size_t v = 0; v < kVectors; ++v) {
        const auto e = hn::LoadU(d, embedding + v * lanes);
        sums0[v] = hn::Add(sums0[v], e);
        sums1[v] = hn::MulAdd(p, e, sums1[v]);
      }
    }
    for (std::size_t k = count; k < kStretch; ++k) values[k] = -std::numeric_limits<float>::infinity();
  }

  /// Entries above a threshold: counted all at once, as a search would mispredict its branches.
  HWY_INLINE std::size_t above(float threshold) const {
    const Lanes d;
    const auto t = hn::Set(d, threshold);
    std::size_t count = 0;
    for (std::size_t k = 0; k < kStretch; k += hn::Lanes(d)) {
      count += hn::CountTrue(d, hn::Gt(hn::Load(d, values + k), t));
    }
    return count;
  }

  HWY_ALIGN float rows[(kStretch + 1) * kRow];
  HWY_ALIGN float values[kStretch];
};

/// Projections are taken from their middle, so that S1 and t S0 are no larger than they must be.
template <std::size_t kVectors>
HWY_INLINE void sweep_columns(const Sweep& pass, std::size_t column, float middle) {
  const Lanes d;
  const std::size_t lanes = hn::Lanes(d), num_entries = pass.entries.size(), num_thresholds = pass.thresholds.size();
  const std::size_t pooled_stride = pass.pooled_stride;
  const RankedValue* HWY_RESTRICT thresholds = pass.thresholds.data();
  const auto weight = hn::Set(d, pass.output_weight);
  float* pooled = pass.pooled + column;
  Stretch<kVectors> stretch;
  Vector whole0[kVectors], whole1[kVectors];  // of the stretches before
  for (std::size_t v = 0; v < kVectors; ++v) whole0[v] = whole1[v] = hn::Zero(d);
  std::size_t i = 0;
  for (std::size_t begin = 0; begin < num_entries; begin += kStretch) {
    const std::size_t count = std::min(kStretch, num_entries - begin);
    stretch.run(pass, begin, count, column, middle);
    const bool last = begin + count == num_entries;
    const float lowest = stretch.values[count - 1];
    for (; i < num_thresholds; ++i) {
      const RankedValue threshold = thresholds[i];
      if (threshold.value < lowest && !last) break;
      prefetch_row(thresholds, i, num_thresholds, pooled, pooled_stride);
      const float* row = stretch.rows + stretch.above(threshold.value) * stretch.kRow;
      const auto t = hn::Set(d, threshold.value - middle);
      float* out = pooled + threshold.index * pooled_stride;
      for (std::size_t v = 0; v < kVectors; ++v) {
        const auto s0 = hn::Add(whole0[v], hn::Load(d, row + v * lanes));
        const auto s1 = hn::Add(whole1[v], hn::Load(d, row + (kVectors + v) * lanes));
        hn::StoreU(hn::MulAdd(weight, hn::NegMulAdd(t, s0, s1), hn::LoadU(d, out + v * lanes)), d, out + v * lanes);
      }
    }
    const float* all = stretch.rows + count * stretch.kRow;
    for (std::size_t v = 0; v < kVectors; ++v) {
      whole0[v] = hn::Add(whole0[v], hn::Load(d, all + v * lanes));
      whole1[v] = hn::Add(whole1[v], hn::Load(d, all + (kVectors + v) * lanes));
    }
  }
}

void sweep_unit(const Sweep& pass) {
  if (pass.entries.empty()) return;
  const std::size_t lanes = hn::Lanes(Lanes());
  const float middle = pass.entries[pass.entries.size() / 2].value;
  std::size_t column = 0;
  for (; column + 4 * lanes <= pass.width; column += 4 * lanes) sweep_columns<4>(pass, column, middle);
  for (; column < pass.width; column += lanes) sweep_columns<1>(pass, column, middle);
}

}  // namespace HWY_NAMESPACE
}  // namespace neume::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace neume::kernels {

HWY_EXPORT(score_all_pairs);
HWY_EXPORT(softmax_row);
HWY_EXPORT(sweep_unit);

void score_pairs(const PairScores& pass, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(score_all_pairs)(pass, begin, end);
}

void softmax_of_counts(float* scores, const float* counts, std::size_t count, std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(softmax_row)(scores, counts, count, stride);
}

void sweep_hidden_unit(const Sweep& pass) {
  HWY_DYNAMIC_DISPATCH(sweep_unit)(pass);
}

}  // namespace neume::kernels
#endif
