#pragma once
// The part of a nearest-codeword search that is not a product: scores and their arg-min while a block of products is in
// cache, and the two row kernels of a centroid update.
//
// The score of row i and codeword j is
//
//     bias[j] - 2 * products[i][j] - 2 * (sum over tables t of t[code_t of i][j])
//
// which is the squared distance less a term that depends on i alone.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include <neume/matrix.hpp>

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

struct Nearest {
  float score = std::numeric_limits<float>::infinity();
  std::uint32_t index = 0;
};

/// Lowers nearest[i] to the smallest score of row i of the block where that is strictly smaller; among equal scores the
/// lowest index wins, so blocks must come in the order of their columns. Scores that are NaN never win. One entry of
/// `nearest` a row.
void update_nearest(const ScoreBlock& block, std::span<Nearest> nearest);

/// The same, one score at a time: the truth that update_nearest must equal bit for bit.
void update_nearest_scalar(const ScoreBlock& block, std::span<Nearest> nearest);

/// sum += row, and the squared distance of `row` and `codeword`. All of the same length.
float add_and_measure(std::span<const float> row, std::span<const float> codeword, std::span<float> sum);

/// Squared distance of `row` and `codeword`.
float squared_distance(std::span<const float> row, std::span<const float> codeword);

/// Sum of squares; not finite where a value is not finite, or where the sum overflows.
float squared_norm(std::span<const float> row);

}  // namespace neume::kernels
