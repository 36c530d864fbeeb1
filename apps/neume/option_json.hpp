#pragma once
// The resolved settings of a verb as JSON.

#include "data/options_json.hpp"
#include "json_file.hpp"

namespace neume::app {

/// Every field of an options struct or of a verb's settings.
template <class Options>
Json json_of(const Options& options) {
  nlohmann::json json = nlohmann::json::object();
  Options copy = options;  // describe() hands out references, so it is not const
  copy.describe(data::OptionsToJson(json));
  return json;
}

}  // namespace neume::app
