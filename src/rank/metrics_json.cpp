#include "rank/metrics_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include <neume/error.hpp>

namespace neume::rank {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

ordered_json or_null(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

std::optional<double> optional_of(const json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<double>());
}

ordered_json slices_to_json(const std::vector<SliceMetrics>& slices) {
  ordered_json list = ordered_json::array();
  for (const SliceMetrics& slice : slices) {
    list.push_back({{"name", slice.name},
                    {"items", slice.items},
                    {"samples", slice.samples},
                    {"positives", slice.positives},
                    {"auc", or_null(slice.auc)},
                    {"logloss", or_null(slice.logloss)},
                    {"base_rate", or_null(slice.base_rate)},
                    {"mean_prediction", or_null(slice.mean_prediction)}});
  }
  return list;
}

std::vector<SliceMetrics> slices_from_json(const json& list) {
  std::vector<SliceMetrics> slices;
  for (const json& entry : list) {
    SliceMetrics& slice = slices.emplace_back();
    entry.at("name").get_to(slice.name);
    entry.at("items").get_to(slice.items);
    entry.at("samples").get_to(slice.samples);
    entry.at("positives").get_to(slice.positives);
    slice.auc = optional_of(entry.at("auc"));
    slice.logloss = optional_of(entry.at("logloss"));
    slice.base_rate = optional_of(entry.at("base_rate"));
    slice.mean_prediction = optional_of(entry.at("mean_prediction"));
  }
  return slices;
}

ordered_json reliability_to_json(const std::vector<ReliabilityBin>& bins) {
  ordered_json list = ordered_json::array();
  for (const ReliabilityBin& bin : bins) {
    list.push_back(
        {{"samples", bin.samples}, {"mean_prediction", bin.mean_prediction}, {"positive_rate", bin.positive_rate}});
  }
  return list;
}

std::vector<ReliabilityBin> reliability_from_json(const json& list) {
  std::vector<ReliabilityBin> bins;
  for (const json& entry : list)
    bins.push_back({entry.at("samples"), entry.at("mean_prediction"), entry.at("positive_rate")});
  return bins;
}

GaucMode gauc_mode_of(const std::string& name) {
  const auto found = std::ranges::find(kGaucModeNames, name);
  if (found == kGaucModeNames.end()) {
    throw DataError(fmt::format("gauc_mode: expected {}, found '{}'", fmt::join(kGaucModeNames, ", "), name));
  }
  return static_cast<GaucMode>(found - kGaucModeNames.begin());
}

}  // namespace

ordered_json metrics_to_json(const RankerMetrics& metrics) {
  return {{"auc", or_null(metrics.auc)},
          {"auc_cold", or_null(metrics.auc_cold)},
          {"cold_threshold", metrics.cold_threshold},
          {"logloss", metrics.logloss},
          {"gauc", or_null(metrics.gauc)},
          {"gauc_mode", std::string(kGaucModeNames[static_cast<std::size_t>(metrics.gauc_mode)])},
          {"gauc_users_dropped", metrics.gauc_users_dropped},
          {"base_rate", metrics.base_rate},
          {"mean_prediction", metrics.mean_prediction},
          {"calibration_error", metrics.calibration_error},
          {"samples", metrics.samples},
          {"positives", metrics.positives},
          {"cold_samples", metrics.cold_samples},
          {"users", metrics.users},
          {"skipped_rows", metrics.skipped_rows},
          {"cold", slices_to_json(metrics.cold)},
          {"popularity", slices_to_json(metrics.popularity)},
          {"reliability", reliability_to_json(metrics.reliability)}};
}

RankerMetrics metrics_from_json(const json& in) {
  RankerMetrics metrics;
  metrics.auc = optional_of(in.at("auc"));
  metrics.auc_cold = optional_of(in.at("auc_cold"));
  in.at("cold_threshold").get_to(metrics.cold_threshold);
  in.at("logloss").get_to(metrics.logloss);
  metrics.gauc = optional_of(in.at("gauc"));
  metrics.gauc_mode = gauc_mode_of(in.at("gauc_mode"));
  in.at("gauc_users_dropped").get_to(metrics.gauc_users_dropped);
  in.at("base_rate").get_to(metrics.base_rate);
  in.at("mean_prediction").get_to(metrics.mean_prediction);
  in.at("calibration_error").get_to(metrics.calibration_error);
  in.at("samples").get_to(metrics.samples);
  in.at("positives").get_to(metrics.positives);
  in.at("cold_samples").get_to(metrics.cold_samples);
  in.at("users").get_to(metrics.users);
  in.at("skipped_rows").get_to(metrics.skipped_rows);
  metrics.cold = slices_from_json(in.at("cold"));
  metrics.popularity = slices_from_json(in.at("popularity"));
  metrics.reliability = reliability_from_json(in.at("reliability"));
  return metrics;
}

}  // namespace neume::rank
