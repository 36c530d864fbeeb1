#include "rank/shuffled_order.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::rank {

namespace {

template <class T>
void shuffle(std::vector<T>& values, std::uint64_t seed) {
  base::Random random(seed);
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.index(i)]);
}

}  // namespace

ShuffledOrder::ShuffledOrder(std::uint64_t size, std::uint64_t window, std::uint64_t seed)
    : size_(size), window_blocks_((window + kBlock - 1) / kBlock), seed_(seed), blocks_((size + kBlock - 1) / kBlock) {
  if (window == 0 || window_blocks_ * kBlock > 0xFFFFFFFF) {
    throw InternalError("a window of the shuffled order is out of range");
  }
  std::iota(blocks_.begin(), blocks_.end(), std::uint64_t{0});
  if (blocks_.size() <= window_blocks_) {
    window_blocks_ = std::max<std::uint64_t>(1, blocks_.size());
  } else {
    shuffle(blocks_, seed);
  }
  places_.reserve(std::min(size_, window_blocks_ * kBlock));
  if (!blocks_.empty()) {
    short_block_ = static_cast<std::uint64_t>(std::ranges::find(blocks_, blocks_.size() - 1) - blocks_.begin());
  }
}

std::uint64_t ShuffledOrder::size_of_block(std::uint64_t block) const {
  return std::min(kBlock, size_ - block * kBlock);
}

void ShuffledOrder::enter_window_of(std::uint64_t position) {
  if (position >= size_) throw InternalError("a position beyond the end of the shuffled order");
  // Windows after the one with the short block begin earlier by what it lacks.
  const std::uint64_t full = window_blocks_ * kBlock;
  const std::uint64_t lacking = kBlock - size_of_block(blocks_.size() - 1);
  const std::uint64_t window_of_short = short_block_ / window_blocks_;
  const bool after_short = position + lacking >= (window_of_short + 1) * full;
  const std::uint64_t window = (position + (after_short ? lacking : 0)) / full;
  first_block_ = window * window_blocks_;
  window_begin_ = window * full - (after_short ? lacking : 0);
  const std::uint64_t end = std::min<std::uint64_t>(blocks_.size(), first_block_ + window_blocks_);
  places_.clear();
  for (std::uint64_t b = first_block_; b < end; ++b) {
    for (std::uint64_t i = 0; i < size_of_block(blocks_[b]); ++i) {
      places_.push_back(static_cast<std::uint32_t>((b - first_block_) * kBlock + i));
    }
  }
  // One window is the plain shuffle by the seed; several need a seed each.
  shuffle(places_, window_blocks_ < blocks_.size() ? base::derive_seed(seed_, window) : seed_);
}

}  // namespace neume::rank
