#include "kernels/descending_order.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace neume::kernels {

namespace {

constexpr std::size_t kDigits = 256;
constexpr float kLargestKey = 65535.0f;
constexpr std::size_t kAtOnce = 8;  // values side by side: a vector, for the compiler

bool comes_before(const RankedValue& a, const RankedValue& b) {
  return a.value != b.value ? a.value > b.value : a.index < b.index;
}

struct Range {
  float smallest;
  float largest;
};

Range range_of(std::span<const float> values) {
  std::array<float, kAtOnce> least, most;
  least.fill(values[0]);
  most.fill(values[0]);
  std::size_t i = 0;
  for (; i + kAtOnce <= values.size(); i += kAtOnce) {
    for (std::size_t k = 0; k < kAtOnce; ++k) {
      const float x = values[i + k];
      least[k] = x < least[k] ? x : least[k];
      most[k] = x > most[k] ? x : most[k];
    }
  }
  Range range{*std::ranges::min_element(least), *std::ranges::max_element(most)};
  for (; i < values.size(); ++i) {
    range.smallest = std::min(range.smallest, values[i]);
    range.largest = std::max(range.largest, values[i]);
  }
  return range;
}

/// counts[d] = how many come before digit d.
void to_places(std::array<std::uint32_t, kDigits>& counts) {
  std::uint32_t place = 0;
  for (std::uint32_t& count : counts) place += std::exchange(count, place);
}

}  // namespace

void DescendingOrder::make_keys(std::span<const float> values) {
  const Range range = range_of(values);
  const float scale = range.largest > range.smallest ? kLargestKey / (range.largest - range.smallest) : 0.0f;
  keys_.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float key = (range.largest - values[i]) * scale;
    keys_[i] = static_cast<std::uint32_t>(static_cast<std::int32_t>(key < kLargestKey ? key : kLargestKey));
  }
}

void DescendingOrder::order(std::span<const float> values, std::span<RankedValue> ranked) {
  const std::size_t count = values.size();
  if (count == 0) return;
  make_keys(values);
  std::array<std::uint32_t, kDigits> low{}, high{};
  for (const std::uint32_t key : keys_) {
    ++low[key % kDigits];
    ++high[key / kDigits];
  }
  to_places(low);
  to_places(high);
  by_low_.resize(count);
  by_key_.resize(count);
  for (std::size_t i = 0; i < count; ++i)
    by_low_[low[keys_[i] % kDigits]++] = {keys_[i], static_cast<std::uint32_t>(i)};
  for (const Keyed& keyed : by_low_) by_key_[high[keyed.key / kDigits]++] = keyed;
  std::size_t first = 0;  // of those with the present key
  for (std::size_t i = 0; i < count; ++i) {
    ranked[i] = {values[by_key_[i].index], by_key_[i].index};
    if (by_key_[i].key == by_key_[first].key && i + 1 < count) continue;
    const std::size_t end = by_key_[i].key == by_key_[first].key ? i + 1 : i;
    if (end - first > 1)
      std::sort(ranked.begin() + static_cast<std::ptrdiff_t>(first), ranked.begin() + static_cast<std::ptrdiff_t>(end),
                comes_before);
    first = i;
  }
}

}  // namespace neume::kernels
