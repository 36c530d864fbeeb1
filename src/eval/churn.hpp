#pragma once
// How many items change their codes from one fit to the next. A refit may give the same groups other names, so codes
// are compared as they stand and after the names of each layer have been matched one to one (matching.hpp).

#include <cstddef>
#include <vector>

#include <neume/semantic_ids.hpp>

namespace neume::eval {

/// Shares of the compared items, 0..1.
struct LayerChurn {
  double changed = 0.0;                        ///< c_l differs as it stands
  double changed_after_matching = 0.0;         ///< c_l differs after renaming the codes of this layer
  double prefix_changed = 0.0;                 ///< some of c_1..c_l differs as it stands
  double prefix_changed_after_matching = 0.0;  ///< some of c_1..c_l differs, each layer renamed by its own matching
  bool is_optimal = true;                      ///< false where the layer is too wide for an exact matching
};

struct Churn {
  std::size_t items = 0;           ///< compared: they have a code in both families
  std::size_t only_in_before = 0;  ///< have a code in `before` alone; they are in no share
  std::size_t only_in_after = 0;
  std::vector<LayerChurn> layers;  ///< all 0 where no item is compared
};

/// Compares two families of the same N items in the same order; codebook sizes may differ. Throws InvalidArgument where
/// N or L differ or a code is invalid. O(L (n log n + k^3)), 16 bytes an item.
Churn churn(const CodeFamily& before, const CodeFamily& after);

}  // namespace neume::eval
