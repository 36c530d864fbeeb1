#pragma once
// The part of a nearest-codeword search that is not a product: scores and the few codes that may be nearest while a
// block of products is in cache, the exact distance that decides between those, and the row kernels of a centroid
// update.
//
// The score of row i and codeword j is
//
//     bias[j] - 2 * products[i][j] - 2 * (sum over tables t of t[code_t of i][j])
//
// which is the squared distance less a term that depends on i alone.

#include <cstddef>
#include <cstdint>
#include <span>

#include <neume/matrix.hpp>

#include "kernels/shortlist.hpp"

namespace neume::kernels {

/// A quantizer has at most 16 layers, so a score has at most this many terms from earlier codes.
inline constexpr std::size_t kMaxScoreTables = 16;

/// A term of the score that depends on an earlier code of the row: row codes[i * code_stride] of `data` is added.
struct ScoreTable {
  const float* data;           ///< first column of the searched range; one row an earlier code
  std::size_t stride;          ///< floats from one row to the next
  const std::uint16_t* codes;  ///< of row 0 of the block
  std::size_t code_stride;
};

/// One block of products, rows x columns; the columns are codewords first_index, first_index + 1, ...
struct ScoreBlock {
  ConstMatrixView products;
  const float* bias;  ///< of the first column
  std::span<const ScoreTable> tables;
  std::uint32_t first_index = 0;
};

/// Adds the codes of a block that may be nearest to the short lists, one a row, where a score of row i is wrong by at
/// most errors[i]. Blocks must come in the order of their columns. NaN is never added.
void shortlist_scores(const ScoreBlock& block, std::span<const float> errors, std::span<Shortlist> lists);

/// Squared distance of `row` and `codeword` in double, summed in the same order on every instruction set that has a
/// fused multiply-add: what decides where codewords are nearly equally near.
double exact_distance(std::span<const float> row, std::span<const float> codeword);

/// sum += row. Of the same length.
void add_row(std::span<const float> row, std::span<float> sum);

/// Squared distance of `row` and `codeword`.
float squared_distance(std::span<const float> row, std::span<const float> codeword);

/// Sum of squares; not finite where a value is not finite, or where the sum overflows.
float squared_norm(std::span<const float> row);

}  // namespace neume::kernels
