#include "metrics.hpp"

#include <fmt/format.h>

namespace neume::app {

namespace {

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string text_of(const Json& value) {
  if (value.is_null()) return "- (one class only)";
  if (value.is_number_float()) return fmt::format("{:.4f}", value.get<double>());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string text_of(const std::optional<double>& value) {
  return value ? fmt::format("{:.4f}", *value) : "-";
}

}  // namespace

Json metrics_json(const RankerMetrics& metrics) {
  return {{"auc", or_null(metrics.auc)},
          {"auc_cold", or_null(metrics.auc_cold)},
          {"cold_threshold", metrics.cold_threshold},
          {"logloss", metrics.logloss},
          {"gauc", or_null(metrics.gauc)},
          {"gauc_mode", "impression"},
          {"gauc_users_dropped", metrics.gauc_users_dropped},
          {"base_rate", metrics.base_rate},
          {"mean_prediction", metrics.mean_prediction},
          {"samples", metrics.samples},
          {"positives", metrics.positives},
          {"cold_samples", metrics.cold_samples},
          {"users", metrics.users},
          {"skipped_rows", metrics.skipped_rows}};
}

void add_ranking(Json& json, const eval::RankingSummary& ranking) {
  Json entry{{"users", ranking.users}, {"users_left_out", ranking.users_left_out}, {"mrr", ranking.mrr}};
  for (const eval::RankingAtCutoff& at : ranking.at) {
    entry[fmt::format("recall@{}", at.k)] = at.recall;
    entry[fmt::format("ndcg@{}", at.k)] = at.ndcg;
    entry[fmt::format("hit@{}", at.k)] = at.hit;
  }
  json["full_ranking"] = std::move(entry);
}

TextTable metrics_table(const Json& metrics) {
  TextTable table({"metric", "value"});
  for (const auto& [key, value] : metrics.items()) {
    if (key == "format" || key == "version" || key == "model" || key == "data") continue;
    if (!value.is_object()) {
      table.add({key, text_of(value)});
      continue;
    }
    for (const auto& [inner, figure] : value.items()) table.add({fmt::format("{}: {}", key, inner), text_of(figure)});
  }
  return table;
}

std::string metrics_line(const RankerMetrics& metrics) {
  return fmt::format("auc {}  auc_cold {}  logloss {:.4f}  gauc {} (impression)", text_of(metrics.auc),
                     text_of(metrics.auc_cold), metrics.logloss, text_of(metrics.gauc));
}

}  // namespace neume::app
