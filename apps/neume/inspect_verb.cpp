// The verb inspect: semantic IDs judged, as tables, JSON and a page.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "code_reading.hpp"
#include "data/sids_file.hpp"
#include "item_info.hpp"
#include "quality.hpp"
#include "report.hpp"
#include "settings.hpp"
#include "sids_order.hpp"

namespace neume::app {

namespace {

/// `NAME=PATH`, or a path alone, whose name is then empty.
struct NamedPath {
  std::string name;
  std::string path;

  static NamedPath parse(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || std::filesystem::exists(text)) return {{}, text};
    return {text.substr(0, equals), text.substr(equals + 1)};
  }
};

std::vector<NamedPath> parse_all(const std::vector<std::string>& texts) {
  std::vector<NamedPath> paths;
  paths.reserve(texts.size());
  for (const std::string& text : texts) paths.push_back(NamedPath::parse(text));
  return paths;
}

/// Throws InvalidArgument unless the names tell the sets apart, and codebooks come for all sets or for none.
void check(const std::vector<NamedPath>& sids, const std::vector<NamedPath>& codebooks,
           const InspectSettings& settings) {
  if (sids.empty()) throw InvalidArgument("--sids is required; --help shows how");
  for (std::size_t i = 0; i < sids.size(); ++i) {
    if (sids.size() > 1 && sids[i].name.empty())
      throw InvalidArgument(fmt::format("--sids {}: with several sets, each needs a name: NAME=FILE", sids[i].path));
    for (std::size_t j = 0; j < i; ++j)
      if (sids[i].name == sids[j].name)
        throw InvalidArgument(fmt::format("--sids: the name {} occurs twice", sids[i].name));
  }
  if (codebooks.empty() != settings.catalogue.modalities.empty())
    throw InvalidArgument("--codebooks and --modality belong together: both are needed to look at the embeddings");
  if (codebooks.empty()) return;
  for (const NamedPath& set : sids)
    if (std::ranges::count(codebooks, set.name, &NamedPath::name) != 1)
      throw InvalidArgument(set.name.empty() ? "--codebooks: expected one folder, as there is one --sids"
                                             : fmt::format("--codebooks: expected {}=FOLDER once", set.name));
  if (codebooks.size() != sids.size())
    throw InvalidArgument(fmt::format("--codebooks: expected {} folders, found {}", sids.size(), codebooks.size()));
}

std::vector<JudgedQuantizer> read_sets(const std::vector<NamedPath>& sids, const std::vector<NamedPath>& codebooks,
                                       const data::Catalogue* catalogue, const RowOptions& options) {
  std::vector<JudgedQuantizer> sets;
  for (const NamedPath& set : sids) {
    JudgedQuantizer judged{set.name, data::read_semantic_ids(set.path), {}, {}, {}};
    if (catalogue != nullptr || !sets.empty()) {
      const ItemIds& order = catalogue != nullptr ? catalogue->items : sets[0].sids.items;
      judged.sids = in_order_of(order, std::move(judged.sids), set.path);
    }
    if (catalogue != nullptr) {
      const auto folder = std::ranges::find(codebooks, set.name, &NamedPath::name);
      judged.codebooks = load_codebooks(folder->path);
      try {
        judged.rows = read_family_rows(*catalogue, judged.codebooks, judged.sids, options);
      } catch (const DataError& error) {
        throw DataError(fmt::format("{} with {}: {}", set.path, folder->path, error.what()));
      }
    }
    sets.push_back(std::move(judged));
  }
  return sets;
}

void print_readings(const std::vector<JudgedQuantizer>& sets, const ItemInfo& info, std::size_t top, Console& console) {
  for (const JudgedQuantizer& set : sets) {
    for (const CodeFamily& family : set.sids.families) {
      const auto rows = set.rows.find(family.name);
      const Json reading = reading_json(family, info, rows == set.rows.end() ? nullptr : &rows->second);
      console.print(fmt::format("\nWhat the codes of layer 1 mean: {}{}, the {} largest",
                                set.name.empty() ? "" : set.name + " ", family.name,
                                std::min(top, reading.at("layer_codes").at(0).size())));
      console.print(reading_table(reading, top).plain());
    }
  }
  console.print(
      "name: tags that the code's items have significantly more often than the others (weighted log-odds, z >= 1.96).");
}

/// One set's judgement as it is, several under "sets".
Json output_json(const std::vector<JudgedQuantizer>& sets, const std::vector<NamedPath>& paths) {
  Json all{{"format", "neume-quality-sets"}, {"version", 2}, {"sets", Json::object()}};
  for (std::size_t i = 0; i < sets.size(); ++i) {
    Json quality = sets[i].quality;
    quality["sids"] = base::fingerprint_of_file(paths[i].path);
    if (sets.size() == 1) return quality;
    all["sets"][sets[i].name] = std::move(quality);
  }
  return all;
}

Json churn_against(const std::string& file, const SemanticIds& after) {
  const SemanticIds before = in_order_of(after.items, data::read_semantic_ids(file), file);
  try {
    return churn_json(before, after);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("--against {}: {}", file, error.what()));
  }
}

}  // namespace

int run(const InspectSettings& settings, Console& console) {
  const std::vector<NamedPath> paths = parse_all(settings.sids), codebooks = parse_all(settings.codebooks);
  check(paths, codebooks, settings);
  for (const std::string& out : {settings.out, settings.report})
    if (!out.empty()) check_writable(out);
  std::optional<data::Catalogue> catalogue;
  if (!codebooks.empty()) catalogue = settings.catalogue.open();
  std::vector<JudgedQuantizer> sets = read_sets(paths, codebooks, catalogue ? &*catalogue : nullptr, settings.rows);
  const ItemInfo info = read_item_info(
      sets[0].sids.items, {settings.labels, settings.tags, settings.names, settings.catalogue.options.item_column});
  NamedQuality quality;
  Json churn;
  if (!settings.against.empty()) churn = churn_against(settings.against, sets[0].sids);
  for (JudgedQuantizer& set : sets) {
    set.quality = quality_json(set.sids, info.labels.of_item, settings.rows.seed, set.rows);
    quality.emplace_back(set.name, set.quality);
  }
  Json output = output_json(sets, paths);
  for (const QualitySection& section : quality_sections(quality))
    console.print(fmt::format("{}\n{}\n{}\n", section.title, section.table.plain(), section.legend));
  if (!churn.is_null()) {
    output["churn"] = churn;
    console.print(fmt::format("Churn against {}\n{}\nafter matching: codes renamed one to one for the most agreement.",
                              settings.against, churn_table(churn).plain()));
  }
  if (settings.top > 0 && info.has_tags()) print_readings(sets, info, settings.top, console);
  if (!settings.out.empty()) write_json(settings.out, output);
  if (settings.report.empty()) return 0;
  for (JudgedQuantizer& set : sets)
    if (set.name.empty()) set.name = "IDs";
  const std::string title =
      settings.title.empty() ? std::filesystem::path(paths[0].path).filename().string() : settings.title;
  write_report(settings.report, report_json(sets, info, {title, settings.points, settings.rows.seed}, console));
  console.print(fmt::format("{}: open it in a browser; it needs no network", settings.report));
  return 0;
}

}  // namespace neume::app
