#pragma once
// Seeded random numbers with the same values on every platform (the distributions of <random> differ by library).

#include <cstdint>

namespace neume::base {

/// A good 64-bit mix of its argument (SplitMix64's finaliser): hashes, and independent seeds from (seed, index).
std::uint64_t mix64(std::uint64_t x);

/// An independent seed for the `stream`-th user of `seed`.
inline std::uint64_t derive_seed(std::uint64_t seed, std::uint64_t stream) {
  return mix64(mix64(seed) ^ (stream * 0x9E3779B97F4A7C15ULL));
}

/// xoshiro256** seeded through SplitMix64. Copyable; its whole state is the four words of `state`.
class Random {
 public:
  explicit Random(std::uint64_t seed);

  std::uint64_t next();

  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  /// Uniform in [0, n), n >= 1, without modulo bias.
  std::uint64_t index(std::uint64_t n);

  /// Standard normal (Box-Muller, one value a call).
  double normal();

 private:
  std::uint64_t state_[4];
};

}  // namespace neume::base
