#pragma once
// Files: whole-file atomic writes, read-only memory maps, content fingerprints.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct XXH3_state_s;

namespace neume::base {

using Path = std::filesystem::path;

/// Calls write(temporary path) and then puts the temporary file in place of `target`: synced to disk and renamed, so
/// that a reader sees the old file or the whole new one. Parent folders are made. On any failure the temporary file is
/// removed, the old file stays, and the exception goes on. Throws DataError where the folder cannot be written.
void write_atomically(const Path& target, const std::function<void(const Path& temporary)>& write);

/// Removes the temporary files in `folder` that write_atomically() left when its process was killed, those of targets
/// whose file name `is_ours` accepts. For a caller who knows that nobody writes these targets now.
void remove_leftovers(const Path& folder, const std::function<bool(std::string_view target)>& is_ours);

/// Writes `content` to `target` atomically.
void write_file(const Path& target, const std::string& content);

/// The whole file as bytes. Throws DataError where it cannot be read.
std::string read_file(const Path& path);

/// A read-only memory map of a whole file.
class MappedFile {
 public:
  /// Throws DataError where the file is missing or cannot be mapped. An empty file gives an empty span.
  explicit MappedFile(const Path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// 64-bit content hash (XXH3).
std::uint64_t hash64(std::span<const std::byte> bytes);
/// The same as 16 hex digits.
std::string fingerprint(std::span<const std::byte> bytes);
std::string fingerprint_of_file(const Path& path);

/// The same hash of bytes that come in pieces: hash64 of all of them, one after the other.
class PieceHash {
 public:
  PieceHash();

  void add(std::span<const std::byte> piece);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  std::string fingerprint() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace neume::base
