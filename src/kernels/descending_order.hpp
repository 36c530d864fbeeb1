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

/// A radix sort of 16-bit keys, even steps over the range of the values, and an insertion sort of what is left, as few
/// share a key. One caller at a time.
class DescendingOrder {
 public:
  /// `ranked` (as long as `values`): larger values first, equal ones by index. The values must be finite.
  void order(std::span<const float> values, std::span<RankedValue> ranked);

 private:
  std::vector<std::uint32_t> memory_;
  std::vector<std::uint64_t> memory_of_many_;  // for more values than 16 bits can number
};

}  // namespace neume::kernels
