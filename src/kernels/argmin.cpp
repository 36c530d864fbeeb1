// One source for all instruction sets (Google Highway, chosen at run time). Doubling is exact, so
// bias - 2 * product rounds once with or without a fused multiply-add, and every target gives the same scores.

#include "kernels/argmin.hpp"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/argmin.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace neume::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// What the scores of one row of the block are made of.
struct RowTerms {
  const float* products;
  const float* bias;
  std::size_t columns;
  const float* tables[kMaxScoreTables];  // each at the row that this row of the block selects
  std::size_t num_tables;
};

template <class D>
HWY_INLINE hn::Vec<D> scores_at(D d, const RowTerms& row, std::size_t j) {
  const auto two = hn::Set(d, 2.0f);
  auto score = hn::NegMulAdd(two, hn::LoadU(d, row.products + j), hn::LoadU(d, row.bias + j));
  for (std::size_t t = 0; t < row.num_tables; ++t) score = hn::NegMulAdd(two, hn::LoadU(d, row.tables[t] + j), score);
  return score;
}

/// Scores of up to kCodeGroup codes from j on, in `scores`, and their minimum; infinity behind the columns.
template <class D>
HWY_INLINE hn::Vec<D> score_group(D d, const RowTerms& row, std::size_t j, float* HWY_RESTRICT scores) {
  const std::size_t lanes = hn::Lanes(d), end = std::min(row.columns, j + kCodeGroup);
  const auto infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  auto lowest = infinity;
  std::size_t at = j;
  for (; at + lanes <= end; at += lanes, scores += lanes) {
    const auto score = scores_at(d, row, at);
    hn::StoreU(score, d, scores);
    lowest = hn::IfThenElse(hn::Lt(score, lowest), score, lowest);
  }
  if (at == end) return lowest;
  const hn::CappedTag<float, 1> one;
  hn::StoreU(infinity, d, scores);
  for (std::size_t lane = 0; at + lane < end; ++lane) scores[lane] = hn::GetLane(scores_at(one, row, at + lane));
  const auto last = hn::LoadU(d, scores);
  return hn::IfThenElse(hn::Lt(last, lowest), last, lowest);
}

HWY_INLINE void search_row(const RowTerms& row, std::uint32_t first_index, float error, Shortlist& list) {
  const hn::ScalableTag<float> d;
  HWY_ALIGN float scores[kCodeGroup];
  for (std::size_t j = 0; j < row.columns; j += kCodeGroup) {
    const auto lowest = score_group(d, row, j, scores);
    if (hn::AllFalse(d, hn::Le(lowest, hn::Set(d, list.highest + error)))) continue;
    list.highest = std::min(list.highest, hn::GetLane(hn::MinOfLanes(d, lowest)) + error);
    const float limit = list.highest + error;
    const std::size_t size = std::min(kCodeGroup, row.columns - j);
    for (std::size_t c = 0; c < size; ++c)
      if (scores[c] <= limit) list.add(scores[c] - error, first_index + static_cast<std::uint32_t>(j + c));
  }
}

void ShortlistScores(const ScoreBlock& block, std::span<const float> errors, std::span<Shortlist> lists) {
  RowTerms row{};
  row.bias = block.bias;
  row.columns = block.products.cols;
  row.num_tables = block.tables.size();
  for (std::size_t i = 0; i < lists.size(); ++i) {
    row.products = block.products.data + i * block.products.stride;
    for (std::size_t t = 0; t < row.num_tables; ++t) {
      const ScoreTable& table = block.tables[t];
      row.tables[t] = table.data + table.codes[i * table.code_stride] * table.stride;
    }
    search_row(row, block.first_index, errors[i], lists[i]);
  }
}

