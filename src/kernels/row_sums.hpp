#pragma once
// Sums of table rows for many tuples of row numbers: what an ID of several codes is, in any table whose rows stand for
// codes.

#include <cstddef>
#include <cstdint>

namespace neume::kernels {

struct RowSums {
  const float* table;  ///< rows x table_stride
  std::size_t table_stride;
  std::size_t width;          ///< columns that are summed
  const std::uint32_t* rows;  ///< count x layers: numbers of rows, or kNoTableRow as the first where there is no ID
  std::size_t layers;
  std::size_t count;
  float* out;  ///< count x stride
  std::size_t stride;
};
inline constexpr std::uint32_t kNoTableRow = 0xFFFFFFFF;

/// out[i] = the sum of the rows of tuple i, zeros where it has no ID.
void sum_rows_of(const RowSums& sums);

/// out[i] += the same.
void add_rows_of(const RowSums& sums);

}  // namespace neume::kernels
