#pragma once
// The visitor of options structs (neume/options.hpp) that holds every field to its declared range.

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include <neume/error.hpp>
#include <neume/options.hpp>

namespace neume::base {

/// Throws InvalidArgument with the field, the range and the value found.
class RangeCheck {
 public:
  template <class Number>
  void number(std::string_view name, const Number& value, Range range, std::string_view) const {
    const auto as_double = static_cast<double>(value);
    if (!(as_double >= range.min && as_double <= range.max)) {
      throw InvalidArgument(
          fmt::format("{}: expected a number from {} to {}, found {}", name, range.min, range.max, value));
    }
  }

  void number_or_auto(std::string_view name, double value, bool, Range range, std::string_view help) const {
    number(name, value, range, help);
  }

  template <class Number>
  void list(std::string_view name, const std::vector<Number>& values, Range range, std::string_view help) const {
    if (values.empty()) throw InvalidArgument(fmt::format("{}: expected at least one number, found none", name));
    for (const Number& value : values) number(name, value, range, help);
  }

  template <class Enum, class Names>
  void choice(std::string_view name, const Enum& value, const Names& names, std::string_view) const {
    if (static_cast<std::size_t>(value) >= names.size()) {
      throw InvalidArgument(
          fmt::format("{}: found choice number {}, of {}", name, static_cast<std::size_t>(value), names.size()));
    }
  }

  void text(std::string_view, const std::string&, std::string_view) const {}
  void texts(std::string_view, const std::vector<std::string>&, std::string_view) const {}
  void repeated(std::string_view, const std::vector<std::string>&, std::string_view) const {}
  void flag(std::string_view, bool, std::string_view) const {}
};

}  // namespace neume::base
