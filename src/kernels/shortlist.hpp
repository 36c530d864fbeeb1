#pragma once
// The codes that may be nearest to a row, while scores come in that are wrong by at most a known amount.

#include <cstddef>
#include <cstdint>
#include <limits>

namespace neume::kernels {

/// Codes that are scored at once: four vectors of AVX-512.
inline constexpr std::size_t kCodeGroup = 64;

/// A short list of one row. A score s with error e stands for a true score in [s - e, s + e]; a code can be nearest
/// only where s - e is at most the lowest s + e of all codes.
struct Shortlist {
  static constexpr std::uint32_t kCapacity = 62;
  struct Entry {
    float lowest;  ///< the true score is at least this
    std::uint32_t code;
  };

  float highest = std::numeric_limits<float>::infinity();  ///< the nearest code's true score is at most this
  std::uint32_t count = 0;
  bool overflowed = false;  ///< more codes than fit may be nearest: the list says nothing
  Entry entries[kCapacity];

  /// Empties the list; `bound` is what is known already of the nearest code's score.
  void clear(float bound = std::numeric_limits<float>::infinity()) {
    highest = bound;
    count = 0;
    overflowed = false;
  }

  /// Adds a code whose true score is at least `lowest`, where that may be the lowest. Codes come in rising order.
  void add(float lowest, std::uint32_t code) {
    if (count == kCapacity) prune();
    if (count == kCapacity)
      overflowed = true;
    else
      entries[count++] = {lowest, code};
  }

  /// Drops what can no longer be nearest.
  void prune() {
    std::uint32_t kept = 0;
    for (std::uint32_t e = 0; e < count; ++e)
      if (entries[e].lowest <= highest) entries[kept++] = entries[e];
    count = kept;
  }
};

}  // namespace neume::kernels
