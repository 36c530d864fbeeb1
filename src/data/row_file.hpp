#pragma once
// Rows of numbers on disk, read by position: nothing of them stays in memory, and the address space holds no map of
// them, so a file of any size may be read under any limit.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include <neume/matrix.hpp>

#include "data/npy.hpp"

namespace neume::data {

/// An open file that closes with its owner.
class OpenFile {
 public:
  /// Throws DataError unless `path` is a file that can be read.
  explicit OpenFile(const std::filesystem::path& path);
  /// A file without a name in `folder` (made where it is missing): it goes with the process, killed or not.
  static OpenFile unlinked(const std::filesystem::path& folder);
  ~OpenFile();
  OpenFile(OpenFile&& other) noexcept;
  OpenFile& operator=(OpenFile&&) = delete;

  const std::string& name() const { return name_; }
  std::size_t size_bytes() const;

  /// Fills `out` from byte `offset` on; thread-safe. Throws DataError where the file ends before or cannot be read.
  void read(std::size_t offset, std::span<std::byte> out) const;
  /// Throws DataError where the disk is full.
  void write(std::size_t offset, std::span<const std::byte> bytes);

 private:
  OpenFile(std::string name, int descriptor) : name_(std::move(name)), descriptor_(descriptor) {}

  std::string name_;
  int descriptor_;
};

/// A two-dimensional array in a file. Safe to read from several threads.
class RowFile {
 public:
  /// Throws DataError for what NpyFile refuses.
  static RowFile of_npy(const std::filesystem::path& path);

  std::size_t rows() const { return layout_.rows; }
  std::size_t cols() const { return layout_.cols; }

  /// Rows [first, first + out.rows) as floats, out.cols = cols(), without padding between the rows of `out`.
  void read(std::size_t first, MatrixView out) const;
  /// One value as it stands in the file.
  double value(std::size_t row, std::size_t col) const;

 private:
  friend class RowSpool;
  RowFile(OpenFile file, NpyLayout layout) : file_(std::move(file)), layout_(layout) {}

  OpenFile file_;
  NpyLayout layout_;
};

/// Puts rows of floats aside in a file without a name, in order, and hands them out as a RowFile.
class RowSpool {
 public:
  RowSpool(const std::filesystem::path& folder, std::size_t width);

  /// The next row, for the caller to fill before the next call.
  std::span<float> append();
  RowFile finish();

 private:
  void flush();

  OpenFile file_;
  Matrix buffer_;
  std::size_t buffered_ = 0;
  std::size_t written_ = 0;
};

}  // namespace neume::data
