// The verb sweep: a grid of quantizers, fitted, judged and, with a log, ranked by. It is a run (run_stages.hpp) whose
// plan is made from the grid, so what is finished stays finished and a killed sweep goes on.

#include <fmt/format.h>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "report.hpp"
#include "run_stages.hpp"
#include "settings.hpp"
#include "sweep.hpp"

namespace neume::app {

namespace {

/// One DIN with the IDs of one family alone, for each quantizer and family: what the paper compares quantizers by.
std::vector<RankerPlan> rankers_of(const RunPlan& plan, const SweepSettings& settings) {
  std::vector<std::string> families;
  for (const data::ModalitySource& modality : plan.modalities) families.push_back(modality.name);
  if (settings.joint) families.emplace_back("joint");
  std::vector<RankerPlan> rankers;
  for (const QuantizerPlan& quantizer : plan.quantizers) {
    for (const std::string& family : families) {
      RankerPlan ranker{fmt::format("{}-{}", quantizer.name, family), quantizer.name, {}};
      ranker.options.model = RankerModel::din;
      ranker.options.families = {family};
      ranker.options.epochs = settings.epochs;
      ranker.options.batch_size = settings.batch_size;
      ranker.options.learning_rate = settings.learning_rate;
      rankers.push_back(std::move(ranker));
    }
  }
  return rankers;
}

RunPlan plan_of(const SweepSettings& settings) {
  RunPlan plan;
  plan.run.out = settings.out;
  plan.run.seed = settings.base.seed;
  plan.run.seeds = settings.seeds;
  for (const std::string& text : settings.catalogue.modalities)
    plan.modalities.push_back(data::ModalitySource::parse(text));
  plan.items.options = settings.catalogue.options;
  plan.items.names = settings.names;
  plan.labels = {settings.labels, settings.tags};
  plan.log = {settings.train, settings.validation, settings.test, settings.log};
  plan.log.options.item_column = settings.catalogue.options.item_column;
  plan.judge.cold_threshold = settings.cold_threshold;
  plan.quantizers = quantizers_of(settings.grid, {settings.base, settings.joint, settings.scale});
  if (!settings.train.empty()) plan.rankers = rankers_of(plan, settings);
  return plan;
}

}  // namespace

int run(const SweepSettings& settings, Console& console) {
  require_flag(settings.out, "--out");
  if (settings.catalogue.modalities.empty())
    throw InvalidArgument("--modality NAME=SOURCE is required, once a modality; --help shows how");
  if (settings.train.empty() != settings.test.empty())
    throw InvalidArgument("--train and --test belong together: a ranker learns from one and is judged by the other");
  const RunPlan plan = plan_of(settings);
  const std::filesystem::path out = plan.out(), manifest = out / "manifest.json";
  check_writable(manifest);
  std::filesystem::remove(manifest);
  const Json config = plan.resolved();
  write_json(out / "config.json", config);
  const std::vector<Json> points = sweep_of(plan, run_stages(plan, console));
  const TextTable table = sweep_table(points);
  write_json(out / "sweep.json", {{"format", "neume-sweep"}, {"version", 1}, {"points", points}});
  base::write_file(out / "sweep.csv", sweep_csv(points));
  base::write_file(out / "sweep.md", table.markdown() + "\n");
  write_json(manifest, {{"format", "neume-sweep"}, {"version", 1}, {"neume", NEUME_VERSION}});
  console.print(table.plain());
  console.print(
      "In nats. H(c2|c1): what code 2 adds to code 1. Means over the layers after the first: H(c|prefix), what a code "
      "adds to the codes before it; "
      "I(c;label|prefix), what it adds about the label, of which only the excess over \"if shuffled\" is "
      "information. AUC: DIN with the IDs of this family, mean over seeds.");
  console.print(
      fmt::format("{}: sweep.csv, sweep.md, sweep.json, and report.html with the trade-off curve", out.string()));
  return 0;
}

}  // namespace neume::app
