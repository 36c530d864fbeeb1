#pragma once
// Catalogues made of matrices.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/catalogue.hpp"

namespace neume::quantize {

/// Rows of a matrix; row r of the modality belongs to the r-th item that has one.
class MatrixRows : public data::Modality::Rows {
 public:
  explicit MatrixRows(Matrix rows) : rows_(std::move(rows)) {}
  void read(std::size_t row, std::span<float> out) const override { std::ranges::copy(rows_.row(row), out.begin()); }

 private:
  Matrix rows_;
};

/// `missing_every`: items whose number is a multiple of it lack the modality (0: none does).
inline data::Modality modality(const std::string& name, Matrix rows, std::size_t missing_every) {
  std::vector<std::int64_t> row_of_item;
  for (std::size_t i = 0; i < rows.rows(); ++i)
    row_of_item.push_back(missing_every > 0 && i % missing_every == 0 ? -1 : static_cast<std::int64_t>(i));
  const std::size_t width = rows.cols();
  return {name, width, std::make_unique<MatrixRows>(std::move(rows)), std::move(row_of_item)};
}

}  // namespace neume::quantize
