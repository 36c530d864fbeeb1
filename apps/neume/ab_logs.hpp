#pragma once
// What the exposures and events of an experiment add up to, by variant.

#include <cstdint>
#include <string>
#include <vector>

#include "eval/lift.hpp"

namespace neume::app {

struct AbQuestion {
  std::string exposures;   ///< Parquet files (globs), or a folder with exposures-*.parquet
  std::string events;      ///< a table (globs), or a folder with events-*.parquet
  std::string experiment;  ///< may be empty where the exposures are of one
  std::string event_time;  ///< SQL expression: milliseconds since 1970
  double within_seconds = 0.0;
};

struct AbVariant {
  std::string name;
  eval::UserSums sums;  ///< y: positives that an exposure led to; x: exposures
  std::int64_t items_shown = 0;
};

struct AbTotals {
  std::string experiment;
  std::vector<AbVariant> variants;          ///< by name; of users who saw one variant alone
  std::int64_t users_in_several = 0;        ///< who saw more than one: left out
  std::int64_t exposures_in_several = 0;    ///< theirs
  std::int64_t exposures_without_user = 0;  ///< left out, too
};

/// Reads both logs. A positive event counts once: for the latest exposure of its user that showed its item at most
/// `within_seconds` before. Sums are of whole numbers, so they do not depend on the order of rows. Throws DataError for
/// files that are missing or lack a column, no exposures, or exposures of several experiments of which none (or one
/// that is not there) was named.
AbTotals read_ab_totals(const AbQuestion& question);

}  // namespace neume::app
