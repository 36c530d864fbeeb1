#include "option_grid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include <neume/error.hpp>

namespace neume::app {

namespace {

/// More than anybody can train; a product of lists grows fast.
constexpr std::size_t kMaxPoints = 1000;

/// A key with its alternatives.
struct Axis {
  std::string key;
  const toml::array* alternatives;
};

[[noreturn]] void fail(const toml::node& node, const TablePlace& place, const std::string& key,
                       const std::string& what) {
  throw DataError(fmt::format("{}:{}: [{}] {}: {}", place.file, node.source().begin.line, place.section, key, what));
}

/// The parser sorts keys by name; names follow the order of the file.
std::vector<Axis> axes_of(const toml::table& grid, const toml::table& table, const TablePlace& place) {
  std::vector<Axis> axes;
  for (const auto& [key, node] : grid) {
    const std::string name = fmt::format("grid.{}", key.str());
    const toml::array* alternatives = node.as_array();
    if (alternatives == nullptr || alternatives->empty()) {
      fail(node, place, name, "expected a list of alternatives, such as [32, 64]");
    }
    if (table.contains(key.str())) {
      fail(node, place, name, fmt::format("{} stands in the table itself, too; keep one of them", key.str()));
    }
    axes.push_back({std::string(key.str()), alternatives});
  }
  const auto position = [](const Axis& axis) { return axis.alternatives->source().begin; };
  std::ranges::sort(axes, [&](const Axis& a, const Axis& b) { return position(a) < position(b); });
  return axes;
}

/// As it may stand in a name: lists joined by +, no quotation marks.
std::string text_of(const toml::node& node) {
  if (const auto text = node.value<std::string>(); node.is_string()) return *text;
  if (const auto flag = node.value<bool>(); node.is_boolean()) return *flag ? "true" : "false";
  if (const auto number = node.value<double>()) return fmt::format("{}", *number);
  std::vector<std::string> parts;
  if (const toml::array* list = node.as_array())
    for (const toml::node& element : *list) parts.push_back(text_of(element));
  return parts.empty() ? "none" : fmt::format("{}", fmt::join(parts, "+"));
}

}  // namespace

std::vector<GridPoint> grid_points(const toml::table& table, const TablePlace& place) {
  std::vector<GridPoint> points{{}};
  const toml::node* node = table.get("grid");
  if (node == nullptr) return points;
  const toml::table* grid = node->as_table();
  if (grid == nullptr) fail(*node, place, "grid", "expected a table of keys with their alternatives");
  for (const Axis& axis : axes_of(*grid, table, place)) {
    if (axis.alternatives->size() > kMaxPoints / points.size()) {
      fail(*axis.alternatives, place, fmt::format("grid.{}", axis.key),
           fmt::format("expected at most {} combinations, found {} times {}", kMaxPoints, points.size(),
                       axis.alternatives->size()));
    }
    std::vector<GridPoint> longer;
    for (const GridPoint& point : points) {
      for (const toml::node& alternative : *axis.alternatives) {
        longer.push_back(point);
        longer.back().suffix += fmt::format(", {} {}", axis.key, text_of(alternative));
        longer.back().values.emplace_back(axis.key, &alternative);
      }
    }
    points = std::move(longer);
  }
  return points;
}

}  // namespace neume::app
