#include "compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "eval/statistics.hpp"
#include "metric_values.hpp"
#include "option_json.hpp"

namespace neume::app {

namespace {

constexpr const char* kDefaultTable = "Rankers";

std::string name_of(Better better) {
  return better == Better::higher ? "higher" : better == Better::lower ? "lower" : "neither";
}

Json metric_json(const Metric& metric) {
  Json json{{"key", metric.key}, {"title", metric.title}, {"group", metric.group}, {"better", name_of(metric.better)}};
  if (!metric.slice.empty()) json["slice"] = metric.slice;
  return json;
}

/// The slices of one judgement without their metrics: all rankers are judged by the same samples.
Json slices_json(const Json& metrics) {
  Json slices = Json::array();
  for (const char* group : {"cold", "popularity"}) {
    if (!metrics.contains(group)) continue;
    for (const Json& slice : metrics.at(group)) {
      Json entry{{"group", group}};
      for (const char* key : {"name", "items", "samples", "positives"})
        if (slice.contains(key)) entry[key] = slice.at(key);
      slices.push_back(std::move(entry));
    }
  }
  return slices;
}

/// Bin by bin the means over the seeds; empty where a judgement has no bins, or another number of them.
Json reliability_json(const std::vector<Json>& judgements) {
  Json bins = Json::array();
  for (const Json& metrics : judgements) {
    const Json found = metrics.value("reliability", Json::array());
    if (found.empty() || (!bins.empty() && found.size() != bins.size())) return Json::array();
    for (std::size_t b = 0; b < found.size(); ++b) {
      if (bins.size() <= b) bins.push_back({{"samples", 0.0}, {"mean_prediction", 0.0}, {"positive_rate", 0.0}});
      for (const auto& [key, sum] : bins[b].items()) {
        sum = sum.get<double>() + found[b].at(key).get<double>() / static_cast<double>(judgements.size());
      }
    }
  }
  return bins;
}

/// What a ranker's manifest tells of its epochs, without the seconds, which differ from run to run.
Json training_json(const RunPlan& plan, const RankerPlan& ranker) {
  Json list = Json::array();
  for (const std::uint64_t seed : plan.run.seeds) {
    const Json manifest = read_json(plan.ranker_folder(ranker, seed) / "manifest.json");
    Json epochs = Json::array();
    for (const Json& epoch : manifest.value("epochs", Json::array())) {
      Json entry;
      for (const char* key : {"epoch", "training_loss", "curve"})
        if (epoch.contains(key)) entry[key] = epoch.at(key);
      if (epoch.contains("validation"))
        entry["validation"] = {{"auc", epoch["validation"]["auc"]}, {"logloss", epoch["validation"]["logloss"]}};
      epochs.push_back(std::move(entry));
    }
    list.push_back({{"seed", seed}, {"epochs", std::move(epochs)}});
  }
  return list;
}

Json ranker_json(const RunPlan& plan, std::size_t index, const RankerResult& result,
                 const std::vector<Metric>& metrics) {
  const RankerPlan& ranker = plan.rankers[index];
  Json options = json_of(ranker.options);
  options.erase("seed");
  Json json{{"name", ranker.name},
            {"model", options.at("model")},
            {"quantizer", ranker.reads_ids() ? Json(ranker.quantizer) : Json(nullptr)},
            {"control", ranker.options.permute_items},
            {"options", std::move(options)},
            {"metrics", Json::object()}};
  for (const Metric& metric : metrics) {
    const auto values = values_of(result.metrics, metric);
    if (!values) continue;
    Json entry = estimate_json(eval::mean_and_interval(*values));
    entry["by_seed"] = *values;
    json["metrics"][metric.key] = std::move(entry);
  }
  json["reliability"] = reliability_json(result.metrics);
  json["training"] = training_json(plan, ranker);
  return json;
}

/// Titles in the order of the file, each with the indices of its rankers.
std::vector<std::pair<std::string, std::vector<std::size_t>>> tables_of(const RunPlan& plan) {
  std::vector<std::pair<std::string, std::vector<std::size_t>>> tables;
  for (std::size_t r = 0; r < plan.rankers.size(); ++r) {
    std::vector<std::string> titles = plan.rankers[r].tables;
    if (titles.empty()) titles.emplace_back(kDefaultTable);
    for (const std::string& title : titles) {
      auto table = std::ranges::find(tables, title, [](const auto& entry) { return entry.first; });
      if (table == tables.end()) table = tables.insert(tables.end(), {title, {}});
      if (std::ranges::count(table->second, r) == 0) table->second.push_back(r);
    }
  }
  return tables;
}

/// The first of the baselines that is a row of the table; failing that, its first row.
std::size_t baseline_of(const ComparePlan& plan, const std::vector<std::size_t>& rows) {
  for (const std::string& name : plan.compare.baseline)
    for (const std::size_t row : rows)
      if (plan.run.rankers[row].name == name) return row;
  return rows[0];
}

Json differences_json(const RankerResult& ranker, const RankerResult& baseline, const std::vector<Metric>& metrics) {
  Json json = Json::object();
  for (const Metric& metric : metrics) {
    const auto values = values_of(ranker.metrics, metric), base = values_of(baseline.metrics, metric);
    if (metric.better == Better::neither || !values || !base) continue;
    const eval::Estimate difference = eval::paired_difference(*values, *base);
    json[metric.key] = estimate_json(difference);
    json[metric.key]["excludes_zero"] = difference.excludes_zero();
  }
  return json;
}

Json table_json(const ComparePlan& plan, const std::vector<std::size_t>& rows, const std::vector<RankerResult>& results,
                const std::vector<Metric>& metrics) {
  const std::size_t baseline = baseline_of(plan, rows);
  Json json{{"baseline", plan.run.rankers[baseline].name}, {"rows", Json::array()}};
  for (const std::size_t row : rows) {
    Json entry{{"ranker", plan.run.rankers[row].name}};
    if (row != baseline) entry["differences"] = differences_json(results[row], results[baseline], metrics);
    json["rows"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace

Json comparison_json(const ComparePlan& plan, const std::vector<RankerResult>& results,
                     const std::vector<std::string>& notes) {
  const Json& first = results[0].metrics[0];
  const std::vector<Metric> metrics = all_metrics(first);
  Json json{{"format", "neume-compare"}, {"version", 1}, {"neume", NEUME_VERSION}};
  const auto out = std::filesystem::absolute(plan.run.out() / "x").lexically_normal().parent_path();
  json["title"] = out.filename().string();
  json["notes"] = notes;
  json["seeds"] = plan.run.run.seeds;
  for (const char* key : {"samples", "positives", "users", "cold_samples", "cold_threshold", "gauc_mode"})
    json["test"][key] = first.at(key);
  for (const Metric& metric : metrics) json["metrics"].push_back(metric_json(metric));
  json["slices"] = slices_json(first);
  for (std::size_t r = 0; r < results.size(); ++r)
    json["rankers"].push_back(ranker_json(plan.run, r, results[r], metrics));
  for (const auto& [title, rows] : tables_of(plan.run)) {
    Json table{{"title", title}};
    table.update(table_json(plan, rows, results, metrics));
    json["tables"].push_back(std::move(table));
  }
  return json;
}

}  // namespace neume::app
