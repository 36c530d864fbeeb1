#pragma once
// The NPY format of NumPy: magic, version, a Python dict as text, raw numbers. Read-only and memory-mapped.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "base/file.hpp"

namespace neume::data {

enum class NpyElement { f16, f32, f64 };

/// Where the numbers of an NPY file lie: rows x cols elements in C order from byte `data_begin` on.
struct NpyLayout {
  NpyElement element = NpyElement::f32;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t data_begin = 0;

  std::size_t row_bytes() const;
};

/// Reads the header from the first bytes of a file of `file_bytes` bytes. Throws what NpyFile throws.
NpyLayout read_npy_layout(const std::filesystem::path& path, std::span<const std::byte> beginning,
                          std::size_t file_bytes);

/// `out.size()` elements as floats. A f64 beyond the range of float becomes infinite.
void read_npy_elements(NpyElement element, const std::byte* bytes, std::span<float> out);
/// One element as it stands in the file.
double read_npy_element(NpyElement element, const std::byte* bytes);

/// A mapped two-dimensional array of little-endian f16, f32 or f64 in C order (header versions 1.0 to 3.0). Immutable,
/// so safe to share.
class NpyFile {
 public:
  /// Throws DataError with the path, expected and found, for anything else: wrong magic or version, a header that is
  /// not the dict of the format, Fortran order, big-endian or other elements, another number of dimensions, no rows or
  /// columns, fewer or more bytes than the shape asks for.
  explicit NpyFile(const std::filesystem::path& path);

  std::size_t rows() const { return layout_.rows; }
  std::size_t cols() const { return layout_.cols; }
  NpyElement element() const { return layout_.element; }

  /// Row `row` as floats. A f64 beyond the range of float becomes infinite.
  void read_row(std::size_t row, std::span<float> out) const;

  /// One value as it stands in the file.
  double value(std::size_t row, std::size_t col) const;

 private:
  const std::byte* at(std::size_t row, std::size_t col) const;

  base::MappedFile file_;
  NpyLayout layout_;
};

/// IEEE half precision to float; exact.
float half_to_float(std::uint16_t half);

}  // namespace neume::data
