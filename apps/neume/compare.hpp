#pragma once
// What a comparison found (docs/formats/compare.md): as JSON, and the same as tables, Markdown and CSV.

#include <string>
#include <vector>

#include "json_file.hpp"
#include "run_plan.hpp"
#include "run_stages.hpp"
#include "text_form.hpp"

namespace neume::app {

/// Means, intervals and values by seed of every ranker and metric, the tables with their paired differences, and how
/// the trainings went. `results`: in the plan's order, one judgement a seed. `notes`: what the reader must know.
Json comparison_json(const ComparePlan& plan, const std::vector<RankerResult>& results,
                     const std::vector<std::string>& notes);

/// The tables of a comparison_json, each with what it shows.
std::string comparison_text(const Json& comparison, TextForm form);

/// One line a value: ranker,quantizer,seed,metric,value; a field with a comma or a quotation mark is quoted.
std::string comparison_csv(const Json& comparison);

}  // namespace neume::app
