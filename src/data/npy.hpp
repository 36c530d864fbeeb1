#pragma once
// The NPY format of NumPy: magic, version, a Python dict as text, raw numbers. Read-only and memory-mapped.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "base/file.hpp"

namespace neume::data {

enum class NpyElement { f16, f32, f64 };

/// A mapped two-dimensional array of little-endian f16, f32 or f64 in C order (header versions 1.0 to 3.0). Immutable,
/// so safe to share.
class NpyFile {
 public:
  /// Throws DataError with the path, expected and found, for anything else: wrong magic or version, a header that is
  /// not the dict of the format, Fortran order, big-endian or other elements, another number of dimensions, no rows or
  /// columns, fewer or more bytes than the shape asks for.
  explicit NpyFile(const std::filesystem::path& path);

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  NpyElement element() const { return element_; }

  /// Row `row` as floats. A f64 beyond the range of float becomes infinite.
  void read_row(std::size_t row, std::span<float> out) const;

  /// One value as it stands in the file.
  double value(std::size_t row, std::size_t col) const;

 private:
  const std::byte* at(std::size_t row, std::size_t col) const;

  base::MappedFile file_;
  std::size_t data_begin_ = 0;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
  NpyElement element_ = NpyElement::f32;
};

/// IEEE half precision to float; exact.
float half_to_float(std::uint16_t half);

}  // namespace neume::data
