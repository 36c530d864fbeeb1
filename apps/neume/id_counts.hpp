#pragma once
// How many items have an ID, and how many share one: what encode tells of a family that may be larger than memory.

#include <cstddef>

#include "base/spill_vector.hpp"
#include "data/sids_file.hpp"

namespace neume::app {

struct IdCounts {
  std::size_t items = 0;     ///< with an ID
  std::size_t without = 0;   ///< items that have none
  std::size_t distinct = 0;  ///< IDs that occur
  std::size_t sharing = 0;   ///< items that share theirs with another
  std::size_t largest = 0;   ///< most items of one ID

  /// eval::SidQuality's rates of the same names; 0 without items.
  double collision_rate() const;
  double shared_id_rate() const;
};

/// Counts the IDs of one family: 8 bytes an item, in memory or as `policy` says; 40 and more in memory where an ID does
/// not fit in 64 bits (the product of the codebook sizes).
IdCounts count_ids(const data::SidsSource& sids, std::size_t family, const base::SpillPolicy& policy);

}  // namespace neume::app
