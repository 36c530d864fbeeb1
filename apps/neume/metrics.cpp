#include "metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "text_table.hpp"

namespace neume::app {

namespace {

/// Keys that are no figures, or that have a table of their own.
constexpr std::array<std::string_view, 7> kNotInTable{"format", "version",    "model",      "data",
                                                      "cold",   "popularity", "reliability"};

std::string text_of(const Json& value) {
  if (value.is_null()) return "- (one class only)";
  if (value.is_number_float()) return fmt::format("{:.4f}", value.get<double>());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string text_of(const std::optional<double>& value) {
  return value ? fmt::format("{:.4f}", *value) : "-";
}

std::string cell_of(const Json& value) {
  return value.is_null() ? "-" : text_of(value);
}

TextTable figures_table(const Json& metrics) {
  TextTable table({"metric", "value"});
  for (const auto& [key, value] : metrics.items()) {
    if (std::ranges::find(kNotInTable, key) != kNotInTable.end()) continue;
    if (!value.is_object()) {
      table.add({key, text_of(value)});
      continue;
    }
    for (const auto& [inner, figure] : value.items()) table.add({fmt::format("{}: {}", key, inner), text_of(figure)});
  }
  return table;
}

TextTable slices_table(const Json& metrics) {
  constexpr std::array<const char*, 7> kColumns{"items",   "samples",   "positives",      "auc",
                                                "logloss", "base_rate", "mean_prediction"};
  std::vector<std::string> header{"slice"};
  header.insert(header.end(), kColumns.begin(), kColumns.end());
  TextTable table(header);
  for (const char* slices : {"cold", "popularity"}) {
    for (const Json& slice : metrics.at(slices)) {
      std::vector<std::string> cells{slice.at("name").get<std::string>()};
      for (const char* column : kColumns) cells.push_back(cell_of(slice.at(column)));
      table.add(std::move(cells));
    }
  }
  return table;
}

TextTable reliability_table(const Json& metrics) {
  TextTable table({"bin", "samples", "mean prediction", "positives that came", "difference"});
  std::size_t number = 0;
  for (const Json& bin : metrics.at("reliability")) {
    const double predicted = bin.at("mean_prediction"), came = bin.at("positive_rate");
    table.add({fmt::to_string(++number), bin.at("samples").dump(), fmt::format("{:.4f}", predicted),
               fmt::format("{:.4f}", came), fmt::format("{:+.4f}", predicted - came)});
  }
  return table;
}

/// What the mean prediction is worth beside the base rate, in words.
std::string verdict(const Json& metrics) {
  const double predicted = metrics.at("mean_prediction"), came = metrics.at("base_rate");
  const std::string error = fmt::format("calibration error {:.4f}", metrics.at("calibration_error").get<double>());
  if (came == 0.0) return fmt::format("No positive came, {:.4f} of the samples were predicted; {}.", predicted, error);
  return fmt::format("Predictions are {:.2f} times the positives that came ({:.4f} predicted, base rate {:.4f}); {}.",
                     predicted / came, predicted, came, error);
}

}  // namespace

void add_ranking(Json& json, const eval::RankingSummary& ranking) {
  Json entry{{"users", ranking.users}, {"users_left_out", ranking.users_left_out}, {"mrr", ranking.mrr}};
  for (const eval::RankingAtCutoff& at : ranking.at) {
    entry[fmt::format("recall@{}", at.k)] = at.recall;
    entry[fmt::format("ndcg@{}", at.k)] = at.ndcg;
    entry[fmt::format("hit@{}", at.k)] = at.hit;
  }
  json["full_ranking"] = std::move(entry);
}

std::string metrics_text(const Json& metrics) {
  return fmt::format("{}\n\nSlices of the catalogue, by interactions in training\n\n{}\n\nReliability\n\n{}\n\n{}",
                     figures_table(metrics).plain(), slices_table(metrics).plain(), reliability_table(metrics).plain(),
                     verdict(metrics));
}

std::string metrics_line(const RankerMetrics& metrics) {
  return fmt::format("auc {}  auc_cold {}  logloss {:.4f}  gauc {} ({})", text_of(metrics.auc),
                     text_of(metrics.auc_cold), metrics.logloss, text_of(metrics.gauc),
                     kGaucModeNames[static_cast<std::size_t>(metrics.gauc_mode)]);
}

}  // namespace neume::app
