#pragma once
// The safetensors container: 8-byte little-endian length, a JSON header, raw little-endian tensors
// (docs/formats/safetensors.md). Written by us and readable by the Python and Rust libraries, and the other way round.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.hpp"

namespace neume::data {

enum class DType { f32, f64, u16, u32, u64, u8, i32 };

/// A tensor to be written: borrowed bytes, row-major.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> bytes;
};

/// Borrowing tensor of floats; likewise for the other element types (see tensor_of overloads).
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const float> values);
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::uint16_t> values);
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::uint32_t> values);
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::uint64_t> values);
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::uint8_t> values);
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::int32_t> values);

/// Writes atomically: tensors in the given order, `metadata` as the header's __metadata__ (strings) with a checksum of
/// the whole file beside it. Tensor data starts at a multiple of 64 bytes. Throws InvalidArgument for a name used
/// twice, a shape that does not match the bytes, or text that is not UTF-8.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata);

/// A mapped safetensors file. Everything in the header is checked against the file's size before use, and the checksum
/// where there is one (files of other writers have none). Immutable after construction, so safe to share.
class SafetensorsFile {
 public:
  /// Throws DataError with the path and what is wrong: truncated, header not JSON, offsets outside the file,
  /// overlapping or unknown element types, shape that does not match the bytes, a checksum that does not match the
  /// content.
  explicit SafetensorsFile(std::filesystem::path path);

  bool has(std::string_view name) const;
  std::vector<std::string> names() const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Shape of a tensor. Throws DataError where it is missing.
  const std::vector<std::size_t>& shape(std::string_view name) const;

  /// Copies a tensor's values. Throws DataError where it is missing, has another element type, or values.size()
  /// differs.
  void read(std::string_view name, std::span<float> values) const;
  void read(std::string_view name, std::span<std::uint16_t> values) const;
  void read(std::string_view name, std::span<std::uint32_t> values) const;
  void read(std::string_view name, std::span<std::uint64_t> values) const;
  void read(std::string_view name, std::span<std::uint8_t> values) const;
  void read(std::string_view name, std::span<std::int32_t> values) const;

 private:
  struct Entry {
    DType dtype;
    std::vector<std::size_t> shape;
    std::size_t begin;
    std::size_t end;
  };
  const Entry& find(std::string_view name) const;
  void copy(std::string_view name, DType dtype, std::span<std::byte> out) const;

  std::filesystem::path path_;
  base::MappedFile file_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::string, std::string> metadata_;
  std::size_t data_begin_ = 0;
};

}  // namespace neume::data
