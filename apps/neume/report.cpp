#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/sample.hpp"
#include "code_reading.hpp"
#include "eval/projection.hpp"
#include "report_page.hpp"

namespace neume::app {

namespace {

constexpr std::size_t kMapIterations = 500;

std::string method_name(const QuantizerOptions& options) {
  return fmt::format("{}{}", options.balanced ? "balanced " : "",
                     kQuantizerMethodNames[static_cast<std::size_t>(options.method)]);
}

std::vector<std::vector<std::size_t>> usage_of(const CodeFamily& family) {
  std::vector<std::vector<std::size_t>> usage;
  for (std::size_t l = 0; l < family.num_layers(); ++l) {
    usage.emplace_back(family.codebook_sizes[l], 0);
    for (std::size_t item = 0; item < family.num_items(); ++item)
      if (family.has(item)) ++usage[l][family.of(item)[l]];
  }
  return usage;
}

const FamilyRows* rows_of(const JudgedQuantizer& quantizer, const std::string& family) {
  const auto found = quantizer.rows.find(family);
  return found == quantizer.rows.end() ? nullptr : &found->second;
}

Json quantizer_json(const JudgedQuantizer& quantizer, const ItemInfo& info, std::size_t& left_out) {
  Json json{{"name", quantizer.name}, {"families", Json::array()}};
  if (!quantizer.codebooks.empty()) {
    const QuantizerOptions& options = quantizer.codebooks.front().quantizer.options();
    json["method"] = method_name(options);
    if (options.method == QuantizerMethod::psrq) json["prefix_weight"] = options.prefix_weight;
  }
  for (std::size_t f = 0; f < quantizer.sids.families.size(); ++f) {
    const CodeFamily& family = quantizer.sids.families[f];
    if (f == 0) json["codes"] = family.codebook_sizes;
    Json entry = quantizer.quality.at("families").at(f);
    entry["usage"] = usage_of(family);
    const Json reading = reading_json(family, info, rows_of(quantizer, family.name));
    entry["tree"] = reading.at("tree");
    entry["layer_codes"] = reading.at("layer_codes");
    left_out += reading.at("left_out").get<std::size_t>();
    json["families"].push_back(std::move(entry));
  }
  return json;
}

/// The code of every item of `items` in every layer; -1 where an item has none.
Json codes_of(const CodeFamily& family, std::span<const std::uint32_t> items) {
  Json layers = Json::array();
  for (std::size_t l = 0; l < family.num_layers(); ++l) {
    Json codes = Json::array();
    for (const std::uint32_t item : items) codes.push_back(family.has(item) ? int{family.of(item)[l]} : -1);
    layers.push_back(std::move(codes));
  }
  return layers;
}

/// The map of one family: positions from the first quantizer that knows its embeddings, codes from all of them.
Json projection_json(const std::vector<JudgedQuantizer>& quantizers, const std::string& family, const ItemInfo& info,
                     const ReportOptions& options, const ProgressFn& progress) {
  const auto source = std::ranges::find_if(quantizers, [&](const auto& q) { return rows_of(q, family) != nullptr; });
  if (source == quantizers.end()) return nullptr;
  const FamilyRows& rows = *rows_of(*source, family);
  const std::vector<std::uint32_t> places = base::draw_sample(rows.items.size(), options.points, options.seed);
  Matrix shown(places.size(), rows.rows.cols());
  std::vector<std::uint32_t> items;
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::ranges::copy(rows.rows.row(places[i]), shown.row(i).begin());
    items.push_back(rows.items[places[i]]);
  }
  eval::ProjectionOptions map_options;
  map_options.iterations = kMapIterations;
  const Matrix plane = eval::project_to_plane(shown.view(), map_options, progress);
  Json json{{"family", family},      {"caption", fmt::format("t-SNE of {} of {} items", items.size(), rows.available)},
            {"x", Json::array()},    {"y", Json::array()},
            {"item", Json::array()}, {"codes", Json::object()}};
  for (std::size_t i = 0; i < items.size(); ++i) {
    json["x"].push_back(plane.row(i)[0]);
    json["y"].push_back(plane.row(i)[1]);
    json["item"].push_back(info.names[items[i]]);
    if (info.labels.of_item.empty()) continue;
    const std::uint32_t label = info.labels.of_item[items[i]];
    json["label"].push_back(label == data::ItemLabels::kNone ? -1 : static_cast<int>(label));
  }
  for (const JudgedQuantizer& quantizer : quantizers)
    if (const CodeFamily* codes = quantizer.sids.find(family)) json["codes"][quantizer.name] = codes_of(*codes, items);
  return json;
}

/// What the reader must know of samples.
std::vector<std::string> notes_of(const std::vector<JudgedQuantizer>& quantizers, std::size_t left_out) {
  std::vector<std::string> notes;
  for (const auto& [family, rows] : quantizers.front().rows) {
    if (rows.items.size() < rows.available)
      notes.push_back(
          fmt::format("{}: neighbours, cohesion and typical items come from {} of {} items, drawn at random.", family,
                      rows.items.size(), rows.available));
    if (!rows.neighbours.queries.empty() && rows.neighbours.queries.size() < rows.items.size())
      notes.push_back(fmt::format("{}: neighbours were looked up for {} items, drawn at random.", family,
                                  rows.neighbours.queries.size()));
  }
  if (left_out > 0)
    notes.push_back(fmt::format("{} small groups are left out of the code tree and the tables of codes.", left_out));
  return notes;
}

}  // namespace

