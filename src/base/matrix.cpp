// Storage of Matrix: aligned, zeroed, and on huge pages where it is large.

#include <neume/matrix.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include <neume/error.hpp>

#include "base/buffer.hpp"

namespace neume {

namespace {

std::size_t bytes_of(std::size_t rows, std::size_t cols) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(rows, cols, &bytes) || __builtin_mul_overflow(bytes, sizeof(float), &bytes))
    throw std::bad_alloc();
  return bytes;
}

}  // namespace

ConstMatrixView as_rows(std::span<const float> values, std::size_t cols) {
  if (cols == 0 || values.size() % cols != 0)
    throw InvalidArgument(
        fmt::format("as_rows: expected whole rows of {} floats, found {} floats", cols, values.size()));
  return {values.data(), values.size() / cols, cols, cols};
}

void Matrix::Free::operator()(float* p) const {
  base::free_aligned(p);
}

Matrix::Matrix(std::size_t rows, std::size_t cols)
    : data_(static_cast<float*>(base::allocate_zeroed(bytes_of(rows, cols)))), rows_(rows), cols_(cols) {}

Matrix Matrix::clone() const {
  Matrix copy(rows_, cols_);
  std::copy_n(data(), size(), copy.data());
  return copy;
}

}  // namespace neume
