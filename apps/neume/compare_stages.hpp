#pragma once
// The trainings of a comparison: every ranker with every seed, several at the same time.

#include <cstddef>
#include <vector>

#include "console.hpp"
#include "run_plan.hpp"
#include "run_stages.hpp"

namespace neume::app {

/// Trains and judges what is not up to date, `jobs` at a time (0: one a thread), each on its share of the threads;
/// results do not depend on it. The quantizers must be fitted. Where a training fails, those that run are finished and
/// no other is begun; then its error is thrown with the ranker's name and seed.
std::vector<RankerResult> train_side_by_side(const RunPlan& plan, std::size_t jobs, Console& console);

}  // namespace neume::app