Json report_json(const std::vector<JudgedQuantizer>& quantizers, const ItemInfo& info, const ReportOptions& options,
                 Console& console) {
  Json report{{"format", "neume-report"},    {"version", 1},
              {"neume", NEUME_VERSION},      {"title", options.title},
              {"quantizers", Json::array()}, {"projections", Json::array()}};
  std::size_t left_out = 0;
  for (const JudgedQuantizer& quantizer : quantizers)
    report["quantizers"].push_back(quantizer_json(quantizer, info, left_out));
  report["notes"] = notes_of(quantizers, left_out);
  if (!info.labels.names.empty()) report["labels"] = info.labels.names;
  for (const CodeFamily& family : quantizers.front().sids.families) {
    Json projection =
        projection_json(quantizers, family.name, info, options, console.progress("map of " + family.name));
    if (!projection.is_null()) report["projections"].push_back(std::move(projection));
  }
  return report;
}

std::vector<Json> sweep_points(const QuantizerOptions& options, const Json& quality) {
  std::vector<Json> points;
  for (const Json& family : quality.at("families")) {
    const Json& layers = family.at("layers");
    Json point{{"family", family.at("family")},
               {"method", method_name(options)},
               {"layers", layers.size()},
               {"codes", options.codes.size() == 1 ? Json(options.codes[0]) : Json(options.codes)},
               {"unique_sid_rate", family.at("no_collision_rate")}};
    if (family.contains("prefix_weight")) {
      point["prefix_weight"] = family.at("prefix_weight");
    } else if (options.method == QuantizerMethod::psrq ||
               (options.method == QuantizerMethod::rq && !options.balanced)) {
      point["prefix_weight"] = options.effective_prefix_weight();
    }
    if (layers.back().contains("variance_explained")) point["variance_explained"] = layers.back()["variance_explained"];
    const auto add_mean = [&](const char* key) {
      if (layers.size() < 2 || !layers[1].contains(key)) return;
      double sum = 0.0;
      for (std::size_t l = 1; l < layers.size(); ++l) sum += layers[l].at(key).get<double>();
      point[key] = sum / static_cast<double>(layers.size() - 1);
    };
    if (layers.size() > 1) point["conditional_entropy_2"] = layers[1].at("conditional_entropy");
    add_mean("conditional_entropy");
    add_mean("conditional_information");
    add_mean("conditional_information_null");
    points.push_back(std::move(point));
  }
  return points;
}

void add_shares_of_rq(std::vector<Json>& points) {
  const auto is_rq_of = [](const Json& a, const Json& b) {
    return a.contains("prefix_weight") && a.at("prefix_weight") == 0.0 && a.at("family") == b.at("family") &&
           a.at("layers") == b.at("layers") && a.at("codes") == b.at("codes") && a.contains("variance_explained");
  };
  for (Json& point : points) {
    const auto rq = std::ranges::find_if(points, [&](const Json& other) { return is_rq_of(other, point); });
    if (rq == points.end() || !point.contains("variance_explained")) continue;
    const double whole = rq->at("variance_explained").get<double>();
    if (whole > 0.0) point["share_of_rq"] = point["variance_explained"].get<double>() / whole;
  }
}

void write_report(const std::filesystem::path& path, const Json& report) {
  base::write_file(path, report_page(report));
}

}  // namespace neume::app
