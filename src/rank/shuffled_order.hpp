#pragma once
// The order in which an epoch visits its samples: shuffled in windows, so that a log of any length needs the memory of
// one window, and reads the log in pieces of consecutive rows.

#include <cstdint>
#include <vector>

namespace neume::rank {

/// A seeded order of 0 .. size() - 1. Samples are cut into blocks of kBlock; the blocks are permuted; consecutive
/// blocks of that order make a window; the samples of a window are shuffled among themselves. Where one window holds
/// them all, this is one plain Fisher-Yates shuffle. Depends on (size, window, seed) alone, so it may be entered
/// anywhere.
///
/// Memory: 4 bytes a sample of a window, 8 bytes a block. Not thread-safe.
class ShuffledOrder {
 public:
  static constexpr std::uint64_t kBlock = 4096;

  /// `window` samples are shuffled together, rounded up to whole blocks; at most 2^32 - kBlock of them.
  ShuffledOrder(std::uint64_t size, std::uint64_t window, std::uint64_t seed);

  std::uint64_t size() const { return size_; }

  /// The sample at `position` of [0, size()). O(1) within the window of the call before, else O(window).
  std::uint64_t operator[](std::uint64_t position) {
    if (position < window_begin_ || position >= window_begin_ + places_.size()) enter_window_of(position);
    const std::uint64_t place = places_[position - window_begin_];
    return blocks_[first_block_ + place / kBlock] * kBlock + place % kBlock;
  }

 private:
  std::uint64_t size_of_block(std::uint64_t block) const;
  void enter_window_of(std::uint64_t position);

  std::uint64_t size_;
  std::uint64_t window_blocks_;
  std::uint64_t seed_;
  std::vector<std::uint64_t> blocks_;
  std::uint64_t short_block_ = 0;  // where in blocks_ the last block, which may be shorter, stands
  std::uint64_t first_block_ = 0;  // of the window, in blocks_
  std::uint64_t window_begin_ = 0;
  std::vector<std::uint32_t> places_;  // of the window: kBlock * (block in the window) + (sample in the block)
};

}  // namespace neume::rank
