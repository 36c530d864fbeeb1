#include "run_summary.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "eval/statistics.hpp"
#include "example_listener.hpp"
#include "metric_values.hpp"
#include "quality.hpp"

namespace neume::app {

namespace {

std::string metric_cell(const RankerResult& result, const Metric& metric) {
  const auto values = values_of(result.metrics, metric);
  return values ? estimate_text(eval::mean_and_interval(*values), false) : "-";
}

std::string difference_cell(const RankerResult& result, const RankerResult& first, const Metric& metric) {
  if (&result == &first) return "";
  const auto a = values_of(result.metrics, metric), b = values_of(first.metrics, metric);
  return a && b ? estimate_text(eval::paired_difference(*a, *b), true) : "-";
}

TextTable ranker_table(const std::vector<RankerResult>& rankers) {
  const RankerResult& first = rankers[0];
  std::vector<std::string> header{"ranker", "AUC", "AUC cold", "log-loss",
                                  fmt::format("GAUC ({})", first.metrics[0].at("gauc_mode").get<std::string>())};
  const std::vector<Metric> metrics = main_metrics(first.metrics[0]);
  for (std::size_t m = 4; m < metrics.size(); ++m) header.push_back(metrics[m].key);
  if (rankers.size() > 1) header.insert(header.end(), {"AUC diff.", "cold diff."});
  TextTable table(header);
  for (const RankerResult& ranker : rankers) {
    std::vector<std::string> cells{ranker.name};
    for (const Metric& metric : metrics) cells.push_back(metric_cell(ranker, metric));
    if (rankers.size() > 1) {
      cells.push_back(difference_cell(ranker, first, metrics[0]));
      cells.push_back(difference_cell(ranker, first, metrics[1]));
    }
    table.add(std::move(cells));
  }
  return table;
}

std::string ranker_legend(const RunPlan& plan, const RunResults& results) {
  const Json& metrics = results.rankers[0].metrics[0];
  const std::size_t num_seeds = plan.run.seeds.size();
  std::string text =
      fmt::format("{} test samples of {} users, {} of them on cold items (fewer than {} training interactions).",
                  metrics.at("samples").get<std::size_t>(), metrics.at("users").get<std::size_t>(),
                  metrics.at("cold_samples").get<std::size_t>(), metrics.at("cold_threshold").get<std::size_t>());
  if (num_seeds > 1) text += fmt::format(" Mean over {} seeds ± half of the 95% interval.", num_seeds);
  if (results.rankers.size() > 1) {
    text +=
        fmt::format("\nDifferences are to {}, seed by seed; a * marks an interval without 0.", results.rankers[0].name);
  }
  const bool has_control =
      std::ranges::any_of(plan.rankers, [](const RankerPlan& r) { return r.options.permute_items; });
  if (has_control) {
    text += " A ranker with shuffled IDs is a control: same codes, given to other items, so only content is missing.";
  }
  return text;
}

Json ranker_json(const RankerResult& ranker, const RankerResult& first) {
  Json json{{"name", ranker.name}};
  for (const Metric& metric : main_metrics(ranker.metrics[0])) {
    const auto values = values_of(ranker.metrics, metric), base = values_of(first.metrics, metric);
    if (!values) continue;
    Json entry = estimate_json(eval::mean_and_interval(*values));
    entry["by_seed"] = *values;
    if (base && &ranker != &first) entry["minus_first"] = estimate_json(eval::paired_difference(*values, *base));
    json[metric.key] = std::move(entry);
  }
  json["gauc_mode"] = ranker.metrics[0].at("gauc_mode");
  return json;
}

}  // namespace

std::string summary_text(const RunPlan& plan, const RunResults& results, TextForm form) {
  std::string text = heading("What the semantic IDs carry, layer by layer", form);
  text += table_text(quality_table(results.quality), form);
  text += paragraph(quality_legend(!plan.labels.source.empty()));
  if (results.rankers.empty()) return text;
  if (form == TextForm::markdown) text += "\n";
  text += heading("How well the rankers order the test log", form);
  text += table_text(ranker_table(results.rankers), form);
  text += paragraph(ranker_legend(plan, results));
  if (results.example.is_null() || results.example.at("user").is_null()) return text;
  if (form == TextForm::markdown) text += "\n";
  text += heading("One listener", form);
  const std::string example = example_text(results.example);
  text += form == TextForm::plain ? example + "\n" : fmt::format("```\n{}\n```\n", example);
  return text;
}

Json summary_json(const RunResults& results) {
  Json json{{"format", "neume-summary"}, {"version", 1}, {"quality", Json::object()}, {"rankers", Json::array()}};
  for (const auto& [quantizer, quality] : results.quality) json["quality"][quantizer] = quality;
  for (const RankerResult& ranker : results.rankers) json["rankers"].push_back(ranker_json(ranker, results.rankers[0]));
  json["example"] = results.example;
  return json;
}

}  // namespace neume::app
