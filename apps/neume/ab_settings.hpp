#pragma once
// What neume ab takes.

#include <string>
#include <string_view>
#include <vector>

#include "console.hpp"

namespace neume::app {

struct AbSettings {
  static constexpr std::string_view kName = "ab";
  static constexpr std::string_view kHelp =
      "Judge variants that neume serve showed side by side: rates, lift over a control, was the split as planned?";
  static constexpr std::string_view kExample =
      "neume ab --exposures 'logs/exposures-*.parquet' --events 'logs/events-*.parquet' --shares a:0.5,b:0.5";
  static constexpr std::string_view kNotes =
      "An event counts for the variant that showed its item to its user last, at most --within seconds before. Users\n"
      "who saw two variants are counted and left out. Intervals are of 95%, by the delta method over users\n"
      "(docs/formats/exposures.md). Exits with 0 whatever the logs say; a sample-ratio mismatch is a line that says "
      "so.";

  std::string exposures;
  std::string events;
  std::string experiment;
  std::string control;
  std::vector<std::string> shares;
  double within = 86400.0;
  std::string event_time = "time_ms";
  std::string out;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("exposures", exposures, "Parquet files of neume serve --exposures, or their folder; required");
    visit.text("events", events,
               "a table (globs) with user_id, item_id, a time and perhaps label, or a folder with events-*.parquet; "
               "required");
    visit.text("experiment", experiment, "which one, where the exposures are of several");
    visit.text("control", control,
               "variant that the others are compared with; default: the first of --shares, else the first by name");
    visit.texts("shares", shares, "NAME:SHARE of every variant, as planned: checks that users fell so");
    visit.number("within", within, {0, 1e9}, "seconds after an exposure in which an event counts for it");
    visit.text("event-time", event_time,
               "SQL expression of an event's time in milliseconds since 1970 ('timestamp * 1000')");
    visit.text("out", out, "JSON file to write as well");
  }
};

int run(const AbSettings& settings, Console& console);

}  // namespace neume::app
