#pragma once
// The stages of a run, in their order: data, quantizers, their quality, rankers, their metrics, an example. Each looks
// first whether what it would make is there already.

#include <string>
#include <utility>
#include <vector>

#include "console.hpp"
#include "json_file.hpp"
#include "run_plan.hpp"

namespace neume::app {

/// A ranker's metrics, one entry a seed of [run] seeds.
struct RankerResult {
  std::string name;
  std::vector<Json> metrics;
};

struct RunResults {
  std::vector<std::pair<std::string, Json>> quality;  ///< by quantizer
  std::vector<RankerResult> rankers;
  Json example;  ///< null where there is no ranker or nobody to show
};

/// Runs what is not up to date. Throws what the stages throw; what was finished stays finished.
RunResults run_stages(const RunPlan& plan, Console& console);

}  // namespace neume::app
