#pragma once
// Which rows of a source belong to a sample that is drawn while the rows pass by, as many as they may be.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace neume::data {

/// The order in which ids are drawn: equal for an integer and its decimal form, so that all sources of a catalogue draw
/// the same items.
std::uint64_t sample_key(std::int64_t id, std::uint64_t seed);
std::uint64_t sample_key(std::string_view id, std::uint64_t seed);

/// The `size` rows with the smallest keys (a bottom-k sample: keys are hashes, so every set of ids is equally likely,
/// and the set depends on the ids and the seed alone, not on the order of the rows). A row that is drawn is given a
/// place, perhaps that of a row which has to leave.
class RowSample {
 public:
  /// 0: every row is drawn.
  explicit RowSample(std::size_t size) : size_(size) {}

  /// Draws a row, or not. `next_place` is the place of a row if no other has to leave. Returns the row's place.
  std::optional<std::size_t> offer(std::uint64_t key, std::size_t next_place);

  std::size_t num_offered() const { return num_offered_; }
  bool has_all() const { return size_ == 0 || num_offered_ <= size_; }

 private:
  std::size_t size_;
  std::size_t num_offered_ = 0;
  std::vector<std::pair<std::uint64_t, std::size_t>> drawn_;  // heap of (key, place), the largest key first
};

}  // namespace neume::data
