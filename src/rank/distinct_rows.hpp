#pragma once
// Numbers for equal tuples of table rows: candidates and history items that share an ID share work.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace neume::rank {

/// Tuples of a fixed length, numbered 0, 1, ... in order of first appearance.
class DistinctRows {
 public:
  /// Forgets what there was; up to `most` tuples of `length` numbers come.
  void clear(std::size_t length, std::size_t most);

  /// The number of the tuple at `rows`, a new one where it was not seen.
  std::uint32_t add(const std::uint32_t* rows);

  std::size_t size() const { return size_; }
  const std::uint32_t* at(std::size_t number) const { return rows_.data() + number * length_; }
  /// All tuples, size() x length.
  const std::uint32_t* data() const { return rows_.data(); }

 private:
  std::size_t length_ = 0;
  std::size_t size_ = 0;
  std::size_t hash_bits_ = 0;
  std::vector<std::uint32_t> rows_;
  std::vector<std::uint32_t> table_;  // open addressing: a tuple's number plus 1, or 0
};

}  // namespace neume::rank
