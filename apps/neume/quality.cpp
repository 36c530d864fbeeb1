#include "quality.hpp"

#include <fmt/format.h>

#include "eval/sid_quality.hpp"

namespace neume::app {

namespace {

Json layer_json(const eval::LayerQuality& layer) {
  Json json{{"codebook_size", layer.codebook_size},
            {"codes_used", layer.codes_used},
            {"dead_codes", layer.dead_codes},
            {"coverage", layer.coverage},
            {"entropy", layer.entropy},
            {"entropy_ratio", layer.entropy_ratio},
            {"perplexity", layer.perplexity},
            {"gini", layer.gini},
            {"conditional_entropy", layer.conditional_entropy}};
  if (layer.conditional_information) json["conditional_information"] = *layer.conditional_information;
  if (layer.conditional_information_null) json["conditional_information_null"] = *layer.conditional_information_null;
  return json;
}

Json family_json(const eval::SidQuality& quality) {
  Json json{{"family", quality.family},
            {"items", quality.items},
            {"items_without_code", quality.items_without_code},
            {"labelled_items", quality.labelled_items},
            {"unique_sid", quality.unique_sid},
            {"no_collision_rate", quality.no_collision_rate},
            {"uniquely_identified_item_rate", quality.uniquely_identified_item_rate},
            {"max_collision", quality.max_collision},
            {"entropy", quality.entropy},
            {"entropy_ratio", quality.entropy_ratio},
            {"layers", Json::array()}};
  for (const eval::LayerQuality& layer : quality.layers) json["layers"].push_back(layer_json(layer));
  return json;
}

/// A figure of a layer, or a dash where it is not there.
std::string cell(const Json& layer, const char* key, int decimals) {
  if (!layer.contains(key)) return "-";
  return fmt::format("{:.{}f}", layer.at(key).get<double>(), decimals);
}

struct Columns {
  bool quantizer = false;
  bool variance = false;
  bool labels = false;

  std::vector<std::string> header() const {
    std::vector<std::string> names;
    if (quantizer) names.emplace_back("quantizer");
    names.insert(names.end(), {"family", "layer", "codes used"});
    if (variance) names.emplace_back("variance expl.");
    names.emplace_back("H(c|prefix)");
    if (labels) names.insert(names.end(), {"I(c;label|prefix)", "if shuffled"});
    names.emplace_back("distinct IDs");
    return names;
  }

  /// One layer's row. `distinct` is empty but in the last layer.
  std::vector<std::string> row(const std::vector<std::string>& names, const Json& layer,
                               const std::string& distinct) const {
    std::vector<std::string> cells;
    if (quantizer) cells.push_back(names[0]);
    cells.insert(cells.end(), {names[1], names[2]});
    cells.push_back(
        fmt::format("{}/{}", layer.at("codes_used").get<std::size_t>(), layer.at("codebook_size").get<std::size_t>()));
    if (variance) cells.push_back(cell(layer, "variance_explained", 3));
    cells.push_back(cell(layer, "conditional_entropy", 2));
    if (labels) {
      cells.push_back(cell(layer, "conditional_information", 3));
      cells.push_back(cell(layer, "conditional_information_null", 3));
    }
    cells.push_back(distinct);
    return cells;
  }
};

void add_family(TextTable& table, const Columns& columns, const std::string& quantizer, const Json& family) {
  const std::string name = family.at("family");
  const Json& layers = family.at("layers");
  for (std::size_t l = 0; l < layers.size(); ++l) {
    std::string distinct;
    if (l + 1 == layers.size()) {
      distinct =
          fmt::format("{} of {}", family.at("unique_sid").get<std::size_t>(), family.at("items").get<std::size_t>());
    }
    table.add(columns.row({quantizer, name, fmt::to_string(l + 1)}, layers[l], distinct));
  }
  const Json& control = family.at("control_copy_of_layer_1");
  if (layers.size() < 2) return;
  table.add(columns.row({quantizer, name, "copy of 1"}, control.at("layers").back(),
                        fmt::format("{}", control.at("unique_sid").get<std::size_t>())));
}

}  // namespace

Json quality_json(const SemanticIds& sids, std::span<const std::uint32_t> labels, std::uint64_t seed,
                  const VarianceByFamily& variance) {
  Json json{{"format", "neume-quality"}, {"version", 1}, {"unit", "nats"}, {"seed", seed}, {"families", Json::array()}};
  for (const CodeFamily& family : sids.families) {
    Json entry = family_json(eval::judge(family, labels, seed));
    if (const auto found = variance.find(family.name); found != variance.end()) {
      for (std::size_t l = 0; l < found->second.size(); ++l)
        entry["layers"][l]["variance_explained"] = found->second[l];
    }
    entry["control_copy_of_layer_1"] = family_json(eval::judge(eval::copy_of_first_layer(family), labels, seed));
    json["families"].push_back(std::move(entry));
  }
  return json;
}

TextTable quality_table(const std::vector<std::pair<std::string, Json>>& quality_by_quantizer) {
  Columns columns;
  for (const auto& [quantizer, quality] : quality_by_quantizer) {
    columns.quantizer |= !quantizer.empty();
    for (const Json& family : quality.at("families")) {
      columns.variance |= family.at("layers").at(0).contains("variance_explained");
      columns.labels |= family.at("layers").at(0).contains("conditional_information");
    }
  }
  TextTable table(columns.header(), columns.quantizer ? 3 : 2);
  for (const auto& [quantizer, quality] : quality_by_quantizer) {
    for (const Json& family : quality.at("families")) add_family(table, columns, quantizer, family);
  }
  return table;
}

std::string quality_legend(bool has_labels) {
  std::string text =
      "H(c|prefix): nats that a layer's code adds to the codes before it; near 0 means that the layer repeats them. "
      "\"copy of 1\" is a control whose every layer is layer 1: usage cannot tell it apart, H(c|prefix) can.";
  if (has_labels) {
    text +=
        "\nI(c;label|prefix): nats that the layer adds about the label; only what exceeds the figure for shuffled "
        "labels is information.";
  }
  return text;
}

}  // namespace neume::app
