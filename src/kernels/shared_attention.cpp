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
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace neume::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using Lanes = hn::ScalableTag<float>;
using Vector = hn::Vec<Lanes>;

// Queries of a tile of 4 vectors of entries: its sums fill half of the registers, or all that 16 leave.
#if HWY_TARGET <= HWY_AVX3
constexpr std::size_t kTileQueries = 4;
#else
constexpr std::size_t kTileQueries = 2;
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

/// Scores of queries [query, query + kQueries) and entries [column, column + 4 or 1 vectors).
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
  std::size_t query = begin;
  for (; query + kTileQueries <= end; query += kTileQueries) score_tile<kTileQueries, kVectors>(pass, query, column);
  for (; query < end; ++query) score_tile<1, kVectors>(pass, query, column);
}

void score_all_pairs(const PairScores& pass, std::size_t begin, std::size_t end) {
  const std::size_t lanes = hn::Lanes(Lanes());
  std::size_t column = 0;
  for (; column + 4 * lanes <= pass.stride; column += 4 * lanes) score_columns<4>(pass, begin, end, column);
  for (; column < pass.stride; column += lanes) score_columns<1>(pass, begin, end, column);
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

/// S0 and S1 of some columns. They are kept as the sum of a whole and of the last few entries, which keeps what
/// thousands of additions lose by rounding to that of tens.
template <std::size_t kVectors>
struct RunningSums {
  HWY_INLINE RunningSums() {
    const Lanes d;
    for (std::size_t v = 0; v < kVectors; ++v) whole0[v] = whole1[v] = last0[v] = last1[v] = hn::Zero(d);
  }

  HWY_INLINE void add(const float* embedding, float projected) {
    const Lanes d;
    const auto p = hn::Set(d, projected);
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto e = hn::LoadU(d, embedding + v * hn::Lanes(d));
      last0[v] = hn::Add(last0[v], e);
      last1[v] = hn::MulAdd(p, e, last1[v]);
    }
  }

  HWY_INLINE void take_last_into_whole() {
    const Lanes d;
    for (std::size_t v = 0; v < kVectors; ++v) {
      whole0[v] = hn::Add(whole0[v], last0[v]);
      whole1[v] = hn::Add(whole1[v], last1[v]);
      last0[v] = last1[v] = hn::Zero(d);
    }
  }

  /// out += weight (S1 - threshold S0).
  HWY_INLINE void add_to(float* out, float threshold, float weight) const {
    const Lanes d;
    const auto t = hn::Set(d, threshold), w = hn::Set(d, weight);
    for (std::size_t v = 0; v < kVectors; ++v) {
      float* at = out + v * hn::Lanes(d);
      const auto s0 = hn::Add(whole0[v], last0[v]), s1 = hn::Add(whole1[v], last1[v]);
      hn::StoreU(hn::MulAdd(w, hn::NegMulAdd(t, s0, s1), hn::LoadU(d, at)), d, at);
    }
  }

  Vector whole0[kVectors], whole1[kVectors], last0[kVectors], last1[kVectors];
};

constexpr std::size_t kLastEntries = 64;

/// Projections are taken from their middle, so that S1 and t S0 are no larger than they must be.
template <std::size_t kVectors>
HWY_INLINE void sweep_columns(const Sweep& pass, std::size_t column, float middle) {
  RunningSums<kVectors> sums;
  std::size_t next = 0;
  for (const RankedValue& threshold : pass.thresholds) {
    while (next < pass.entries.size() && pass.entries[next].value > threshold.value) {
      const RankedValue& entry = pass.entries[next];
      sums.add(pass.embeddings + entry.index * pass.width + column, entry.value - middle);
      if (++next % kLastEntries == 0) sums.take_last_into_whole();
    }
    sums.add_to(pass.pooled + threshold.index * pass.pooled_stride + column, threshold.value - middle,
                pass.output_weight);
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
