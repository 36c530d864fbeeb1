#include "quality.hpp"

#include <fmt/format.h>

#include <initializer_list>

#include <neume/error.hpp>

#include "eval/churn.hpp"
#include "eval/cohesion.hpp"
#include "eval/sid_quality.hpp"

namespace neume::app {

namespace {

Json agreement_json(const eval::LabelAgreement& agreement) {
  return {{"nmi", agreement.nmi}, {"ami", agreement.ami}, {"purity", agreement.purity}};
}

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
  if (layer.code_agreement) json["code_agreement"] = agreement_json(*layer.code_agreement);
  if (layer.code_agreement_null) json["code_agreement_null"] = agreement_json(*layer.code_agreement_null);
  if (layer.prefix_agreement) json["prefix_agreement"] = agreement_json(*layer.prefix_agreement);
  if (layer.prefix_agreement_null) json["prefix_agreement_null"] = agreement_json(*layer.prefix_agreement_null);
  return json;
}

Json family_json(const eval::SidQuality& quality) {
  Json json{{"family", quality.family},
            {"items", quality.items},
            {"items_without_code", quality.items_without_code},
            {"labelled_items", quality.labelled_items},
            {"unique_sid", quality.unique_sid},
            {"no_collision_rate", quality.no_collision_rate},
            {"collision_rate", quality.collision_rate},
            {"uniquely_identified_item_rate", quality.uniquely_identified_item_rate},
            {"shared_id_rate", quality.shared_id_rate},
            {"mean_group", quality.mean_group},
            {"max_collision", quality.max_collision},
            {"entropy", quality.entropy},
            {"entropy_ratio", quality.entropy_ratio},
            {"layers", Json::array()}};
  for (const eval::LayerQuality& layer : quality.layers) json["layers"].push_back(layer_json(layer));
  return json;
}

/// Adds what neighbours and cosines tell of a family.
void add_rows(Json& json, const CodeFamily& family, const FamilyRows& rows, std::uint64_t seed) {
  const eval::NeighbourRetention retention = eval::neighbour_retention(family, rows.neighbours, rows.items);
  const std::vector<eval::CohesionAtDepth> cohesion = eval::cohesion(family, rows.items, rows.rows.view(), seed);
  json["sampled_items"] = rows.items.size();
  json["queries"] = retention.queries;
  json["neighbours"] = retention.count;
  for (std::size_t l = 0; l < family.num_layers(); ++l) {
    Json& layer = json["layers"][l];
    if (retention.count > 0) {
      layer["neighbours_same_code"] = retention.same_code[l];
      layer["neighbours_same_code_by_chance"] = retention.same_code_by_chance[l];
      layer["neighbours_same_prefix"] = retention.same_prefix[l];
      layer["neighbours_same_prefix_by_chance"] = retention.same_prefix_by_chance[l];
    }
    layer["cohesion"] = {{"within", cohesion[l].within},
                         {"permuted", cohesion[l].permuted},
                         {"all_pairs", cohesion[l].all_pairs},
                         {"grouped_items", cohesion[l].grouped_items}};
  }
}

void add_reconstruction(Json& layers, const Reconstruction& reconstruction) {
  for (std::size_t l = 0; l < reconstruction.mse.size(); ++l) {
    layers[l]["variance_explained"] = reconstruction.variance_explained[l];
    layers[l]["mse"] = reconstruction.mse[l];
    layers[l]["mean_cosine"] = reconstruction.mean_cosine[l];
  }
}

/// The value at a path of keys, or nothing.
const Json* at(const Json& json, const std::vector<const char*>& path) {
  const Json* place = &json;
  for (const char* key : path) {
    const auto found = place->find(key);
    if (found == place->end()) return nullptr;
    place = &*found;
  }
  return place;
}

/// A column of a table: its head, and its cell for a layer (or a family).
struct Column {
  std::string head;
  std::vector<const char*> path;
  int decimals = 3;  ///< -1: a whole number
};

std::string cell(const Json& json, const Column& column) {
  const Json* value = at(json, column.path);
  if (value == nullptr) return "-";
  if (column.decimals < 0) return fmt::to_string(value->get<std::size_t>());
  return fmt::format("{:.{}f}", value->get<double>(), column.decimals);
}

/// Which of the columns have a figure somewhere in the families (or in their layers).
std::vector<Column> filled(const std::vector<Column>& columns, const NamedQuality& quality, bool of_layers) {
  std::vector<Column> result;
  for (const Column& column : columns) {
    bool found = false;
    for (const auto& [name, json] : quality)
      for (const Json& family : json.at("families"))
        found |= at(of_layers ? family.at("layers").at(0) : family, column.path) != nullptr;
    if (found) result.push_back(column);
  }
  return result;
}

std::vector<std::string> row_head(const NamedQuality& quality, const std::string& quantizer,
                                  std::initializer_list<std::string> rest) {
  std::vector<std::string> head;
  const bool has_names = quality.size() > 1 || !quality.front().first.empty();
  if (has_names) head.push_back(quantizer);
  head.insert(head.end(), rest.begin(), rest.end());
  return head;
}

enum class IdColumn { absent, last_layer };

/// Rows of a table: every layer of every family, and the last layer of its copy control.
TextTable layer_table(const NamedQuality& quality, const std::vector<Column>& columns,
                      IdColumn ids = IdColumn::absent) {
  std::vector<std::string> header = row_head(quality, "quantizer", {"family", "layer"});
  const std::size_t labels = header.size();
  for (const Column& column : columns) header.push_back(column.head);
  if (ids == IdColumn::last_layer) header.emplace_back("distinct IDs");
  TextTable table(std::move(header), labels);
  // `whole` is the family (or control) whose last layer this is.
  const auto add = [&](std::vector<std::string> cells, const Json& layer, const Json* whole) {
    for (const Column& column : columns) cells.push_back(cell(layer, column));
    if (ids == IdColumn::last_layer) cells.push_back(whole == nullptr ? "" : cell(*whole, {"", {"unique_sid"}, -1}));
    table.add(std::move(cells));
  };
  for (const auto& [quantizer, json] : quality) {
    for (const Json& family : json.at("families")) {
      const std::string name = family.at("family");
      const Json& layers = family.at("layers");
      for (std::size_t l = 0; l < layers.size(); ++l)
        add(row_head(quality, quantizer, {name, fmt::to_string(l + 1)}), layers[l],
            l + 1 == layers.size() ? &family : nullptr);
      if (layers.size() < 2) continue;
      const Json& control = family.at("control_copy_of_layer_1");
      add(row_head(quality, quantizer, {name, "copy of 1"}), control.at("layers").back(), &control);
    }
  }
  return table;
}

TextTable family_table(const NamedQuality& quality, const std::vector<Column>& columns) {
  std::vector<std::string> header = row_head(quality, "quantizer", {"family"});
  const std::size_t labels = header.size();
  for (const Column& column : columns) header.push_back(column.head);
  TextTable table(std::move(header), labels);
  for (const auto& [quantizer, json] : quality) {
    for (const Json& family : json.at("families")) {
      std::vector<std::string> cells = row_head(quality, quantizer, {family.at("family")});
      for (const Column& column : columns) cells.push_back(cell(family, column));
      table.add(std::move(cells));
    }
  }
  return table;
}

constexpr const char* kUseLegend =
    "coverage: share of the codes in use; perplexity: how many equally used codes have this entropy; gini: 0 where all "
    "are used alike. H(c|prefix): nats that the code adds to the codes before it; near 0, the layer repeats them. "
    "\"copy "
    "of 1\": a control whose every layer is layer 1; usage cannot tell it apart, H(c|prefix) can.";
constexpr const char* kIdLegend =
    "collision_rate = 1 - distinct IDs / items; shared_id_rate = items that share their ID / items: two definitions of "
    "a "
    "collision. Mean and largest group: items per distinct ID.";
constexpr const char* kReconstructionLegend =
    "Of all layers up to this one. variance explained: 1 - squared error / variance; mse: mean squared error of a row "
    "in "
    "the quantizer's scale; cosine: mean cosine of a centred row and its approximation.";
constexpr const char* kLabelLegend =
    "Agreement of groups with labels, of the layer's code alone and of the prefix up to it; (0): the same with "
    "shuffled "
    "labels. AMI is corrected for chance, NMI and purity grow with the number of groups. I(c;label|prefix): nats that "
    "the layer adds about the label; its (0) shuffles labels among the items of each prefix, and only what exceeds it "
    "is "
    "information.";
constexpr const char* kNeighbourLegend =
    "Share of an item's nearest neighbours in the embedding space that have its code, or its prefix; (chance): of "
    "random "
    "items. cohesion: mean cosine to the other items of the prefix; (permuted): with items shuffled over the groups.";

/// A table of the judgement before its figures are there.
struct SectionPlan {
  const char* title;
  const char* legend;
  bool of_layers;
  std::vector<Column> columns;
};

const std::vector<SectionPlan> kSections{
    {"Semantic IDs",
     kIdLegend,
     false,
     {{"items", {"items"}, -1},
      {"without", {"items_without_code"}, -1},
      {"distinct IDs", {"unique_sid"}, -1},
      {"collision_rate", {"collision_rate"}},
      {"shared_id_rate", {"shared_id_rate"}},
      {"mean group", {"mean_group"}, 2},
      {"largest", {"max_collision"}, -1},
      {"entropy", {"entropy"}, 2},
      {"of possible", {"entropy_ratio"}}}},
    {"Use of codes",
     kUseLegend,
     true,
     {{"codes", {"codebook_size"}, -1},
      {"used", {"codes_used"}, -1},
      {"coverage", {"coverage"}},
      {"entropy", {"entropy"}, 2},
      {"perplexity", {"perplexity"}, 1},
      {"gini", {"gini"}},
      {"H(c|prefix)", {"conditional_entropy"}}}},
    {"Reconstruction",
     kReconstructionLegend,
     true,
     {{"variance explained", {"variance_explained"}}, {"mse", {"mse"}, 4}, {"cosine", {"mean_cosine"}}}},
    {"Labels",
     kLabelLegend,
     true,
     {{"code NMI", {"code_agreement", "nmi"}},
      {"(0)", {"code_agreement_null", "nmi"}},
      {"AMI", {"code_agreement", "ami"}},
      {"(0)", {"code_agreement_null", "ami"}},
      {"purity", {"code_agreement", "purity"}},
      {"(0)", {"code_agreement_null", "purity"}},
      {"prefix NMI", {"prefix_agreement", "nmi"}},
      {"(0)", {"prefix_agreement_null", "nmi"}},
      {"AMI", {"prefix_agreement", "ami"}},
      {"(0)", {"prefix_agreement_null", "ami"}},
      {"purity", {"prefix_agreement", "purity"}},
      {"(0)", {"prefix_agreement_null", "purity"}},
      {"I(c;label|prefix)", {"conditional_information"}},
      {"(0)", {"conditional_information_null"}}}},
    {"Neighbours",
     kNeighbourLegend,
     true,
     {{"same code", {"neighbours_same_code"}},
      {"(chance)", {"neighbours_same_code_by_chance"}},
      {"same prefix", {"neighbours_same_prefix"}},
      {"(chance)", {"neighbours_same_prefix_by_chance"}},
      {"cohesion", {"cohesion", "within"}},
      {"(permuted)", {"cohesion", "permuted"}}}}};

}  // namespace

