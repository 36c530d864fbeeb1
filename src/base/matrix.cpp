// Storage of Matrix: aligned, zeroed, and on huge pages where it is large.

#include <neume/matrix.hpp>

#include <algorithm>

#include "base/buffer.hpp"

namespace neume {

void Matrix::Free::operator()(float* p) const {
  base::free_aligned(p);
}

Matrix::Matrix(std::size_t rows, std::size_t cols)
    : data_(static_cast<float*>(base::allocate_zeroed(rows * cols * sizeof(float)))), rows_(rows), cols_(cols) {}

Matrix Matrix::clone() const {
  Matrix copy(rows_, cols_);
  std::copy_n(data(), size(), copy.data());
  return copy;
}

}  // namespace neume
