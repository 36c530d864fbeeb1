#pragma once
// Codes on their way into a sids file: a log beside it, block by block, from which a killed encode goes on.
//
//   header   "neume encode 1\n" and a fingerprint of 16 hex digits of everything that the codes depend on
//   block    codes of `items_per_block` items (the last block: of what is left), 16 bits little-endian; one 64-bit
//            count a modality: how many of these items have it; XXH3 of the block's number and all that
//
// A block whose hash is wrong (it was being written when the machine stopped) ends the log. Nothing is synced: what a
// killed process wrote is the kernel's, and what a crashed machine lost shows in the hashes.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <neume/semantic_ids.hpp>

namespace neume::data {

class CodeLog {
 public:
  struct Shape {
    std::size_t num_items = 0;
    std::size_t codes_per_item = 0;
    std::size_t num_counts = 0;
    std::size_t items_per_block = 0;
  };
  enum class Found { nothing, same, other };

  /// Opens the log of `fingerprint` and finds its last whole block, or begins anew where there is none or another
  /// one's. Throws DataError where it cannot be opened or another process writes it.
  CodeLog(const std::filesystem::path& path, const std::string& fingerprint, const Shape& shape);
  ~CodeLog();  ///< removes a log without a block: there is nothing to go on from
  CodeLog(const CodeLog&) = delete;
  CodeLog& operator=(const CodeLog&) = delete;

  Found found() const { return found_; }
  std::size_t num_items() const { return num_items_; }  ///< whose codes it holds
  /// Sums of the blocks' counts.
  std::span<const std::uint64_t> counts() const { return counts_; }

  /// Adds the next block. Throws DataError where the disk is full; what was written before stays.
  void append(std::span<const Code> codes, std::span<const std::uint64_t> counts);

  /// Codes of items [first, first + out.size() / codes_per_item).
  void read(std::size_t first, std::span<Code> out) const;

  /// Removes the file: it has served.
  void remove();

 private:
  std::size_t items_of_block(std::size_t block) const;
  std::size_t offset_of_block(std::size_t block) const;
  std::size_t block_bytes(std::size_t items) const;
  bool has_header(const std::string& fingerprint) const;
  bool read_block(std::size_t block);
  void begin_anew(const std::string& fingerprint);
  void write(std::size_t offset, std::span<const std::byte> bytes);

  std::filesystem::path path_;
  Shape shape_;
  int descriptor_;
  Found found_ = Found::nothing;
  std::size_t num_items_ = 0;
  std::vector<std::uint64_t> counts_;
  std::vector<std::byte> buffer_;
};

}  // namespace neume::data
