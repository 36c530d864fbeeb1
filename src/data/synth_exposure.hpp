#pragma once
// Which item a user of a synthetic set meets next: part by the user's tastes, part by popularity, part new releases.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "data/synth_log.hpp"

namespace neume::data {

/// Items in groups, drawn within a group in proportion to their weight. Immutable, so safe from any thread.
class WeightedPools {
 public:
  /// `pool_of` and `weights` have one entry an item; pools are numbered [0, num_pools).
  WeightedPools(std::span<const std::uint32_t> pool_of, std::span<const double> weights, std::size_t num_pools);

  /// Nothing where the pool is empty. O(log of the pool's size).
  std::optional<std::uint32_t> draw(std::size_t pool, base::Random& random) const;

 private:
  std::vector<std::size_t> begin_;  // num_pools + 1
  std::vector<std::uint32_t> items_;
  std::vector<double> cumulative_;  // within the pool
};

/// Draws exposures. Immutable, so safe from any thread; must not outlive its catalogue.
class SynthExposure {
 public:
  explicit SynthExposure(const SynthCatalogue& catalogue);

  /// An item that is out at `time` and that is not in `seen`; one that is in `seen` where nothing else is left.
  std::uint32_t draw(const SynthListener& listener, std::int64_t time, const std::unordered_set<std::uint32_t>& seen,
                     base::Random& random) const;

 private:
  std::optional<std::uint32_t> draw_candidate(const SynthListener& listener, std::size_t num_released,
                                              base::Random& random) const;
  std::uint32_t first_unseen(std::size_t num_released, const std::unordered_set<std::uint32_t>& seen,
                             base::Random& random) const;

  const SynthCatalogue& catalogue_;
  std::vector<std::int64_t> release_times_;  // ascending
  WeightedPools everything_;
  WeightedPools by_style_;
  WeightedPools by_sound_;
};

}  // namespace neume::data
