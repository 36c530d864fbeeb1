// The verb compare: every ranker of a file with every seed, side by side, and what they differ in.

#include <fmt/format.h>

#include "base/file.hpp"
#include "compare.hpp"
#include "compare_page.hpp"
#include "compare_stages.hpp"
#include "data/sids_file.hpp"
#include "quantizer_stages.hpp"
#include "run_plan.hpp"
#include "settings.hpp"
#include "stage.hpp"

namespace neume::app {

namespace {

/// Up to so many items a comparison ranks the whole catalogue for every user, where the file does not say whether.
constexpr std::size_t kFullRankingItems = 20'000;

/// Decides on the full ranking where the file does not, and says so.
void choose_full_ranking(ComparePlan& plan, std::vector<std::string>& notes) {
  if (plan.says_full_ranking) return;
  const std::size_t num_items = data::read_semantic_ids(plan.run.sids_file(plan.run.quantizers[0].name)).items.size();
  plan.run.judge.full_ranking = num_items <= kFullRankingItems;
  if (plan.run.judge.full_ranking) return;
  notes.push_back(
      fmt::format("No Recall and NDCG: over {} items the whole catalogue is ranked only where the file says "
                  "[evaluate] full-ranking = true; this one has {}.",
                  kFullRankingItems, num_items));
}

void write_results(const ComparePlan& plan, const Json& config, const Json& comparison) {
  const std::filesystem::path out = plan.run.out();
  write_json(out / "compare.json", comparison);
  base::write_file(out / "compare.txt", comparison_text(comparison, TextForm::plain));
  base::write_file(out / "compare.md", comparison_text(comparison, TextForm::markdown));
  base::write_file(out / "compare.csv", comparison_csv(comparison));
  base::write_file(out / "compare.html", compare_page(comparison));
  write_json(out / "manifest.json", {{"format", "neume-compare"},
                                     {"version", 1},
                                     {"neume", NEUME_VERSION},
                                     {"config", fingerprint_of(config)},
                                     {"comparison", fingerprint_of(comparison)}});
}

}  // namespace

int run(const CompareSettings& settings, Console& console) {
  require_flag(settings.run.file, "FILE.toml");
  ComparePlan plan = read_compare_plan(settings);
  const std::filesystem::path out = plan.run.out(), manifest = out / "manifest.json";
  check_writable(manifest);
  std::filesystem::remove(manifest);  // it marks a finished comparison, and this one has begun
  QuantizerStages quantizers(plan.run, console);
  quantizers.make_data();
  for (const QuantizerPlan& quantizer : plan.run.quantizers) quantizers.fit(quantizer);
  quantizers.close_catalogue();
  std::vector<std::string> notes;
  choose_full_ranking(plan, notes);
  const Json config = plan.resolved();
  write_json(out / "config.json", config);
  const Json comparison = comparison_json(plan, train_side_by_side(plan.run, plan.compare.jobs, console), notes);
  write_results(plan, config, comparison);
  console.print(comparison_text(comparison, TextForm::plain));
  console.print(fmt::format("{}: compare.html with plots, compare.json, .csv, .md, .txt", out.string()));
  return 0;
}

}  // namespace neume::app