// As many sums whatever the width of the vectors, four vectors of them at a time: sum s takes columns s, s + kSums, ...
double ExactDistance(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::size_t size) {
  constexpr std::size_t kSums = 32;
  const hn::CappedTag<double, kSums / 4> d;
  const hn::Rebind<float, decltype(d)> df;
  const std::size_t lanes = hn::Lanes(d), whole = size / kSums * kSums;
  HWY_ALIGN double sums[kSums];
  const auto gap = [&](std::size_t j) HWY_ATTR {
    return hn::Sub(hn::PromoteTo(d, hn::LoadU(df, a + j)), hn::PromoteTo(d, hn::LoadU(df, b + j)));
  };
  for (std::size_t first = 0; first < kSums; first += 4 * lanes) {
    auto sum0 = hn::Zero(d), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (std::size_t j = first; j < whole; j += kSums) {
      const auto gap0 = gap(j), gap1 = gap(j + lanes), gap2 = gap(j + 2 * lanes), gap3 = gap(j + 3 * lanes);
      sum0 = hn::MulAdd(gap0, gap0, sum0);
      sum1 = hn::MulAdd(gap1, gap1, sum1);
      sum2 = hn::MulAdd(gap2, gap2, sum2);
      sum3 = hn::MulAdd(gap3, gap3, sum3);
    }
    hn::StoreU(sum0, d, sums + first);
    hn::StoreU(sum1, d, sums + first + lanes);
    hn::StoreU(sum2, d, sums + first + 2 * lanes);
    hn::StoreU(sum3, d, sums + first + 3 * lanes);
  }
  for (std::size_t j = whole; j < size; ++j) {
    const double rest = double{a[j]} - double{b[j]};
    sums[j - whole] += rest * rest;
  }
  for (std::size_t half = kSums / 2; half > 0; half /= 2)
    for (std::size_t s = 0; s < half; ++s) sums[s] += sums[s + half];
  return sums[0];
}

void AddRow(const float* HWY_RESTRICT row, float* HWY_RESTRICT sum, std::size_t size) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t j = 0;
  for (; j + lanes <= size; j += lanes) hn::StoreU(hn::Add(hn::LoadU(d, sum + j), hn::LoadU(d, row + j)), d, sum + j);
  for (; j < size; ++j) sum[j] += row[j];
}

float SquaredDistance(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::size_t size) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto first = hn::Zero(d), second = hn::Zero(d);  // two chains hide the latency of the additions
  std::size_t j = 0;
  for (; j + 2 * lanes <= size; j += 2 * lanes) {
    const auto x = hn::Sub(hn::LoadU(d, a + j), hn::LoadU(d, b + j));
    const auto y = hn::Sub(hn::LoadU(d, a + j + lanes), hn::LoadU(d, b + j + lanes));
    first = hn::MulAdd(x, x, first);
    second = hn::MulAdd(y, y, second);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(first, second)));
  for (; j < size; ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return sum;
}

float SquaredNorm(const float* a, std::size_t size) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  auto total = hn::Zero(d);
  std::size_t j = 0;
  for (; j + lanes <= size; j += lanes) {
    const auto x = hn::LoadU(d, a + j);
    total = hn::MulAdd(x, x, total);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, total));
  for (; j < size; ++j) sum += a[j] * a[j];
  return sum;
}

}  // namespace HWY_NAMESPACE
}  // namespace neume::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <neume/error.hpp>

namespace neume::kernels {

HWY_EXPORT(ShortlistScores);
HWY_EXPORT(ExactDistance);
HWY_EXPORT(AddRow);
HWY_EXPORT(SquaredDistance);
HWY_EXPORT(SquaredNorm);

void shortlist_scores(const ScoreBlock& block, std::span<const float> errors, std::span<Shortlist> lists) {
  if (block.tables.size() > kMaxScoreTables) throw InternalError("more score tables than kMaxScoreTables");
  HWY_DYNAMIC_DISPATCH(ShortlistScores)(block, errors, lists);
}

double exact_distance(std::span<const float> row, std::span<const float> codeword) {
  return HWY_DYNAMIC_DISPATCH(ExactDistance)(row.data(), codeword.data(), row.size());
}

void add_row(std::span<const float> row, std::span<float> sum) {
  HWY_DYNAMIC_DISPATCH(AddRow)(row.data(), sum.data(), row.size());
}

float squared_distance(std::span<const float> row, std::span<const float> codeword) {
  return HWY_DYNAMIC_DISPATCH(SquaredDistance)(row.data(), codeword.data(), row.size());
}

float squared_norm(std::span<const float> row) {
  return HWY_DYNAMIC_DISPATCH(SquaredNorm)(row.data(), row.size());
}

}  // namespace neume::kernels
#endif  // HWY_ONCE
