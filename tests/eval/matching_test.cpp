// Matching of names: every permutation is the oracle.

#include "eval/matching.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::eval {
namespace {

using Table = std::vector<CoOccurrence>;

/// Largest agreement over all ways to give each row its own column.
std::uint64_t best_agreement(const Table& table, std::size_t rows, std::size_t columns) {
  const std::size_t side = std::max(rows, columns);
  std::vector<std::uint64_t> dense(side * side, 0);
  for (const CoOccurrence& pair : table) dense[pair.row * side + pair.column] = pair.count;
  std::vector<std::size_t> order(side);
  std::iota(order.begin(), order.end(), 0);
  std::uint64_t best = 0;
  do {
    std::uint64_t agreement = 0;
    for (std::size_t row = 0; row < side; ++row) agreement += dense[row * side + order[row]];
    best = std::max(best, agreement);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

Table random_table(std::size_t rows, std::size_t columns, std::uint64_t largest, std::uint64_t seed) {
  base::Random random(seed);
  Table table;
  for (std::uint32_t row = 0; row < rows; ++row) {
    for (std::uint32_t column = 0; column < columns; ++column) {
      const auto count = static_cast<std::uint32_t>(random.index(largest + 1));
      if (count > 0) table.push_back({row, column, count});
    }
  }
  return table;
}

/// One partner each, as many as possible, and an agreement that is the sum of the matched counts.
void expect_one_to_one(const Matching& matching, const Table& table, std::size_t rows, std::size_t columns) {
  ASSERT_EQ(matching.column_of_row.size(), rows);
  std::set<std::uint32_t> used;
  std::size_t matched = 0;
  for (const std::uint32_t column : matching.column_of_row) {
    if (column == kUnmatched) continue;
    ++matched;
    EXPECT_LT(column, columns);
    EXPECT_TRUE(used.insert(column).second) << "column " << column << " twice";
  }
  EXPECT_EQ(matched, std::min(rows, columns));
  std::uint64_t agreement = 0;
  for (const CoOccurrence& pair : table) {
    if (matching.column_of_row[pair.row] == pair.column) agreement += pair.count;
  }
  EXPECT_EQ(matching.agreement, agreement);
}

TEST(Matching, EqualsTheBestPermutation) {
  std::uint64_t seed = 0;
  for (std::size_t rows = 1; rows <= 7; ++rows) {
    for (std::size_t columns = 1; columns <= 7; ++columns) {
      for (const std::uint64_t largest : {1, 3, 100}) {  // many ties, some, few
        const Table table = random_table(rows, columns, largest, ++seed);
        const Matching matching = match_names(table, rows, columns);
        EXPECT_EQ(matching.agreement, best_agreement(table, rows, columns)) << rows << " x " << columns;
        EXPECT_TRUE(matching.is_optimal);
        expect_one_to_one(matching, table, rows, columns);
      }
    }
  }
}

TEST(Matching, GivesUpTheLargestCountWhereThatPays) {
  // Greedy takes 5 (row 0, column 0) and gets 5 + 0; the best is 4 + 4.
  const Matching matching = match_names(Table{{0, 0, 5}, {0, 1, 4}, {1, 0, 4}}, 2, 2);
  EXPECT_EQ(matching.column_of_row, (std::vector<std::uint32_t>{1, 0}));
  EXPECT_EQ(matching.agreement, 8u);
}

TEST(Matching, FindsAPermutationOfManyNames) {
  base::Random random(4);
  std::vector<std::uint32_t> renamed(500);
  std::iota(renamed.begin(), renamed.end(), 0u);
  for (std::size_t i = renamed.size(); i > 1; --i) std::swap(renamed[i - 1], renamed[random.index(i)]);
  Table table;
  for (std::uint32_t row = 0; row < 500; ++row) {
    table.push_back({row, renamed[row], 10});
    table.push_back({row, renamed[(row + 1) % 500], 9});
  }
  EXPECT_EQ(match_names(table, 500, 500).column_of_row, renamed);
}

TEST(Matching, GreedyBeyondTheExactSize) {
  // The same trap as above, in the corner of a table that is too wide.
  const std::size_t wide = kMostMatchedExactly + 1;
  const Table table{{1, 0, 4}, {0, 1, 4}, {0, 0, 5}};
  const Matching matching = match_names(table, 3, wide);
  EXPECT_FALSE(matching.is_optimal);
  EXPECT_EQ(matching.agreement, 5u);
  EXPECT_EQ(matching.column_of_row, (std::vector<std::uint32_t>{0, 1, 2}));
  expect_one_to_one(matching, table, 3, wide);
  EXPECT_EQ(match_names(table, wide, 2).column_of_row[2], kUnmatched);
}

TEST(Matching, EmptyTables) {
  EXPECT_TRUE(match_names({}, 0, 0).column_of_row.empty());
  EXPECT_TRUE(match_names({}, 0, 3).column_of_row.empty());
  EXPECT_EQ(match_names({}, 2, 0).column_of_row, (std::vector<std::uint32_t>{kUnmatched, kUnmatched}));
  EXPECT_EQ(match_names({}, 2, 2).agreement, 0u);
}

TEST(Matching, RejectsWhatIsNoTable) {
  EXPECT_THROW(match_names(Table{{2, 0, 1}}, 2, 2), InvalidArgument);
  EXPECT_THROW(match_names(Table{{0, 2, 1}}, 2, 2), InvalidArgument);
  EXPECT_THROW(match_names(Table{{0, 1, 1}, {0, 1, 2}}, 2, 2), InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
