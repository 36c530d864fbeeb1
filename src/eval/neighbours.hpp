#pragma once
// Do items that lie side by side in the embedding space share codes? Exact nearest neighbours for a sample of queries,
// and how often a neighbour has the query's code.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/semantic_ids.hpp>

namespace neume::eval {

/// The nearest rows of some rows of a matrix. All numbers are row numbers of that matrix.
struct Neighbours {
  std::vector<std::uint32_t> queries;
  std::size_t count = 0;             ///< neighbours of each query
  std::vector<std::uint32_t> items;  ///< queries.size() x count, row-major; nearest first
};

/// The `count` rows with the smallest Euclidean distance to each query row, measured in double; a query is not its own
/// neighbour, and of equal distances the lowest row wins. Exact: products in single precision only rule rows out, by a
/// bound on their error.
///
/// Throws InvalidArgument for a query that is no row, a count of 0 or of more than rows - 1, and a row whose values are
/// not finite or too large for products in single precision. O(queries x rows x cols), 2 flops each, on all threads
/// (the result does not depend on their number); memory 16 bytes a row and 16 bytes a neighbour and 131,072 rows.
Neighbours nearest_neighbours(ConstMatrixView rows, std::span<const std::uint32_t> queries, std::size_t count);

/// Shares over all pairs of a query and one of its neighbours; entry l - 1 of each list belongs to layer l.
struct NeighbourRetention {
  std::vector<double> same_code;              ///< P(c_l of the neighbour = c_l of the query)
  std::vector<double> same_prefix;            ///< P(c_1..c_l agree)
  std::vector<double> same_code_by_chance;    ///< the same for two different random items of the list, exactly:
  std::vector<double> same_prefix_by_chance;  ///< sum over groups of n_g (n_g - 1) / (n (n - 1))
  std::size_t queries = 0;
  std::size_t count = 0;  ///< neighbours of each query
};

/// Judges `family` on `neighbours` whose row r is item items[r] of the family. Without queries the shares are 0.
/// Throws InvalidArgument where an item has no code or a row is not in the list. O(L n log n + L queries count).
NeighbourRetention neighbour_retention(const CodeFamily& family, const Neighbours& neighbours,
                                       std::span<const std::uint32_t> items);

}  // namespace neume::eval