Json quality_json(const SemanticIds& sids, std::span<const std::uint32_t> labels, std::uint64_t seed,
                  const RowsByFamily& rows) {
  Json json{{"format", "neume-quality"}, {"version", 2}, {"unit", "nats"}, {"seed", seed}, {"families", Json::array()}};
  for (const CodeFamily& family : sids.families) {
    const CodeFamily copy = eval::copy_of_first_layer(family);
    Json entry = family_json(eval::judge(family, labels, seed));
    Json control = family_json(eval::judge(copy, labels, seed));
    if (const auto found = rows.find(family.name); found != rows.end()) {
      add_reconstruction(entry["layers"], found->second.reconstruction);
      add_rows(entry, family, found->second, seed);
      add_rows(control, copy, found->second, seed);
    }
    entry["control_copy_of_layer_1"] = std::move(control);
    json["families"].push_back(std::move(entry));
  }
  return json;
}

TextTable quality_table(const NamedQuality& quality) {
  return layer_table(quality,
                     filled({{"codes used", {"codes_used"}, -1},
                             {"of", {"codebook_size"}, -1},
                             {"variance expl.", {"variance_explained"}},
                             {"H(c|prefix)", {"conditional_entropy"}, 2},
                             {"I(c;label|prefix)", {"conditional_information"}},
                             {"if shuffled", {"conditional_information_null"}},
                             {"neighbours' prefix", {"neighbours_same_prefix"}}},
                            quality, true),
                     IdColumn::last_layer);
}

