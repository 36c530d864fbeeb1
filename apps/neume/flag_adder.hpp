#pragma once
// The visitor of options structs (neume/options.hpp) that makes command-line flags of them.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <neume/options.hpp>

namespace neume::app {

/// Adds a flag for every field, which holds it to its range. The flags write into the fields, which must outlive the
/// parsing.
class FlagAdder {
 public:
  /// `positional`: the field that is given without a flag, if any.
  explicit FlagAdder(CLI::App& app, std::string_view positional = {}) : app_(app), positional_(positional) {}

  template <class Number>
  void number(std::string_view name, Number& value, Range range, std::string_view help) {
    const auto set = [&value, range, flag = flag_name(name)](const std::string& text) {
      value = static_cast<Number>(parse_number(flag, text, range, kNumberKind<Number>));
    };
    app_.add_option_function<std::string>(flag_name(name), set, with_range(help, range))
        ->type_name(kNumberName<Number>)
        ->default_str(fmt::to_string(value));
  }

  void number_or_auto(std::string_view name, double& value, bool& is_auto, Range range, std::string_view help) {
    const auto set = [&value, &is_auto, range, flag = flag_name(name)](const std::string& text) {
      is_auto = text == "auto";
      if (!is_auto) value = parse_number(flag, text, range, "a number or auto");
    };
    app_.add_option_function<std::string>(flag_name(name), set, with_range(help, range))
        ->type_name("X|auto")
        ->default_str(is_auto ? "auto" : fmt::to_string(value));
  }

  template <class Number>
  void list(std::string_view name, std::vector<Number>& values, Range range, std::string_view help) {
    const auto set = [&values, range, flag = flag_name(name)](const std::vector<std::string>& texts) {
      values.clear();
      for (const std::string& text : texts) {
        values.push_back(static_cast<Number>(parse_number(flag, text, range, kNumberKind<Number>)));
      }
    };
    app_.add_option_function<std::vector<std::string>>(flag_name(name), set, with_range(help, range))
        ->delimiter(',')
        ->allow_extra_args(false)
        ->type_name(kNumberName<Number>)
        ->default_str(fmt::format("{}", fmt::join(values, ",")));
  }

  template <class Enum, class Names>
  void choice(std::string_view name, Enum& value, const Names& names, std::string_view help) {
    const auto set = [&value, &names, flag = flag_name(name)](const std::string& found) {
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] != found) continue;
        value = static_cast<Enum>(i);
        return;
      }
      throw CLI::ValidationError(flag, fmt::format("expected one of {}, found {}", fmt::join(names, ", "), found));
    };
    app_.add_option_function<std::string>(flag_name(name), set, std::string(help))
        ->type_name(fmt::format("{}", fmt::join(names, "|")))
        ->default_str(std::string(names[static_cast<std::size_t>(value)]));
  }

  void text(std::string_view name, std::string& value, std::string_view help) {
    const std::string flag = name == positional_ ? std::string(name) : flag_name(name);
    auto* option = app_.add_option(flag, value, std::string(help))->type_name("TEXT");
    if (!value.empty()) option->default_str(value);
  }

  void texts(std::string_view name, std::vector<std::string>& values, std::string_view help) {
    repeated(name, values, help);
    app_.get_option(flag_name(name))->delimiter(',')->type_name("TEXT");
  }

  /// A flag that may be given several times; its values may hold commas.
  void repeated(std::string_view name, std::vector<std::string>& values, std::string_view help) {
    auto* option = app_.add_option(flag_name(name), values, std::string(help))->allow_extra_args(false);
    option->type_name("TEXT");
    if (!values.empty()) option->default_str(fmt::format("{}", fmt::join(values, ",")));
  }

  void flag(std::string_view name, bool& value, std::string_view help) {
    app_.add_flag(fmt::format("--{},!--no-{}", name, name), value, std::string(help));
  }

 private:
  template <class Number>
  static constexpr const char* kNumberName = std::is_integral_v<Number> ? "N" : "X";

  static constexpr std::string_view kWholeNumber = "a whole number";
  template <class Number>
  static constexpr std::string_view kNumberKind = std::is_integral_v<Number> ? kWholeNumber : "a number";

  static std::string flag_name(std::string_view name) { return fmt::format("--{}", name); }

  static std::string with_range(std::string_view help, Range range) {
    if (range.max > 1e15) return fmt::format("{}; at least {}", help, range.min);
    return fmt::format("{}; {} to {}", help, range.min, range.max);
  }

  /// Whole numbers of options end at 2^53, so a double holds every one of them. `kind` is what messages call it. Throws
  /// CLI::ValidationError.
  static double parse_number(const std::string& flag, const std::string& text, Range range, std::string_view kind) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const bool is_number = !text.empty() && end == text.c_str() + text.size();
    if (!is_number || (kind == kWholeNumber && value != std::floor(value))) {
      throw CLI::ValidationError(flag, fmt::format("expected {}, found {}", kind, text.empty() ? "nothing" : text));
    }
    if (!(value >= range.min && value <= range.max)) {
      throw CLI::ValidationError(flag,
                                 fmt::format("expected a number from {} to {}, found {}", range.min, range.max, text));
    }
    return value;
  }

  CLI::App& app_;
  std::string_view positional_;
};

}  // namespace neume::app
