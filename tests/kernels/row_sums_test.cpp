// Sums of table rows against plain loops, for every instruction set that this machine has.

#include "kernels/row_sums.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.hpp"
#include "kernels/instruction_sets.hpp"

namespace neume::kernels {
namespace {

class RowSumsOf : public InstructionSetTest {};

TEST_P(RowSumsOf, ArePlainSumsAndTouchNothingElse) {
  constexpr std::size_t kRows = 9, kCount = 4, kLayers = 2;
  const std::vector<std::uint32_t> rows = {0, 8, 3, 3, kNoTableRow, kNoTableRow, 7, 1};
  for (const std::size_t width : {1u, 15u, 16u, 64u, 77u, 128u}) {
    const std::size_t table_stride = width + 3, stride = width + 5;
    base::Random random(width);
    std::vector<float> table(kRows * table_stride);
    for (float& x : table) x = static_cast<float>(random.index(1000));  // sums are exact
    for (const bool adds : {false, true}) {
      std::vector<float> out(kCount * stride, 0.5f);
      const RowSums sums{table.data(), table_stride, width, rows.data(), kLayers, kCount, out.data(), stride};
      adds ? add_rows_of(sums) : sum_rows_of(sums);
      for (std::size_t i = 0; i < kCount; ++i) {
        for (std::size_t c = 0; c < stride; ++c) {
          float expected = adds || c >= width ? 0.5f : 0.0f;
          for (std::size_t l = 0; l < kLayers && c < width && rows[i * kLayers] != kNoTableRow; ++l) {
            expected += table[rows[i * kLayers + l] * table_stride + c];
          }
          ASSERT_EQ(out[i * stride + c], expected) << width << ' ' << adds << ' ' << i << ' ' << c;
        }
      }
    }
  }
}

NEUME_FOR_EVERY_INSTRUCTION_SET(RowSumsOf);

}  // namespace
}  // namespace neume::kernels
