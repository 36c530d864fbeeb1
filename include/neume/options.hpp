#pragma once
// One description of every option. An options struct has a member template
//
//     template <class Visitor> void describe(Visitor&& visit) {
//       visit.number("layers", layers, {1, 16}, "number of layers L");
//       visit.number_or_auto("prefix-weight", weight, chosen, {0, 1000}, "a number, or the word auto");
//       visit.list("codes", codes, {1, 65535}, "codes per layer");
//       visit.choice("scale", scale, kScalingNames, "how modalities are scaled");
//       visit.text("label", label, "SQL expression");
//       visit.texts("families", families, "code families to use");
//       visit.repeated("feature", features, "as texts, but values may hold commas: one flag a value");
//       visit.flag("permute-items", permute_items, "the permutation control");
//     }
//
// and the command line, the TOML reader, the saved configuration and the validation all walk it.

#include <array>
#include <cstddef>
#include <limits>
#include <string_view>

namespace neume {

/// The closed interval of values that a number may take.
struct Range {
  double min = 0.0;
  double max = std::numeric_limits<double>::infinity();
};

/// Names of an enumeration's values, in their order, starting at 0.
template <std::size_t Count>
using ChoiceNames = std::array<std::string_view, Count>;

}  // namespace neume
