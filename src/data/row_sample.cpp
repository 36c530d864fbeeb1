#include "data/row_sample.hpp"

#include <algorithm>
#include <span>

#include "base/file.hpp"
#include "base/random.hpp"
#include "data/id_index.hpp"

namespace neume::data {

std::uint64_t sample_key(std::int64_t id, std::uint64_t seed) {
  return base::derive_seed(seed, static_cast<std::uint64_t>(id));
}

std::uint64_t sample_key(std::string_view id, std::uint64_t seed) {
  if (const auto integer = exact_integer(id)) return sample_key(*integer, seed);
  return base::derive_seed(seed, base::hash64(std::as_bytes(std::span(id))));
}

std::optional<std::size_t> RowSample::offer(std::uint64_t key, std::size_t next_place) {
  ++num_offered_;
  if (size_ == 0) return next_place;
  if (drawn_.size() < size_) {
    drawn_.emplace_back(key, next_place);
  } else if (key < drawn_.front().first) {
    next_place = drawn_.front().second;
    std::ranges::pop_heap(drawn_);
    drawn_.back() = {key, next_place};
  } else {
    return std::nullopt;
  }
  std::ranges::push_heap(drawn_);
  return next_place;
}

}  // namespace neume::data
