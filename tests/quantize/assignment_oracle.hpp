#pragma once
// The cheapest assignment of rows to codes that hold a limited number of rows each, by the Hungarian method on one
// column a place: the truth for balanced clusters of a few dozen rows.

#include <cstddef>
#include <limits>
#include <vector>

namespace neume::oracle {

/// Smallest sum of cost[i][place] with every row i at a place of its own; no more rows than places. O(N^2 places).
inline double cheapest_assignment(const std::vector<std::vector<double>>& cost) {
  const std::size_t rows = cost.size(), places = cost.front().size();
  const double infinity = std::numeric_limits<double>::infinity();
  // Row and place 0 are sentinels.
  std::vector<double> row_price(rows + 1), place_price(places + 1);
  std::vector<std::size_t> row_at(places + 1), way(places + 1);
  for (std::size_t row = 1; row <= rows; ++row) {
    row_at[0] = row;
    std::size_t place = 0;
    std::vector<double> slack(places + 1, infinity);
    std::vector<bool> used(places + 1);
    while (row_at[place] != 0) {
      used[place] = true;
      double smallest = infinity;
      std::size_t next = 0;
      for (std::size_t p = 1; p <= places; ++p) {
        if (used[p]) continue;
        const double reduced = cost[row_at[place] - 1][p - 1] - row_price[row_at[place]] - place_price[p];
        if (reduced < slack[p]) {
          slack[p] = reduced;
          way[p] = place;
        }
        if (slack[p] < smallest) {
          smallest = slack[p];
          next = p;
        }
      }
      for (std::size_t p = 0; p <= places; ++p) {
        if (used[p]) {
          row_price[row_at[p]] += smallest;
          place_price[p] -= smallest;
        } else {
          slack[p] -= smallest;
        }
      }
      place = next;
    }
    for (; place != 0; place = way[place]) row_at[place] = row_at[way[place]];
  }
  double total = 0.0;
  for (std::size_t p = 1; p <= places; ++p)
    if (row_at[p] != 0) total += cost[row_at[p] - 1][p - 1];
  return total;
}

/// The same with `capacity` places a code; cost is N x k.
inline double cheapest_balanced(const std::vector<std::vector<double>>& cost, std::size_t capacity) {
  std::vector<std::vector<double>> places;
  for (const auto& row : cost) {
    places.emplace_back();
    for (const double c : row) places.back().insert(places.back().end(), capacity, c);
  }
  return cheapest_assignment(places);
}

}  // namespace neume::oracle
