#pragma once
// Grids in a TOML file: a table with alternatives stands for one table for each choice among them.

#include <toml++/toml.h>

#include <string>
#include <utility>
#include <vector>

namespace neume::app {

/// One choice for every key of a grid.
struct GridPoint {
  std::string suffix;  ///< what it adds to a name: ", embedding-width 32, attention-softmax true"; empty without a grid
  std::vector<std::pair<std::string, const toml::node*>> values;  ///< key and alternative; they live in the table
};

/// Where a table stands, for messages.
struct TablePlace {
  std::string file;
  std::string section;
};

/// The points of the sub-table `grid` of `table` (KEY = [ALTERNATIVE, ...]), the last key running fastest; one point
/// without values where there is no grid. Throws DataError with file, line, table and key for a grid that is no table,
/// alternatives that are no list or none, and a key that the table has besides.
std::vector<GridPoint> grid_points(const toml::table& table, const TablePlace& place);

}  // namespace neume::app
