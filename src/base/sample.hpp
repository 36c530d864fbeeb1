#pragma once
// Random samples without repetition.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace neume::base {

/// `count` of the numbers 0 .. total - 1 (all of them where there are no more), rising; every set is equally likely.
/// The same `seed` draws the same numbers.
std::vector<std::uint32_t> draw_sample(std::size_t total, std::size_t count, std::uint64_t seed);

}  // namespace neume::base
