#include "base/sample.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/random.hpp"

namespace neume::base {

std::vector<std::uint32_t> draw_sample(std::size_t total, std::size_t count, std::uint64_t seed) {
  std::vector<std::uint32_t> numbers(total);
  std::iota(numbers.begin(), numbers.end(), 0U);
  if (count >= total) return numbers;
  Random random(seed);
  for (std::size_t i = 0; i < count; ++i) std::swap(numbers[i], numbers[i + random.index(total - i)]);
  numbers.resize(count);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace neume::base
