#pragma once
// One-to-one matching of two sets of names by how often they occur together (the assignment problem).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace neume::eval {

/// `count` things have name `row` on one side and name `column` on the other.
struct CoOccurrence {
  std::uint32_t row = 0;
  std::uint32_t column = 0;
  std::uint32_t count = 0;
};

/// A row without a partner, because there are fewer columns than rows.
inline constexpr std::uint32_t kUnmatched = 0xFFFFFFFF;

/// Beyond this many rows or columns the matching is greedy.
inline constexpr std::size_t kMostMatchedExactly = 2048;

struct Matching {
  std::vector<std::uint32_t> column_of_row;  ///< no column twice; kUnmatched where rows outnumber columns
  std::uint64_t agreement = 0;               ///< sum of the counts of the matched pairs
  bool is_optimal = true;                    ///< no matching has a larger agreement; false for the greedy one
};

/// Matches as many of `num_rows` rows to `num_columns` columns as there can be, so that the agreement is largest.
/// `table` lists the pairs that occur, each at most once, in any order; all other pairs count 0.
///
/// Up to kMostMatchedExactly rows and columns: shortest augmenting paths with dual prices (Kuhn 1955; Jonker &
/// Volgenant 1987), exact in integers, O(k^3) and 8 bytes a cell of the dense k x k' table (at most 34 MB). Beyond:
/// pairs by falling count, the lowest row, then column first, which has at least half of the largest agreement. Throws
/// InvalidArgument for a pair outside the table, or one listed twice.
Matching match_names(std::span<const CoOccurrence> table, std::size_t num_rows, std::size_t num_columns);

}  // namespace neume::eval
