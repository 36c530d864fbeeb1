#pragma once
// The visitor of options structs (neume/options.hpp) that reads one table of a TOML file.

#include <fmt/format.h>
#include <toml++/toml.h>

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <neume/error.hpp>
#include <neume/options.hpp>

#include "base/range_check.hpp"

namespace neume::app {

/// Throws DataError "file:line: ..." where the file is missing or is not TOML.
toml::table parse_toml(const std::string& file);

/// Fills the fields that the table names and leaves the others. Every complaint is a DataError that names file, line,
/// table and key. Call finish() after the last struct: a key that no struct described is an error.
class TomlReader {
 public:
  /// `section` is the table's name in messages, empty for the file's top level. All referents must outlive this.
  TomlReader(const toml::table& table, std::string file, std::string section)
      : table_(table), file_(std::move(file)), section_(std::move(section)) {}

  template <class Number>
  void number(std::string_view name, Number& value, Range range, std::string_view help) {
    if (const toml::node* node = take(name)) value = to_number<Number>(*node, name, range, help);
  }

  void number_or_auto(std::string_view name, double& value, bool& is_auto, Range range, std::string_view help) {
    const toml::node* node = take(name);
    if (node == nullptr) return;
    is_auto = node->value<std::string>() == "auto";
    if (is_auto) return;
    if (node->is_string())
      fail(*node, name, fmt::format("expected a number or \"auto\", found {}", to_text(*node, name)));
    value = to_number<double>(*node, name, range, help);
  }

  template <class Number>
  void list(std::string_view name, std::vector<Number>& values, Range range, std::string_view help) {
    const toml::node* node = take(name);
    if (node == nullptr) return;
    std::vector<Number> found;
    if (const toml::array* array = node->as_array()) {
      for (const toml::node& element : *array) found.push_back(to_number<Number>(element, name, range, help));
    } else {
      found.push_back(to_number<Number>(*node, name, range, help));
    }
    if (found.empty()) fail(*node, name, "expected at least one number, found none");
    values = std::move(found);
  }

  template <class Enum, class Names>
  void choice(std::string_view name, Enum& value, const Names& names, std::string_view) {
    const toml::node* node = take(name);
    if (node == nullptr) return;
    const std::string found = to_text(*node, name);
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] != found) continue;
      value = static_cast<Enum>(i);
      return;
    }
    fail(*node, name, fmt::format("expected one of {}, found {}", fmt::join(names, ", "), found));
  }

  void text(std::string_view name, std::string& value, std::string_view);
  void texts(std::string_view name, std::vector<std::string>& values, std::string_view);
  void repeated(std::string_view name, std::vector<std::string>& values, std::string_view help) {
    texts(name, values, help);
  }
  void flag(std::string_view name, bool& value, std::string_view);

  /// From here on `node`, which must outlive this, is what `name` has: one choice of a grid (option_grid.hpp).
  void put(const std::string& name, const toml::node& node) { put_[name] = &node; }

  /// Lets the table have `name`, which somebody else reads.
  void allow(std::string_view name) { known_.emplace_back(name); }

  /// Whether the table has `name`.
  bool has(std::string_view name) const { return find(name) != nullptr; }

  /// Throws DataError for the first key that was not described, with the keys that were.
  void finish() const;

  /// Throws DataError with the place of `name` (or of the table where it is missing).
  [[noreturn]] void fail(std::string_view name, const std::string& what) const;

 private:
  const toml::node* find(std::string_view name) const;
  const toml::node* take(std::string_view name);
  std::string to_text(const toml::node& node, std::string_view name) const;
  [[noreturn]] void fail(const toml::node& node, std::string_view name, const std::string& what) const;

  template <class Number>
  Number to_number(const toml::node& node, std::string_view name, Range range, std::string_view help) const {
    if (!node.is_number()) fail(node, name, "expected a number");
    const double as_double = *node.value<double>();
    if (std::is_integral_v<Number> && as_double != std::floor(as_double)) {
      fail(node, name, fmt::format("expected a whole number, found {}", as_double));
    }
    try {
      base::RangeCheck{}.number(name, as_double, range, help);
    } catch (const InvalidArgument&) {
      fail(node, name, fmt::format("expected a number from {} to {}, found {}", range.min, range.max, as_double));
    }
    return node.is_integer() ? static_cast<Number>(*node.value<std::int64_t>()) : static_cast<Number>(as_double);
  }

  const toml::table& table_;
  std::string file_;
  std::string section_;
  std::vector<std::string> known_;
  std::map<std::string, const toml::node*, std::less<>> put_;
};

}  // namespace neume::app
