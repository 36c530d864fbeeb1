#pragma once
// What a run found, as text for the terminal, as Markdown and as JSON.

#include <string>

#include "json_file.hpp"
#include "run_plan.hpp"
#include "run_stages.hpp"
#include "text_form.hpp"

namespace neume::app {

/// Tables of the semantic IDs, of the rankers and an example, each with what it shows.
std::string summary_text(const RunPlan& plan, const RunResults& results, TextForm form);

/// The same figures: quality by quantizer; by ranker and metric the values by seed, mean, half width of the 95%
/// interval, and the paired difference to the first ranker.
Json summary_json(const RunResults& results);

}  // namespace neume::app
