// Highway version for every instruction set.

#include "kernels/row_sums.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/row_sums.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace neume::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using Lanes = hn::ScalableTag<float>;

/// kVectors vectors of a sum from column `column` on; `adds` to what is there.
template <std::size_t kVectors>
HWY_INLINE void sum_columns(const RowSums& sums, const std::uint32_t* rows, std::size_t column, bool adds, float* out) {
  const Lanes d;
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<Lanes> total[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    total[v] = adds ? hn::LoadU(d, out + column + v * lanes) : hn::Zero(d);
  }
  for (std::size_t l = 0; l < sums.layers; ++l) {
    const float* row = sums.table + rows[l] * sums.table_stride + column;
    for (std::size_t v = 0; v < kVectors; ++v) total[v] = hn::Add(total[v], hn::LoadU(d, row + v * lanes));
  }
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(total[v], d, out + column + v * lanes);
}

/// The last columns, fewer than a vector.
HWY_INLINE void sum_last_columns(const RowSums& sums, const std::uint32_t* rows, std::size_t column, bool adds,
                                 float* out) {
  const Lanes d;
  const auto mask = hn::FirstN(d, sums.width - column);
  auto total = adds ? hn::MaskedLoad(mask, d, out + column) : hn::Zero(d);
  for (std::size_t l = 0; l < sums.layers; ++l) {
    total = hn::Add(total, hn::MaskedLoad(mask, d, sums.table + rows[l] * sums.table_stride + column));
  }
  hn::BlendedStore(total, mask, d, out + column);
}

void sum_tuples(const RowSums& sums, bool adds) {
  const std::size_t lanes = hn::Lanes(Lanes());
  for (std::size_t i = 0; i < sums.count; ++i) {
    const std::uint32_t* rows = sums.rows + i * sums.layers;
    float* out = sums.out + i * sums.stride;
    if (*rows == kNoTableRow) {
      if (!adds) std::fill_n(out, sums.width, 0.0f);
      continue;
    }
    std::size_t column = 0;
    for (; column + 4 * lanes <= sums.width; column += 4 * lanes) sum_columns<4>(sums, rows, column, adds, out);
    for (; column + lanes <= sums.width; column += lanes) sum_columns<1>(sums, rows, column, adds, out);
    if (column < sums.width) sum_last_columns(sums, rows, column, adds, out);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace neume::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace neume::kernels {

HWY_EXPORT(sum_tuples);

void sum_rows_of(const RowSums& sums) {
  HWY_DYNAMIC_DISPATCH(sum_tuples)(sums, false);
}

void add_rows_of(const RowSums& sums) {
  HWY_DYNAMIC_DISPATCH(sum_tuples)(sums, true);
}

}  // namespace neume::kernels
#endif
