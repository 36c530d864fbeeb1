#include "kernels/descending_order.hpp"

#include <algorithm>

namespace neume::kernels {

namespace {

constexpr std::size_t kInsertionSort = 12;  // values that are put in order one by one

bool comes_before(const RankedValue& a, const RankedValue& b) {
  return a.value != b.value ? a.value > b.value : a.index < b.index;
}

void sort_bucket(RankedValue* first, RankedValue* last) {
  if (last - first > static_cast<std::ptrdiff_t>(kInsertionSort)) return std::sort(first, last, comes_before);
  for (RankedValue* next = first + 1; next < last; ++next) {
    const RankedValue moved = *next;
    RankedValue* place = next;
    for (; place > first && comes_before(moved, place[-1]); --place) *place = place[-1];
    *place = moved;
  }
}

}  // namespace

void DescendingOrder::order(std::span<const float> values, std::span<RankedValue> ranked) {
  const std::size_t count = values.size();
  if (count == 0) return;
  const auto [smallest, largest] = std::ranges::minmax(values);
  const float range = largest - smallest;
  const auto last_bucket = static_cast<float>(count - 1);
  const float scale = range > 0.0f ? last_bucket / range : 0.0f;
  buckets_.resize(count);
  next_.assign(count + 1, 0);
  for (std::size_t i = 0; i < count; ++i) {
    // At most last_bucket but for rounding.
    buckets_[i] = static_cast<std::uint32_t>(
        static_cast<std::int32_t>(std::min(std::max((largest - values[i]) * scale, 0.0f), last_bucket)));
  }
  for (const std::uint32_t bucket : buckets_) ++next_[bucket + 1];
  for (std::size_t b = 1; b <= count; ++b) next_[b] += next_[b - 1];
  for (std::size_t i = 0; i < count; ++i) {
    ranked[next_[buckets_[i]]++] = {values[i], static_cast<std::uint32_t>(i)};
  }
  std::size_t begin = 0;  // next_[b] is now where bucket b ends
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t end = next_[b];
    if (end - begin > 1) sort_bucket(ranked.data() + begin, ranked.data() + end);
    begin = end;
  }
}

}  // namespace neume::kernels
