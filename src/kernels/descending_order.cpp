#include "kernels/descending_order.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

namespace neume::kernels {

namespace {

constexpr std::size_t kDigits = 256;
constexpr std::size_t kKeyBits = 16;
constexpr float kLargestKey = 65535.0f;
constexpr std::size_t kAtOnce = 16;       // values side by side: a vector, for the compiler
constexpr std::size_t kMovesAValue = 16;  // of the insertion sort, before another is quicker

/// counts[d] = how many come before digit d.
void to_places(std::array<std::uint32_t, kDigits>& counts) {
  std::uint32_t place = 0;
  for (std::uint32_t& count : counts) place += std::exchange(count, place);
}

/// Sorts what is nearly in order; gives up after some moves, as an outlier leaves all others one key.
bool insertion_sort(std::span<RankedValue> ranked) {
  std::size_t moves_left = kMovesAValue * ranked.size();
  for (std::size_t i = 1; i < ranked.size(); ++i) {
    if (ranked[i].value <= ranked[i - 1].value) continue;
    const RankedValue moved = ranked[i];
    std::size_t to = i;
    for (; to > 0 && moved.value > ranked[to - 1].value; --to) ranked[to] = ranked[to - 1];
    ranked[to] = moved;
    if (i - to > moves_left) return false;
    moves_left -= i - to;
  }
  return true;
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

/// All but the order of values that share a key. Keyed: a key, and below it as many bits of an index as the type
/// leaves.
template <class Keyed>
void order_by_keys(std::span<const float> values, std::vector<Keyed>& memory, std::span<RankedValue> ranked) {
  constexpr std::size_t kIndexBits = sizeof(Keyed) * CHAR_BIT - kKeyBits;
  constexpr Keyed kIndexMask = (Keyed{1} << kIndexBits) - 1;
  const auto low_digit = [](Keyed keyed) { return static_cast<std::size_t>(keyed >> kIndexBits) % kDigits; };
  const auto high_digit = [](Keyed keyed) { return static_cast<std::size_t>(keyed >> kIndexBits) / kDigits; };
  const std::size_t count = values.size();
  memory.resize(2 * count);
  const std::span<Keyed> by_index(memory.data(), count), by_low(memory.data() + count, count);
  const Range range = range_of(values);
  const float scale = range.largest > range.smallest ? kLargestKey / (range.largest - range.smallest) : 0.0f;
  for (std::size_t i = 0; i < count; ++i) {
    const float key = (range.largest - values[i]) * scale;
    const auto whole = static_cast<std::int32_t>(key < kLargestKey ? key : kLargestKey);
    by_index[i] = static_cast<Keyed>(whole) << kIndexBits | static_cast<Keyed>(i);
  }
  std::array<std::uint32_t, kDigits> low{}, high{};
  for (const Keyed keyed : by_index) {
    ++low[low_digit(keyed)];
    ++high[high_digit(keyed)];
  }
  to_places(low);
  to_places(high);
  for (const Keyed keyed : by_index) by_low[low[low_digit(keyed)]++] = keyed;
  for (const Keyed keyed : by_low) {
    const auto index = static_cast<std::uint32_t>(keyed & kIndexMask);
    ranked[high[high_digit(keyed)]++] = {values[index], index};
  }
}

}  // namespace

void DescendingOrder::order(std::span<const float> values, std::span<RankedValue> ranked) {
  if (values.empty()) return;
  if (values.size() <= std::size_t{1} << kKeyBits) {
    order_by_keys(values, memory_, ranked);
  } else {
    order_by_keys(values, memory_of_many_, ranked);
  }
  if (insertion_sort(ranked)) return;
  std::ranges::sort(ranked, [](const RankedValue& a, const RankedValue& b) {
    return a.value != b.value ? a.value > b.value : a.index < b.index;
  });
}

}  // namespace neume::kernels
