#pragma once
// Visitors of options structs (neume/options.hpp) that write them as JSON and read them back: resolved configurations
// and the manifests of finished outputs.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <neume/error.hpp>
#include <neume/options.hpp>

namespace neume::data {

/// Writes every field under its name.
class OptionsToJson {
 public:
  explicit OptionsToJson(nlohmann::json& out) : out_(out) {}

  template <class Number>
  void number(std::string_view name, const Number& value, Range, std::string_view) const {
    out_[std::string(name)] = value;
  }
  void number_or_auto(std::string_view name, double value, bool is_auto, Range, std::string_view) const {
    if (is_auto) {
      out_[std::string(name)] = "auto";
    } else {
      out_[std::string(name)] = value;
    }
  }
  template <class Number>
  void list(std::string_view name, const std::vector<Number>& values, Range, std::string_view) const {
    out_[std::string(name)] = values;
  }
  template <class Enum, class Names>
  void choice(std::string_view name, const Enum& value, const Names& names, std::string_view) const {
    out_[std::string(name)] = std::string(names[static_cast<std::size_t>(value)]);
  }
  void text(std::string_view name, const std::string& value, std::string_view) const {
    out_[std::string(name)] = value;
  }
  void texts(std::string_view name, const std::vector<std::string>& values, std::string_view) const {
    out_[std::string(name)] = values;
  }
  void repeated(std::string_view name, const std::vector<std::string>& values, std::string_view help) const {
    texts(name, values, help);
  }
  void flag(std::string_view name, bool value, std::string_view) const { out_[std::string(name)] = value; }

 private:
  nlohmann::json& out_;
};

/// Reads what OptionsToJson wrote; a missing field or one of another type throws nlohmann::json::exception, an unknown
/// choice DataError.
class OptionsFromJson {
 public:
  explicit OptionsFromJson(const nlohmann::json& in) : in_(in) {}

  template <class Number>
  void number(std::string_view name, Number& value, Range, std::string_view) const {
    in_.at(std::string(name)).get_to(value);
  }
  void number_or_auto(std::string_view name, double& value, bool& is_auto, Range, std::string_view) const {
    const auto& found = in_.at(std::string(name));
    is_auto = found == "auto";
    if (!is_auto) found.get_to(value);
  }
  template <class Number>
  void list(std::string_view name, std::vector<Number>& values, Range, std::string_view) const {
    in_.at(std::string(name)).get_to(values);
  }
  template <class Enum, class Names>
  void choice(std::string_view name, Enum& value, const Names& names, std::string_view) const {
    const auto text = in_.at(std::string(name)).get<std::string>();
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == text) {
        value = static_cast<Enum>(i);
        return;
      }
    }
    throw DataError(std::string(name) + ": unknown choice '" + text + "'");
  }
  void text(std::string_view name, std::string& value, std::string_view) const {
    in_.at(std::string(name)).get_to(value);
  }
  void texts(std::string_view name, std::vector<std::string>& values, std::string_view) const {
    in_.at(std::string(name)).get_to(values);
  }
  void repeated(std::string_view name, std::vector<std::string>& values, std::string_view help) const {
    texts(name, values, help);
  }
  void flag(std::string_view name, bool& value, std::string_view) const { in_.at(std::string(name)).get_to(value); }

 private:
  const nlohmann::json& in_;
};

template <class Options>
nlohmann::json options_to_json(const Options& options) {
  nlohmann::json out = nlohmann::json::object();
  Options copy = options;  // describe() hands out references, so it is not const
  copy.describe(OptionsToJson(out));
  return out;
}

}  // namespace neume::data
