#pragma once
// Row-major matrices of float: a view that borrows, and a matrix that owns zeroed, cache-line aligned memory.

#include <cstddef>
#include <memory>
#include <span>

namespace neume {

/// Borrowed, read-only, row-major: element (i, j) is data[i * stride + j].
struct ConstMatrixView {
  const float* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;

  std::span<const float> row(std::size_t i) const { return {data + i * stride, cols}; }

  /// Rows [begin, end).
  ConstMatrixView slice(std::size_t begin, std::size_t end) const {
    return {data + begin * stride, end - begin, cols, stride};
  }
};

/// `values` as rows of `cols` floats, one after the other. Throws InvalidArgument where they do not fill whole rows.
ConstMatrixView as_rows(std::span<const float> values, std::size_t cols);

/// Borrowed, writable, row-major.
struct MatrixView {
  float* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t stride = 0;

  std::span<float> row(std::size_t i) const { return {data + i * stride, cols}; }
  MatrixView slice(std::size_t begin, std::size_t end) const {
    return {data + begin * stride, end - begin, cols, stride};
  }
  operator ConstMatrixView() const { return {data, rows, cols, stride}; }
};

/// Owns rows x cols floats without padding (stride = cols), zero at construction. Movable; copies are explicit.
class Matrix {
 public:
  Matrix() = default;

  /// Throws std::bad_alloc, also where the size in bytes exceeds 64 bits.
  Matrix(std::size_t rows, std::size_t cols);

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  std::size_t size() const { return rows_ * cols_; }
  bool empty() const { return size() == 0; }

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::span<float> row(std::size_t i) { return {data() + i * cols_, cols_}; }
  std::span<const float> row(std::size_t i) const { return {data() + i * cols_, cols_}; }
  std::span<float> flat() { return {data(), size()}; }
  std::span<const float> flat() const { return {data(), size()}; }

  MatrixView view() { return {data(), rows_, cols_, cols_}; }
  ConstMatrixView view() const { return {data(), rows_, cols_, cols_}; }
  Matrix clone() const;

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float[], Free> data_;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
};

}  // namespace neume
