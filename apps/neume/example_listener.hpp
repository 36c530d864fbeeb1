#pragma once
// One listener of the test log, what the ranker knows of that listener, and what it puts first.

#include <filesystem>
#include <string>

#include "data/interactions.hpp"
#include "json_file.hpp"
#include "run_plan.hpp"

namespace neume::app {

struct ExampleInputs {
  std::filesystem::path ranker;
  std::filesystem::path sids;
  std::string test;
  const data::InteractionOptions& log;
  const ItemsPlan& items;
};

/// {"user", "history": [item], "top": [item + "logit", "liked_in_test"]}, item = {"item", "name", "codes": {family:
/// [..]}}. Takes the first user of the test log who likes something there and has a history of five or more, else of
/// any length; "user" is null where there is nobody.
Json example_listener(const ExampleInputs& inputs);

/// The example as a few lines of text.
std::string example_text(const Json& example);

}  // namespace neume::app
