// One source for all instruction sets (Google Highway, chosen at run time). Doubling is exact, so
// bias - 2 * product rounds once with or without a fused multiply-add, and every target gives the same scores.

#include "kernels/argmin.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/argmin.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace neume::kernels {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Pointers into the tables at the row that this row of the block selects.
struct TableRows {
  const float* row[kMaxScoreTables];
  std::size_t count;
};

template <class D>
HWY_INLINE hn::Vec<D> scores_at(D d, const float* products, const float* bias, const TableRows& tables, std::size_t j) {
  const auto two = hn::Set(d, 2.0f);
  auto score = hn::NegMulAdd(two, hn::LoadU(d, products + j), hn::LoadU(d, bias + j));
  for (std::size_t t = 0; t < tables.count; ++t) score = hn::NegMulAdd(two, hn::LoadU(d, tables.row[t] + j), score);
  return score;
}

HWY_INLINE void search_row(const float* HWY_RESTRICT products, const ScoreBlock& block, const TableRows& tables,
                           Nearest& nearest) {
  const hn::ScalableTag<float> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t columns = block.products.cols;
  std::size_t j = 0;
  Nearest best = nearest;
  if (columns >= lanes) {
    auto lowest = hn::Set(d, std::numeric_limits<float>::infinity());
    auto index = hn::Zero(du);
    auto position = hn::Iota(du, 0);
    const auto step = hn::Set(du, static_cast<std::uint32_t>(lanes));
    for (; j + lanes <= columns; j += lanes) {
      const auto score = scores_at(d, products, block.bias, tables, j);
      const auto lower = hn::Lt(score, lowest);
      lowest = hn::IfThenElse(lower, score, lowest);
      index = hn::IfThenElse(hn::RebindMask(du, lower), position, index);
      position = hn::Add(position, step);
    }
    const auto smallest = hn::MinOfLanes(d, lowest);
    const auto none = hn::Set(du, std::numeric_limits<std::uint32_t>::max());
    const auto where = hn::IfThenElse(hn::RebindMask(du, hn::Eq(lowest, smallest)), index, none);
    const float score = hn::GetLane(smallest);
    if (score < best.score) best = {score, block.first_index + hn::GetLane(hn::MinOfLanes(du, where))};
  }
  const hn::CappedTag<float, 1> one;
  for (; j < columns; ++j) {
    const float score = hn::GetLane(scores_at(one, products, block.bias, tables, j));
    if (score < best.score) best = {score, block.first_index + static_cast<std::uint32_t>(j)};
  }
  nearest = best;
}

void UpdateNearest(const ScoreBlock& block, std::span<Nearest> nearest) {
  TableRows tables{};
  tables.count = block.tables.size();
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    for (std::size_t t = 0; t < tables.count; ++t) {
      const ScoreTable& table = block.tables[t];
      tables.row[t] = table.data + table.codes[i * table.code_stride] * table.stride;
    }
    search_row(block.products.data + i * block.products.stride, block, tables, nearest[i]);
  }
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

float AddAndMeasure(const float* HWY_RESTRICT row, const float* HWY_RESTRICT codeword, float* HWY_RESTRICT sum,
                    std::size_t size) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t j = 0;
  for (; j + lanes <= size; j += lanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, sum + j), hn::LoadU(d, row + j)), d, sum + j);
  }
  for (; j < size; ++j) sum[j] += row[j];
  return SquaredDistance(row, codeword, size);
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

HWY_EXPORT(UpdateNearest);
HWY_EXPORT(SquaredDistance);
HWY_EXPORT(AddAndMeasure);
HWY_EXPORT(SquaredNorm);

void update_nearest(const ScoreBlock& block, std::span<Nearest> nearest) {
  if (block.tables.size() > kMaxScoreTables) throw InternalError("more score tables than kMaxScoreTables");
  HWY_DYNAMIC_DISPATCH(UpdateNearest)(block, nearest);
}

void update_nearest_scalar(const ScoreBlock& block, std::span<Nearest> nearest) {
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    for (std::size_t j = 0; j < block.products.cols; ++j) {
      float score = block.bias[j] - 2.0f * block.products.row(i)[j];
      for (const ScoreTable& table : block.tables)
        score -= 2.0f * table.data[table.codes[i * table.code_stride] * table.stride + j];
      if (score < nearest[i].score) nearest[i] = {score, block.first_index + static_cast<std::uint32_t>(j)};
    }
  }
}

float squared_distance(std::span<const float> row, std::span<const float> codeword) {
  return HWY_DYNAMIC_DISPATCH(SquaredDistance)(row.data(), codeword.data(), row.size());
}

float add_and_measure(std::span<const float> row, std::span<const float> codeword, std::span<float> sum) {
  return HWY_DYNAMIC_DISPATCH(AddAndMeasure)(row.data(), codeword.data(), sum.data(), row.size());
}

float squared_norm(std::span<const float> row) {
  return HWY_DYNAMIC_DISPATCH(SquaredNorm)(row.data(), row.size());
}

}  // namespace neume::kernels
#endif  // HWY_ONCE
