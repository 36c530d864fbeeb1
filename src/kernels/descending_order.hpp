#pragma once
// Numbers in descending order, for sweeps that need the order of many short columns.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace neume::kernels {

struct RankedValue {
  float value;
  std::uint32_t index;  ///< in the values that were ordered
};

/// A bucket sort: one bucket a value, evenly over the range of the values; what shares a bucket is sorted by comparing.
/// O(n) for values that are spread out, O(n log n) for any. One caller at a time.
class DescendingOrder {
 public:
  /// `ranked` (as long as `values`): larger values first, equal ones by index. The values must be finite.
  void order(std::span<const float> values, std::span<RankedValue> ranked);

 private:
  std::vector<std::uint32_t> buckets_;  // of every value
  std::vector<std::uint32_t> next_;     // by bucket: where its next value goes
};

}  // namespace neume::kernels
