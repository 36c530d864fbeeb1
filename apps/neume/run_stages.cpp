#include "run_stages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/sids_file.hpp"
#include "example_listener.hpp"
#include "input_files.hpp"
#include "item_info.hpp"
#include "option_json.hpp"
#include "quality.hpp"
#include "quantizer_stages.hpp"
#include "report.hpp"
#include "stage.hpp"
#include "stopwatch.hpp"
#include "sweep.hpp"
#include "training_stages.hpp"

namespace neume::app {

namespace {

using Path = std::filesystem::path;
/// A folder's own name, however its path is written ("runs/a/", ".").
std::string name_of(const Path& folder) {
  const Path path = std::filesystem::absolute(folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

/// The mean over seeds of a metric, or -1 where it is undefined.
double mean_auc(const RankerResult& result) {
  double sum = 0.0;
  for (const Json& metrics : result.metrics) {
    if (!metrics.at("auc").is_number()) return -1.0;
    sum += metrics.at("auc").get<double>();
  }
  return sum / static_cast<double>(result.metrics.size());
}

class Run {
 public:
  Run(const RunPlan& plan, Console& console) : plan_(plan), console_(console), quantizers_(plan, console) {}

  RunResults run() {
    quantizers_.make_data();
    RunResults results;
    for (const QuantizerPlan& quantizer : plan_.quantizers) {
      quantizers_.fit(quantizer);
      results.quality.emplace_back(quantizer.name, judge(quantizer));
    }
    report(results);
    quantizers_.close_catalogue();
    results.rankers = train_all();
    if (!plan_.rankers.empty()) report(results);
    results.example = example(results.rankers);
    return results;
  }

 private:
  void say(const std::string& stage, const std::string& outcome) { quantizers_.say(stage, outcome); }

  Json item_inputs() {
    Json inputs{{"item-column", plan_.items.options.item_column}};
    for (const std::string& source : {plan_.labels.source, plan_.labels.tags, plan_.items.names})
      inputs["sources"].push_back(source.empty() ? Json() : inputs_of_source(source));
    return inputs;
  }

  RowOptions row_options() const {
    RowOptions options;
    options.seed = plan_.run.seed;
    return options;
  }

  JudgedQuantizer read(const QuantizerPlan& quantizer) {
    JudgedQuantizer judged{quantizer.name,
                           data::read_semantic_ids(plan_.sids_file(quantizer.name)),
                           load_codebooks(plan_.quantizer_folder(quantizer.name)),
                           {},
                           {}};
    judged.rows = read_family_rows(quantizers_.catalogue(), judged.codebooks, judged.sids, row_options());
    return judged;
  }

  const ItemInfo& item_info() {
    if (!item_info_)
      item_info_ = read_item_info(quantizers_.catalogue().items, {plan_.labels.source, plan_.labels.tags,
                                                                  plan_.items.names, plan_.items.options.item_column});
    return *item_info_;
  }

  /// The same IDs may come from other codebooks, whose reconstruction differs; the manifest knows them by content.
  Json fitted_inputs(const QuantizerPlan& quantizer) const {
    return {{"sids", base::fingerprint_of_file(plan_.sids_file(quantizer.name))},
            {"codebooks", base::fingerprint_of_file(plan_.quantizer_folder(quantizer.name) / "manifest.json")}};
  }

  Json judge(const QuantizerPlan& quantizer) {
    const Json inputs{{"quantizer", fitted_inputs(quantizer)},
                      {"rows", json_of(row_options())},
                      {"items", item_inputs()},
                      {"modalities", quantizers_.modality_inputs()}};
    return cached_json(plan_.quantizer_folder(quantizer.name) / "quality.json", inputs, [&] {
      const Stopwatch stopwatch;
      const JudgedQuantizer judged = read(quantizer);
      Json quality = quality_json(judged.sids, item_info().labels.of_item, plan_.run.seed, judged.rows);
      // Where the weight was chosen, every family has its own.
      for (std::size_t f = 0; f < judged.codebooks.size(); ++f)
        if (const QuantizerOptions& options = judged.codebooks[f].quantizer.options();
            options.method == QuantizerMethod::psrq)
          quality["families"][f]["prefix_weight"] = options.prefix_weight;
      say(fmt::format("quality of {}", quantizer.name), stopwatch.text());
      return quality;
    });
  }

  /// The page of all quantizers. Its data are kept, as the map takes its time.
  void report(const RunResults& results) {
    Json inputs{
        {"items", item_inputs()}, {"rows", json_of(row_options())}, {"modalities", quantizers_.modality_inputs()}};
    for (const QuantizerPlan& quantizer : plan_.quantizers)
      inputs["quantizers"][quantizer.name] = fitted_inputs(quantizer);
    const Stopwatch stopwatch;
    bool was_fresh = false;
    Json report = cached_json(
        plan_.out() / "report.json", inputs,
        [&] {
          std::vector<JudgedQuantizer> judged;
          for (std::size_t q = 0; q < plan_.quantizers.size(); ++q) {
            judged.push_back(read(plan_.quantizers[q]));
            judged.back().quality = results.quality[q].second;
          }
          ReportOptions options;
          options.title = name_of(plan_.out());
          options.seed = plan_.run.seed;
          return report_json(judged, item_info(), options, console_);
        },
        &was_fresh);
    if (const Json points = sweep_of(plan_, results); !points.empty()) report["sweep"] = {{"points", points}};
    report.erase("fingerprint");
    write_report(plan_.out() / "report.html", report);
    say("report.html", was_fresh ? "up to date" : stopwatch.text());
  }

  std::vector<RankerResult> train_all() {
    std::vector<RankerResult> results;
    if (plan_.rankers.empty()) return results;
    TrainingStages trainings(plan_);
    for (const RankerPlan& ranker : plan_.rankers) {
      RankerResult result{ranker.name, {}};
      for (const std::uint64_t seed : plan_.run.seeds) {
        const std::string title = fmt::format("ranker {}, seed {}", ranker.name, seed);
        TrainingReports reports;
        reports.aligning = console_.progress(title);
        reports.training = console_.progress(title);
        reports.judging = console_.progress(fmt::format("judge {}, seed {}", ranker.name, seed));
        reports.resumed = [&](const std::string& where) { say(title, where); };
        say(title, trainings.train(ranker, seed, reports));
        result.metrics.push_back(trainings.judge(ranker, seed, reports));
      }
      results.push_back(std::move(result));
    }
    return results;
  }

  /// What the best ranker (no control) with the first seed recommends to somebody.
  Json example(const std::vector<RankerResult>& results) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (plan_.rankers[i].options.permute_items) continue;
      if (!best || mean_auc(results[i]) > mean_auc(results[*best])) best = i;
    }
    if (!best) return nullptr;
    const RankerPlan& ranker = plan_.rankers[*best];
    const Path folder = plan_.ranker_folder(ranker, plan_.run.seeds[0]);
    Json inputs{{"parameters", base::fingerprint_of_file(folder / "ranker.safetensors")},
                {"sids", base::fingerprint_of_file(plan_.sids_file(ranker.quantizer))},
                {"item-column", plan_.items.options.item_column},
                {"log", json_of(plan_.log.options)},
                {"test", fingerprint_of_source(plan_.log.test)}};
    if (!plan_.items.names.empty()) inputs["names"] = inputs_of_source(plan_.items.names);
    return cached_json(plan_.out() / "example.json", inputs, [&] {
      Json json =
          example_listener({folder, plan_.sids_file(ranker.quantizer), plan_.log.test, plan_.log.options, plan_.items});
      json["ranker"] = ranker.name;
      json["seed"] = plan_.run.seeds[0];
      return json;
    });
  }

  const RunPlan& plan_;
  Console& console_;
  QuantizerStages quantizers_;
  std::optional<ItemInfo> item_info_;
};

}  // namespace

RunResults run_stages(const RunPlan& plan, Console& console) {
  return Run(plan, console).run();
}

}  // namespace neume::app