std::string quality_legend(bool has_labels) {
  std::string text =
      "H(c|prefix): nats that a layer's code adds to the codes before it; near 0 means that the layer repeats them. "
      "\"copy of 1\" is a control whose every layer is layer 1: usage cannot tell it apart, H(c|prefix) can.";
  if (has_labels) {
    text +=
        "\nI(c;label|prefix): nats that the layer adds about the label; only what exceeds the figure for labels "
        "shuffled within the prefixes is information.";
  }
  text +=
      "\nneighbours' prefix: share of an item's nearest neighbours in the embedding space that have its codes so far.";
  return text;
}

std::vector<QualitySection> quality_sections(const NamedQuality& quality) {
  std::vector<QualitySection> sections;
  for (const SectionPlan& plan : kSections) {
    const std::vector<Column> columns = filled(plan.columns, quality, plan.of_layers);
    if (columns.empty()) continue;
    sections.push_back(
        {plan.title, plan.legend, plan.of_layers ? layer_table(quality, columns) : family_table(quality, columns)});
  }
  return sections;
}

Json churn_json(const SemanticIds& before, const SemanticIds& after) {
  Json json = Json::array();
  for (const CodeFamily& family : after.families) {
    const CodeFamily* old = before.find(family.name);
    if (old == nullptr) continue;
    const eval::Churn churn = eval::churn(*old, family);
    Json entry{{"family", family.name},
               {"items", churn.items},
               {"only_before", churn.only_in_before},
               {"only_after", churn.only_in_after},
               {"layers", Json::array()}};
    for (const eval::LayerChurn& layer : churn.layers)
      entry["layers"].push_back({{"changed", layer.changed},
                                 {"changed_after_matching", layer.changed_after_matching},
                                 {"prefix_changed", layer.prefix_changed},
                                 {"prefix_changed_after_matching", layer.prefix_changed_after_matching},
                                 {"is_optimal", layer.is_optimal}});
    json.push_back(std::move(entry));
  }
  if (json.empty()) throw InvalidArgument("the two sets of IDs have no family in common");
  return json;
}

TextTable churn_table(const Json& churn) {
  TextTable table({"family", "layer", "items", "code changed", "after matching", "prefix changed", "after matching"},
                  2);
  for (const Json& family : churn) {
    const Json& layers = family.at("layers");
    for (std::size_t l = 0; l < layers.size(); ++l)
      table.add({family.at("family"), fmt::to_string(l + 1), fmt::to_string(family.at("items").get<std::size_t>()),
                 cell(layers[l], {"", {"changed"}}), cell(layers[l], {"", {"changed_after_matching"}}),
                 cell(layers[l], {"", {"prefix_changed"}}), cell(layers[l], {"", {"prefix_changed_after_matching"}})});
  }
  return table;
}

}  // namespace neume::app
