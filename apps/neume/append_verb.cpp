#include "append_verb.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/id_index.hpp"
#include "data/sids_file.hpp"
#include "drift_report.hpp"
#include "eval/sid_quality.hpp"
#include "quantize/collisions.hpp"

namespace neume::app {

namespace {

std::string_view name_of(quantize::CollisionRule rule) {
  return quantize::kCollisionRuleNames[static_cast<std::size_t>(rule)];
}

/// IDs as they are stored.
struct StoredIds {
  SemanticIds sids;
  std::vector<data::CodeOrigin> origins;  ///< empty where the file does not tell
};

/// Throws DataError unless the stored IDs of family f come from this codebook, by the rules of `now`.
void check_origin(const StoredIds& known, std::size_t f, const Quantizer& quantizer, const data::CodeOrigin& now,
                  const std::string& file) {
  const CodeFamily& stored = known.sids.families[f];
  const auto refuse = [&](const std::string& what, const auto& expected, const auto& found) {
    throw DataError(
        fmt::format("{}: family {}: its IDs were made with {} {}, found {}; new items need the same, or "
                    "encode all items anew without --append",
                    file, stored.name, what, expected, found));
  };
  const std::vector<std::size_t> sizes = quantizer.codebook_sizes();
  std::vector<std::size_t> stored_sizes = stored.codebook_sizes;
  const data::CodeOrigin& then = known.origins.empty() ? now : known.origins[f];
  if (then.resolve == "suffix") stored_sizes.pop_back();
  if (sizes != stored_sizes)
    refuse("codebooks of sizes", fmt::format("[{}]", fmt::join(stored_sizes, ", ")),
           fmt::format("[{}]", fmt::join(sizes, ", ")));
  if (then.codebook != now.codebook) refuse("the codebook of fingerprint", then.codebook, now.codebook);
  if (then.resolve != now.resolve) refuse("--resolve", then.resolve, now.resolve);
  if (then.beam != now.beam) refuse("--beam", then.beam, now.beam);
}

void check_families(const StoredIds& known, const std::vector<Codebook>& codebooks,
                    const std::vector<data::CodeOrigin>& now, const std::string& file) {
  std::vector<std::string> stored, given;
  for (const CodeFamily& family : known.sids.families) stored.push_back(family.name);
  for (const Codebook& codebook : codebooks) given.push_back(codebook.name);
  if (stored != given)
    throw DataError(fmt::format("{}: its families are {}, those of the codebooks {}; they do not belong together", file,
                                fmt::join(stored, ", "), fmt::join(given, ", ")));
  for (std::size_t f = 0; f < stored.size(); ++f) check_origin(known, f, codebooks[f].quantizer, now[f], file);
}

/// The items of the catalogue by whether the file has them.
struct Split {
  std::vector<std::uint32_t> fresh;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> present;  ///< item of the catalogue, row of the file
};

Split split_items(const ItemIds& items, const ItemIds& known, const std::string& file) {
  if (items.is_text() != known.is_text())
    throw DataError(fmt::format("{}: its item ids are {}, those of the sources {}; give ids of one kind", file,
                                known.is_text() ? "text" : "integers", items.is_text() ? "text" : "integers"));
  const data::IdIndex index(known);
  Split split;
  for (std::uint32_t item = 0; item < items.size(); ++item) {
    const auto row = index.find(items, item);
    if (row) {
      split.present.emplace_back(item, *row);
    } else {
      split.fresh.push_back(item);
    }
  }
  return split;
}

ItemIds with_items(const ItemIds& known, const ItemIds& items, const std::vector<std::uint32_t>& fresh) {
  const auto extended = [&](auto ids, const auto& more) {
    for (const std::uint32_t item : fresh) ids.push_back(more[item]);
    return ItemIds(std::move(ids));
  };
  return known.is_text() ? extended(known.texts(), items.texts()) : extended(known.integers(), items.integers());
}

/// `family` (of the catalogue) without the items that are not new.
CodeFamily of_fresh_items(const CodeFamily& family, const std::vector<std::uint32_t>& fresh) {
  CodeFamily result{family.name, family.codebook_sizes, std::vector<Code>(family.codes.size(), kNoCode)};
  const std::size_t layers = family.num_layers();
  for (const std::uint32_t item : fresh)
    std::copy_n(family.codes.data() + item * layers, layers, result.codes.data() + item * layers);
  return result;
}

/// Codes of the fresh items behind the known ones.
CodeFamily joined(CodeFamily known, const CodeFamily& family, const std::vector<std::uint32_t>& fresh) {
  for (const std::uint32_t item : fresh)
    known.codes.insert(known.codes.end(), family.of(item).begin(), family.of(item).end());
  return known;
}

/// The family without its last code.
CodeFamily without_suffix(const CodeFamily& family) {
  CodeFamily shorter{family.name, family.codebook_sizes, {}};
  shorter.codebook_sizes.pop_back();
  for (std::size_t item = 0; item < family.num_items(); ++item)
    shorter.codes.insert(shorter.codes.end(), family.of(item).begin(), family.of(item).end() - 1);
  return shorter;
}

/// A suffix counts the items that share an ID in the order of the rows, so new items behind the old ones count on.
CodeFamily with_more_suffixes(const CodeFamily& known, const CodeFamily& plain, const std::vector<std::uint32_t>& fresh,
                              const std::string& file) {
  CodeFamily all = quantize::with_suffix(joined(without_suffix(known), plain, fresh));
  if (!std::equal(known.codes.begin(), known.codes.end(), all.codes.begin()))
    throw DataError(
        fmt::format("{}: family {}: its suffixes do not count the items of an ID in the order of the rows; "
                    "encode all items anew without --append",
                    file, known.name));
  return all;
}

/// What new IDs are made from.
struct FreshItems {
  const data::Catalogue& catalogue;
  const std::vector<Codebook>& codebooks;
  const std::vector<std::uint32_t>& items;
  const EncodeSettings& settings;
};

/// The known IDs, and behind them those of the fresh items, which `plain` (of the whole catalogue) has before
/// collisions are resolved.
SemanticIds with_fresh_items(const SemanticIds& known, const SemanticIds& plain, const FreshItems& fresh) {
  SemanticIds all{with_items(known.items, fresh.catalogue.items, fresh.items), {}};
  for (std::size_t f = 0; f < known.families.size(); ++f) {
    const CodeFamily& stored = known.families[f];
    CodeFamily codes = of_fresh_items(plain.families[f], fresh.items);
    if (fresh.settings.ids.resolve == quantize::CollisionRule::reassign)
      codes = quantize::reassign(fresh.catalogue, fresh.codebooks[f].quantizer, codes, stored).family;
    all.families.push_back(fresh.settings.ids.resolve == quantize::CollisionRule::suffix
                               ? with_more_suffixes(stored, codes, fresh.items, fresh.settings.out)
                               : joined(stored, codes, fresh.items));
  }
  return all;
}

/// Items in both whose plain codes are others than the stored ones.
std::size_t count_changed(const CodeFamily& plain, const CodeFamily& known, const Split& split) {
  return static_cast<std::size_t>(std::ranges::count_if(split.present, [&](const auto& pair) {
    return !std::ranges::equal(plain.of(pair.first), known.of(pair.second).first(plain.num_layers()));
  }));
}

/// What happened to the items that were there already, in a line a family; reassigned IDs tell nothing of their rows.
std::string present_text(const SemanticIds& plain, const SemanticIds& known, const Split& split,
                         quantize::CollisionRule rule) {
  std::string text;
  if (rule == quantize::CollisionRule::reassign || split.present.empty()) return text;
  for (std::size_t f = 0; f < plain.families.size(); ++f) {
    const std::size_t changed = count_changed(plain.families[f], known.families[f], split);
    if (changed == 0) continue;
    text += fmt::format(
        "{}: {} of {} items that were there would get another ID now and keep theirs: their embeddings "
        "have changed",
        plain.families[f].name, changed, split.present.size());
    if (2 * changed > split.present.size())
      text += "; are these the same items? Rows of an NPY file are items 0, 1, 2, ...: give old rows first, then new";
    text += "\n";
  }
  return text;
}

TextTable table_of(const SemanticIds& sids, std::size_t num_known) {
  TextTable table({"family", "codes", "items with an ID", "of them new", "without", "distinct IDs", "collision_rate"});
  for (const CodeFamily& family : sids.families) {
    const eval::SidQuality quality = eval::judge(family);
    std::size_t fresh = 0;
    for (std::size_t item = num_known; item < family.num_items(); ++item) fresh += family.has(item) ? 1 : 0;
    table.add({family.name, fmt::to_string(family.num_layers()), fmt::to_string(quality.items), fmt::to_string(fresh),
               fmt::to_string(quality.items_without_code), fmt::to_string(quality.unique_sid),
               fmt::format("{:.3f}", quality.collision_rate)});
  }
  return table;
}

}  // namespace

std::vector<data::CodeOrigin> origins_of(const std::string& codebooks, const IdSettings& ids) {
  std::vector<data::CodeOrigin> origins;
  for (const std::string& fingerprint : codebook_fingerprints(codebooks))
    origins.push_back({fingerprint, ids.encode.beam, std::string(name_of(ids.resolve)), {}});
  return origins;
}

int append_new_items(const EncodeSettings& settings, Console& console) {
  if (!std::filesystem::exists(settings.out))
    throw DataError(fmt::format("{}: no such file to append to; leave out --append to make it", settings.out));
  check_writable(settings.out);
  for (const std::string& file : {settings.json, settings.drift})
    if (!file.empty()) check_writable(file);
  const std::vector<Codebook> codebooks = load_codebooks(settings.codebooks);
  std::vector<data::CodeOrigin> origins = origins_of(settings.codebooks, settings.ids);
  const StoredIds stored{data::read_semantic_ids(settings.out), data::read_origins(settings.out)};
  const SemanticIds& known = stored.sids;
  check_families(stored, codebooks, origins, settings.out);
  if (!stored.origins.empty()) origins = stored.origins;
  const data::Catalogue catalogue = settings.catalogue.open();
  const Split split = split_items(catalogue.items, known.items, settings.out);
  const SemanticIds plain = encode_catalogue(catalogue, codebooks, settings.ids.encode);
  const DriftReport drift = measure_drift(catalogue, codebooks, split.fresh);
  if (!settings.drift.empty()) write_json(settings.drift, drift_json(drift));
  if (!split.fresh.empty()) {
    for (data::CodeOrigin& origin : origins) origin.added_from.push_back(known.items.size());
    const SemanticIds all = with_fresh_items(known, plain, {catalogue, codebooks, split.fresh, settings});
    if (!settings.json.empty()) data::write_semantic_ids_json(settings.json, all);
    data::write_semantic_ids(settings.out, all, origins);
    console.print(table_of(all, known.items.size()).plain());
    console.print(drift_text(drift));
  }
  console.print(fmt::format("{}{}: {} items added, {} kept as they were",
                            present_text(plain, known, split, settings.ids.resolve), settings.out, split.fresh.size(),
                            known.items.size()));
  return 0;
}

}  // namespace neume::app
