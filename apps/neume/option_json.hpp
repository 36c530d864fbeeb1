#pragma once
// The resolved settings of a verb as JSON.

#include <string>
#include <string_view>
#include <vector>

#include "data/options_json.hpp"
#include "json_file.hpp"

namespace neume::app {

/// data::OptionsToJson for settings that have repeated flags.
class SettingsToJson : public data::OptionsToJson {
 public:
  using OptionsToJson::OptionsToJson;
  void repeated(std::string_view name, const std::vector<std::string>& values, std::string_view help) const {
    texts(name, values, help);
  }
};

/// Every field of an options struct or of a verb's settings.
template <class Options>
Json json_of(const Options& options) {
  nlohmann::json json = nlohmann::json::object();
  Options copy = options;  // describe() hands out references, so it is not const
  copy.describe(SettingsToJson(json));
  return json;
}

}  // namespace neume::app
