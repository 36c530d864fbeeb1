#include "rank/distinct_rows.hpp"

#include <algorithm>
#include <bit>

namespace neume::rank {

void DistinctRows::clear(std::size_t length, std::size_t most) {
  length_ = length;
  size_ = 0;
  rows_.clear();
  hash_bits_ = static_cast<std::size_t>(std::bit_width(2 * most + 1));
  table_.assign(std::size_t{1} << hash_bits_, 0);
}

std::uint32_t DistinctRows::add(const std::uint32_t* rows) {
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < length_; ++i) hash = (hash ^ rows[i]) * 0x9E3779B97F4A7C15ULL ^ hash >> 29;
  const std::size_t mask = table_.size() - 1;
  std::size_t place = (hash * 0x9E3779B97F4A7C15ULL) >> (64 - hash_bits_);
  for (; table_[place] != 0; place = (place + 1) & mask) {
    const std::uint32_t number = table_[place] - 1;
    if (std::equal(rows, rows + length_, at(number))) return number;
  }
  rows_.insert(rows_.end(), rows, rows + length_);
  table_[place] = static_cast<std::uint32_t>(++size_);
  return static_cast<std::uint32_t>(size_ - 1);
}

}  // namespace neume::rank
