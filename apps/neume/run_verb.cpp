// The verb run: all stages of one TOML file.

#include <fmt/format.h>

#include "base/file.hpp"
#include "run_plan.hpp"
#include "run_stages.hpp"
#include "run_summary.hpp"
#include "settings.hpp"
#include "stage.hpp"

namespace neume::app {

int run(const RunSettings& settings, Console& console) {
  require_flag(settings.file, "FILE.toml");
  const RunPlan plan = read_run_plan(settings);
  const std::filesystem::path manifest = plan.out() / "manifest.json";
  check_writable(manifest);
  std::filesystem::remove(manifest);  // it marks a finished run, and this one has begun
  const Json config = plan.resolved();
  write_json(plan.out() / "config.json", config);
  const RunResults results = run_stages(plan, console);
  const std::string text = summary_text(plan, results, TextForm::plain);
  base::write_file(plan.out() / "summary.md", summary_text(plan, results, TextForm::markdown));
  const Json summary = summary_json(results);
  write_json(plan.out() / "summary.json", summary);
  write_json(manifest, {{"format", "neume-run"},
                        {"version", 1},
                        {"neume", NEUME_VERSION},
                        {"config", fingerprint_of(config)},
                        {"summary", fingerprint_of(summary)}});
  console.print(text);
  console.print(fmt::format("{}: codebooks, IDs, rankers, summary.md, summary.json and the resolved config.json",
                            plan.out().string()));
  return 0;
}

}  // namespace neume::app
