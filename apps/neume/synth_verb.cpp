// neume synth.

#include <fmt/format.h>

#include "base/file.hpp"
#include "data/synth.hpp"
#include "settings.hpp"

namespace neume::app {

int run(const SynthSettings& settings, Console& console) {
  require_flag(settings.out, "--out");
  check_writable(std::filesystem::path(settings.out) / "manifest.json");
  const data::SynthSummary summary =
      data::write_synthetic_set(settings.options, settings.out, console.progress("synth"));
  TextTable table({"file", "rows", "positives", "rows of cold items"});
  const auto add = [&](const char* name, const data::SynthSplit& split) {
    table.add({name, fmt::to_string(split.rows), fmt::to_string(split.positives), fmt::to_string(split.cold_rows)});
  };
  add("train.parquet", summary.train);
  add("validation.parquet", summary.validation);
  add("test.parquet", summary.test);
  console.print(table.plain());
  console.print(
      fmt::format("{}: {} items, {} of them cold, {} without audio; truth.parquet holds what they were made of",
                  settings.out, settings.options.items, summary.cold_items, summary.items_without_audio));
  return 0;
}

}  // namespace neume::app
