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

/// A radix sort of 16-bit keys, even steps over the range of the values; those that share a key are sorted by
/// comparing. No branch depends on the values but there. One caller at a time.
class DescendingOrder {
 public:
  /// `ranked` (as long as `values`): larger values first, equal ones by index. The values must be finite.
  void order(std::span<const float> values, std::span<RankedValue> ranked);

 private:
  struct Keyed {
    std::uint32_t key;
    std::uint32_t index;
  };
  void make_keys(std::span<const float> values);

  std::vector<std::uint32_t> keys_;
  std::vector<Keyed> by_low_;
  std::vector<Keyed> by_key_;
};

}  // namespace neume::kernels
