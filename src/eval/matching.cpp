#include "eval/matching.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include <neume/error.hpp>

namespace neume::eval {

namespace {

/// The k x k' table as costs -count, with the shorter side as rows.
struct CostTable {
  std::size_t rows = 0;
  std::size_t columns = 0;  ///< at least `rows`
  std::vector<std::int64_t> costs;

  const std::int64_t* row(std::size_t i) const { return costs.data() + i * columns; }
};

CostTable cost_table(std::span<const CoOccurrence> table, std::size_t num_rows, std::size_t num_columns) {
  const bool transposed = num_rows > num_columns;
  CostTable result{std::min(num_rows, num_columns), std::max(num_rows, num_columns), {}};
  result.costs.assign(result.rows * result.columns, 0);
  for (const CoOccurrence& pair : table) {
    const std::size_t row = transposed ? pair.column : pair.row, column = transposed ? pair.row : pair.column;
    result.costs[row * result.columns + column] = -static_cast<std::int64_t>(pair.count);
  }
  return result;
}

/// Adds one row after the other to a matching that is optimal for the rows before it. A reduced cost is
/// cost - row price - column price; it is never negative, and 0 for matched pairs.
class AssignmentSolver {
 public:
  explicit AssignmentSolver(const CostTable& table)
      : table_(table),
        row_prices_(table.rows, 0),
        column_prices_(table.columns, 0),
        row_of_column_(table.columns, kUnmatched),
        column_of_row_(table.rows, kUnmatched),
        distances_(table.columns),
        came_from_(table.columns),
        is_settled_(table.columns) {}

  void solve() {
    for (std::uint32_t row = 0; row < table_.rows; ++row) add(row);
  }

  const std::vector<std::uint32_t>& column_of_row() const { return column_of_row_; }
  const std::vector<std::uint32_t>& row_of_column() const { return row_of_column_; }

 private:
  /// Dijkstra's search over reduced costs, from `row` to the nearest free column; then the prices move such that the
  /// path's pairs have reduced cost 0, and its pairs are flipped.
  void add(std::uint32_t row) {
    std::ranges::fill(distances_, std::numeric_limits<std::int64_t>::max());
    std::ranges::fill(is_settled_, std::uint8_t{0});
    settled_.clear();
    std::uint32_t from = row;
    std::int64_t distance = 0;
    std::uint32_t column = 0;
    while (true) {
      column = relax(from, distance);
      distance = distances_[column];
      if (row_of_column_[column] == kUnmatched) break;
      is_settled_[column] = 1;
      settled_.push_back(column);
      from = row_of_column_[column];
    }
    row_prices_[row] += distance;
    for (const std::uint32_t passed : settled_) {
      row_prices_[row_of_column_[passed]] += distance - distances_[passed];
      column_prices_[passed] -= distance - distances_[passed];
    }
    flip_path(row, column);
  }

  /// Reaches for all open columns through row `from`, and returns the nearest open one: of equally near columns one
  /// without a row if there is one, which ends the search early; then the lowest.
  std::uint32_t relax(std::uint32_t from, std::int64_t distance) {
    const std::int64_t* costs = table_.row(from);
    const std::int64_t offset = distance - row_prices_[from];
    std::uint32_t best = kUnmatched;
    for (std::uint32_t column = 0; column < table_.columns; ++column) {
      if (is_settled_[column] != 0) continue;
      const std::int64_t through = offset + costs[column] - column_prices_[column];
      if (through < distances_[column]) {
        distances_[column] = through;
        came_from_[column] = from;
      }
      if (best == kUnmatched || distances_[column] < distances_[best] ||
          (distances_[column] == distances_[best] && row_of_column_[best] != kUnmatched &&
           row_of_column_[column] == kUnmatched)) {
        best = column;
      }
    }
    return best;
  }

  /// From the free column back to `row`: each row on the path takes the column it was left through, and frees its own.
  void flip_path(std::uint32_t row, std::uint32_t column) {
    std::uint32_t from = kUnmatched;
    while (from != row) {
      from = came_from_[column];
      row_of_column_[column] = from;
      std::swap(column, column_of_row_[from]);
    }
  }

  const CostTable& table_;
  std::vector<std::int64_t> row_prices_;
  std::vector<std::int64_t> column_prices_;
  std::vector<std::uint32_t> row_of_column_;
  std::vector<std::uint32_t> column_of_row_;
  std::vector<std::int64_t> distances_;
  std::vector<std::uint32_t> came_from_;
  std::vector<std::uint8_t> is_settled_;
  std::vector<std::uint32_t> settled_;
};

std::vector<std::uint32_t> match_exactly(std::span<const CoOccurrence> table, std::size_t num_rows,
                                         std::size_t num_columns) {
  const CostTable costs = cost_table(table, num_rows, num_columns);
  AssignmentSolver solver(costs);
  solver.solve();
  return num_rows > num_columns ? solver.row_of_column() : solver.column_of_row();
}

/// `sorted` by row, then column.
std::vector<std::uint32_t> match_greedily(std::vector<CoOccurrence> sorted, std::size_t num_rows,
                                          std::size_t num_columns) {
  std::ranges::stable_sort(sorted, std::greater{}, &CoOccurrence::count);
  std::vector<std::uint32_t> column_of_row(num_rows, kUnmatched);
  std::vector<std::uint8_t> is_taken(num_columns, 0);
  const auto match = [&](std::uint32_t row, std::uint32_t column) {
    column_of_row[row] = column;
    is_taken[column] = 1;
  };
  for (const CoOccurrence& pair : sorted) {
    if (column_of_row[pair.row] == kUnmatched && is_taken[pair.column] == 0) match(pair.row, pair.column);
  }
  std::uint32_t free_column = 0;
  for (std::uint32_t row = 0; row < num_rows; ++row) {
    if (column_of_row[row] != kUnmatched) continue;
    while (free_column < num_columns && is_taken[free_column] != 0) ++free_column;
    if (free_column == num_columns) break;
    match(row, free_column);
  }
  return column_of_row;
}

/// The pairs by row, then column. Throws where they are no table.
std::vector<CoOccurrence> sorted_pairs(std::span<const CoOccurrence> table, std::size_t num_rows,
                                       std::size_t num_columns) {
  std::vector<CoOccurrence> sorted(table.begin(), table.end());
  const auto place = [](const CoOccurrence& pair) { return std::pair(pair.row, pair.column); };
  std::ranges::sort(sorted, {}, place);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto [row, column] = place(sorted[i]);
    if (row >= num_rows || column >= num_columns) {
      throw InvalidArgument(
          fmt::format("matching: pair ({}, {}) lies outside its {} x {} table", row, column, num_rows, num_columns));
    }
    if (i > 0 && place(sorted[i - 1]) == place(sorted[i])) {
      throw InvalidArgument(fmt::format("matching: pair ({}, {}) is listed twice; add its counts up", row, column));
    }
  }
  return sorted;
}

}  // namespace

Matching match_names(std::span<const CoOccurrence> table, std::size_t num_rows, std::size_t num_columns) {
  const std::vector<CoOccurrence> sorted = sorted_pairs(table, num_rows, num_columns);
  Matching matching;
  matching.is_optimal = std::max(num_rows, num_columns) <= kMostMatchedExactly;
  matching.column_of_row = matching.is_optimal ? match_exactly(sorted, num_rows, num_columns)
                                               : match_greedily(sorted, num_rows, num_columns);
  for (const CoOccurrence& pair : sorted) {
    if (matching.column_of_row[pair.row] == pair.column) matching.agreement += pair.count;
  }
  return matching;
}

}  // namespace neume::eval
