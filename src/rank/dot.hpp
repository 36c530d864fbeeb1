#pragma once
// The dot product of two short vectors.

#include <array>
#include <cstddef>

namespace neume::rank {

/// sum_i a[i] * b[i]. Eight running sums, added in one fixed order: the compiler can use vectors, and the bytes depend
/// on the values alone.
template <class T>
T dot(const T* a, const T* b, std::size_t size) {
  constexpr std::size_t kLanes = 8;
  std::array<T, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  T total = 0;
  for (const T sum : sums) total += sum;
  for (; i < size; ++i) total += a[i] * b[i];
  return total;
}

}  // namespace neume::rank
