#pragma once
// How alike the items of one prefix are: cosines within groups of equal c_1..c_l, beside groups filled by chance.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/semantic_ids.hpp>

namespace neume::eval {

/// Groups are the items with equal c_1..c_l. All three are mean cosines, -1..1, and 0 where there is no pair.
struct CohesionAtDepth {
  double within = 0.0;            ///< mean over items not alone in their group of the mean cosine to the group's others
  double permuted = 0.0;          ///< the same with the items permuted over the same group sizes
  double all_pairs = 0.0;         ///< mean over all pairs of different items; the same for every depth
  std::size_t grouped_items = 0;  ///< items that are not alone in their group
};

/// One entry a depth l = 1..L. Row i of `rows` is the embedding of item items[i]; rows of norm 0 have no direction and
/// are left out. With u = x / |x| and S the sum of u over a group of m items, its items' mean cosines add up to
/// (|S|^2 - m) / (m - 1), so that no pair is looked at: O(L n (d + log n)), 40 bytes an item.
///
/// `seed` drives the permutation. Throws InvalidArgument where items and rows differ in number, an item has no code in
/// the family, or a row is not finite. Runs on all threads; the result does not depend on their number.
std::vector<CohesionAtDepth> cohesion(const CodeFamily& family, std::span<const std::uint32_t> items,
                                      ConstMatrixView rows, std::uint64_t seed = 1);

}  // namespace neume::eval
