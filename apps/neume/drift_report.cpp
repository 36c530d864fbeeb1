#include "drift_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "text_table.hpp"

namespace neume::app {

namespace {

using quantize::DriftVerdict;
using quantize::FamilyDrift;
using quantize::LayerDrift;

constexpr std::array<const char*, 4> kVerdictNames{"too-few-rows", "none", "usage-shifted", "refit-due"};

std::string sign_of(const LayerDrift& layer) {
  if (layer.is_far()) return layer.is_shifted() ? "far, usage shifted" : "far";
  return layer.is_shifted() ? "usage shifted" : "";
}

std::string verdict_text(const FamilyDrift& family) {
  switch (family.verdict()) {
    case DriftVerdict::too_few_rows:
      return fmt::format("{}: {} new rows are too few to tell drift from chance; {} are enough", family.name,
                         family.rows, quantize::kFewestNewRows);
    case DriftVerdict::none:
      return fmt::format("{}: no drift: new rows lie as near to their codes as rows of the fit that were held out",
                         family.name);
    case DriftVerdict::usage_shifted:
      return fmt::format(
          "{}: no refit is due: codes are used otherwise than by the fit's rows, but new rows lie as near to them",
          family.name);
    case DriftVerdict::refit_due:
      break;
  }
  return fmt::format(
      "{}: a refit is due: new rows lie farther from their codes than rows of the fit that were held out", family.name);
}

Json layer_json(const LayerDrift& layer) {
  const auto distances = [](double mean, const std::array<double, 3>& quantiles) {
    return Json{{"mean", mean}, {"median", quantiles[0]}, {"p90", quantiles[1]}, {"p99", quantiles[2]}};
  };
  return {{"distance", distances(layer.mean, layer.quantiles)},
          {"fit_distance", distances(layer.fit_mean, layer.fit_quantiles)},
          {"mean_limit", layer.mean_limit},
          {"beyond_p99", layer.beyond},
          {"beyond_p99_limit", layer.beyond_limit},
          {"usage_shift", layer.usage_shift},
          {"usage_shift_chance", layer.usage_chance},
          {"usage_shift_limit", layer.usage_limit},
          {"usage_counts", layer.usage_counts},
          {"is_far", layer.is_far()},
          {"is_shifted", layer.is_shifted()}};
}

}  // namespace

DriftReport measure_drift(const data::Catalogue& catalogue, const std::vector<Codebook>& codebooks,
                          std::span<const std::uint32_t> items) {
  DriftReport report;
  for (const auto& [name, quantizer] : codebooks) {
    std::vector<std::uint32_t> measured;
    std::ranges::set_intersection(items, catalogue.items_with(quantizer.shape().block_names),
                                  std::back_inserter(measured));
    if (!quantizer.statistics() || measured.empty()) {
      report.not_measured.push_back(name);
      continue;
    }
    const quantize::MeasuredRows rows = quantize::measure_items(catalogue, quantizer, measured);
    report.families.push_back(quantize::compare_with_fit(*quantizer.statistics(), rows));
    report.families.back().name = name;
  }
  return report;
}

std::string drift_text(const DriftReport& report) {
  std::string text;
  if (!report.families.empty()) {
    TextTable table({"family", "layer", "new rows", "distance", "fit's", "ratio", "beyond p99", "usage shift",
                     "by chance", "sign"});
    for (const FamilyDrift& family : report.families)
      for (std::size_t l = 0; l < family.layers.size(); ++l) {
        const LayerDrift& layer = family.layers[l];
        table.add({family.name, fmt::to_string(l + 1), fmt::to_string(family.rows), fmt::format("{:.4g}", layer.mean),
                   fmt::format("{:.4g}", layer.fit_mean),
                   layer.fit_mean > 0.0 ? fmt::format("{:.3f}", layer.mean / layer.fit_mean) : "-",
                   fmt::format("{:.2f}%", 100.0 * layer.beyond), fmt::format("{:.3f}", layer.usage_shift),
                   fmt::format("{:.3f}", layer.usage_chance), sign_of(layer)});
      }
    text = table.plain();
  }
  for (const FamilyDrift& family : report.families)
    text += fmt::format("{}{}", text.empty() ? "" : "\n", verdict_text(family));
  for (const std::string& name : report.not_measured)
    text += fmt::format(
        "{}{}: drift was not measured: its codebook has no statistics (rqvae, a fit to fewer than {} rows, or a "
        "file of an older neume), or no new item has a row there",
        text.empty() ? "" : "\n", name, quantize::kFewestFittedRows);
  return text;
}

Json drift_json(const DriftReport& report) {
  Json families = Json::array();
  for (const FamilyDrift& family : report.families) {
    Json layers = Json::array();
    for (const LayerDrift& layer : family.layers) layers.push_back(layer_json(layer));
    families.push_back({{"name", family.name},
                        {"verdict", kVerdictNames[static_cast<std::size_t>(family.verdict())]},
                        {"rows", family.rows},
                        {"fit_rows", family.fit_rows},
                        {"layers", layers}});
  }
  return {{"format", "neume-drift"},
          {"version", 1},
          {"neume", NEUME_VERSION},
          {"families", families},
          {"not_measured", report.not_measured}};
}

}  // namespace neume::app
