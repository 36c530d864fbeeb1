#include "metric_values.hpp"

#include <fmt/format.h>

#include <cmath>

namespace neume::app {

namespace {

/// "Recall@20" of "recall@20".
std::string ranking_title(const std::string& name) {
  const std::size_t at = name.find('@');
  return (name.starts_with("ndcg") ? "NDCG" : "Recall") + name.substr(at);
}

/// The four figures of every slice of a list of metrics.json.
void add_slices(std::vector<Metric>& list, const Json& metrics, const std::string& group) {
  if (!metrics.contains(group)) return;
  for (const Json& slice : metrics.at(group)) {
    const std::string name = slice.at("name");
    const auto add = [&](const std::string& key, const std::string& title, Better better) {
      list.push_back({fmt::format("{}/{}/{}", group, name, key),
                      fmt::format("{} {}", title, name),
                      group,
                      name,
                      better,
                      {group, name, key}});
    };
    add("auc", "AUC", Better::higher);
    add("logloss", "log-loss", Better::lower);
    add("base_rate", "base rate", Better::neither);
    add("mean_prediction", "mean prediction", Better::neither);
  }
}

/// A step down: a key of an object, or the entry of a list that has the name.
const Json* child_of(const Json& json, const std::string& name) {
  if (json.is_object()) return json.contains(name) ? &json.at(name) : nullptr;
  if (!json.is_array()) return nullptr;
  for (const Json& entry : json)
    if (entry.is_object() && entry.value("name", "") == name) return &entry;
  return nullptr;
}

}  // namespace

std::vector<Metric> main_metrics(const Json& metrics) {
  std::vector<Metric> list{{"auc", "AUC", "main", "", Better::higher, {"auc"}},
                           {"auc_cold", "AUC cold", "main", "", Better::higher, {"auc_cold"}},
                           {"logloss", "log-loss", "main", "", Better::lower, {"logloss"}},
                           {"gauc", "GAUC", "main", "", Better::higher, {"gauc"}}};
  if (!metrics.contains("full_ranking")) return list;
  for (const auto& [name, value] : metrics.at("full_ranking").items()) {
    if (!name.starts_with("recall@") && !name.starts_with("ndcg@")) continue;
    list.push_back({name, ranking_title(name), "main", "", Better::higher, {"full_ranking", name}});
  }
  return list;
}

std::vector<Metric> all_metrics(const Json& metrics) {
  std::vector<Metric> list = main_metrics(metrics);
  add_slices(list, metrics, "cold");
  add_slices(list, metrics, "popularity");
  list.push_back({"base_rate", "base rate", "calibration", "", Better::neither, {"base_rate"}});
  list.push_back({"mean_prediction", "mean prediction", "calibration", "", Better::neither, {"mean_prediction"}});
  if (metrics.contains("calibration_error")) {
    list.push_back({"calibration_error", "calibration error", "calibration", "", Better::lower, {"calibration_error"}});
  }
  return list;
}

std::optional<double> value_of(const Json& metrics, const Metric& metric) {
  const Json* at = &metrics;
  for (const std::string& name : metric.path) {
    at = child_of(*at, name);
    if (at == nullptr) return std::nullopt;
  }
  return at->is_number() ? std::optional(at->get<double>()) : std::nullopt;
}

std::optional<std::vector<double>> values_of(const std::vector<Json>& judgements, const Metric& metric) {
  std::vector<double> values;
  for (const Json& metrics : judgements) {
    const auto value = value_of(metrics, metric);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

Json estimate_json(const eval::Estimate& estimate) {
  Json json{{"mean", estimate.mean}};
  json["half_width_95"] = std::isfinite(estimate.half_width) ? Json(estimate.half_width) : Json(nullptr);
  return json;
}

std::string estimate_text(const eval::Estimate& estimate, bool is_difference) {
  std::string text = fmt::format(fmt::runtime(is_difference ? "{:+.4f}" : "{:.4f}"), estimate.mean);
  if (std::isfinite(estimate.half_width)) text += fmt::format(" ±{:.4f}", estimate.half_width);
  if (is_difference && estimate.excludes_zero()) text += " *";
  return text;
}

}  // namespace neume::app
