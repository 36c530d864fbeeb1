#pragma once
// From raw rows to the rows that are clustered: x' = (x - mean) * scale, column by column, after every block of columns
// has been divided by its own norm where the scaling is l2.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

namespace neume::quantize {

/// A row that cannot be quantized. what() names the row by its number in the matrix at hand; a caller that knows the
/// item's name can say it instead.
class BadRow : public DataError {
 public:
  BadRow(std::size_t row, const std::string& reason);

  std::size_t row() const { return row_; }
  const std::string& reason() const { return reason_; }

 private:
  std::size_t row_;
  std::string reason_;
};

/// The map that a quantizer applies to its input; borrows the quantizer's parts.
struct RowTransform {
  const InputShape& shape;
  std::span<const float> mean;
  std::span<const float> scale;

  /// Transforms `raw` (row number `index` in messages) into `out`; they may be the same memory. Throws BadRow where a
  /// value is not finite, or the result too large for distances in single precision.
  void apply(std::span<const float> raw, std::size_t index, std::span<float> out) const;
};

/// Mean (d) and scale (d) learnt by fit_transform.
struct Moments {
  std::vector<float> mean;
  std::vector<float> scale;
};

/// Learns mean and scale (rms: one over the root mean squared norm of each block's centred rows; 1 where a block does
/// not vary) and transforms the rows in place exactly as RowTransform does. Throws BadRow.
Moments fit_transform(MatrixView rows, const InputShape& shape);

}  // namespace neume::quantize
