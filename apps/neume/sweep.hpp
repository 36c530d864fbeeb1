#pragma once
// A grid of quantizers on one data set: what each keeps, adds and is worth to a ranker.

#include <string>
#include <vector>

#include "json_file.hpp"
#include "run_plan.hpp"
#include "run_stages.hpp"
#include "sweep_grid.hpp"
#include "text_table.hpp"

namespace neume::app {

/// The quantizers of the grid, with `base` for all other options; vq once a k. Throws InvalidArgument for an unknown
/// method, or options that contradict each other.
std::vector<QuantizerPlan> quantizers_of(const SweepGrid& grid, const CodebookOptions& base);

/// The points of a run for the trade-off curve, one for each quantizer and family: figures of its quality, and means
/// over seeds of auc and auc_cold of a ranker that reads this family of this quantizer alone, where the plan has one
/// (for joint also an mcca that reads all families).
std::vector<Json> sweep_of(const RunPlan& plan, const RunResults& results);

/// The points as a table.
TextTable sweep_table(const std::vector<Json>& points);
/// The same as CSV, one line a point, with a header.
std::string sweep_csv(const std::vector<Json>& points);

}  // namespace neume::app
