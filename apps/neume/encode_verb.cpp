// neume encode.

#include <fmt/format.h>

#include <cmath>

#include <neume/error.hpp>

#include "append_verb.hpp"
#include "base/file.hpp"
#include "data/sids_file.hpp"
#include "eval/sid_quality.hpp"
#include "quantize/collisions.hpp"
#include "quantize/encoder.hpp"
#include "settings.hpp"

namespace neume::app {

namespace {

/// Makes the IDs of every family unique where `rule` says so, and tells what it did and what it cost.
std::string resolve(const data::Catalogue& catalogue, const std::vector<Codebook>& codebooks,
                    quantize::CollisionRule rule, SemanticIds& sids) {
  std::string text;
  for (std::size_t f = 0; f < sids.families.size() && rule != quantize::CollisionRule::none; ++f) {
    CodeFamily& family = sids.families[f];
    const eval::SidQuality before = eval::judge(family);
    text += fmt::format("{}{}: {} of {} items shared an ID; ", f == 0 ? "" : "\n", family.name,
                        std::lround(before.shared_id_rate * static_cast<double>(before.items)), before.items);
    if (rule == quantize::CollisionRule::suffix) {
      family = quantize::with_suffix(family);
      text += fmt::format("a code from 0 to {} was added, which stands for nothing", family.codebook_sizes.back() - 1);
      continue;
    }
    const Quantizer& quantizer = codebooks[f].quantizer;
    const double error = quantize::reconstruct_family(catalogue, quantizer, family).mse.back();
    quantize::Reassignment moved = quantize::reassign(catalogue, quantizer, family);
    family = std::move(moved.family);
    text += fmt::format("{} moved, {} of them in the last code only; mean squared error {:.6g} before, {:.6g} after",
                        moved.moved, moved.moved_in_layer, error,
                        quantize::reconstruct_family(catalogue, quantizer, family).mse.back());
  }
  return text;
}

}  // namespace

int run(const EncodeSettings& settings, Console& console) {
  require_flag(settings.codebooks, "--codebooks");
  require_flag(settings.out, "--out");
  if (settings.append) return append_new_items(settings, console);
  if (!settings.drift.empty()) throw InvalidArgument("--drift: only with --append; neume drift compares any items");
  check_writable(settings.out);
  if (!settings.json.empty()) check_writable(settings.json);
  const std::vector<Codebook> codebooks = load_codebooks(settings.codebooks);
  const data::Catalogue catalogue = settings.catalogue.open();
  SemanticIds sids = encode_catalogue(catalogue, codebooks, settings.ids.encode);
  const std::string resolved = resolve(catalogue, codebooks, settings.ids.resolve, sids);
  if (!settings.json.empty()) data::write_semantic_ids_json(settings.json, sids);
  data::write_semantic_ids(settings.out, sids, origins_of(settings.codebooks, settings.ids));
  TextTable table({"family", "codes", "items with an ID", "without", "distinct IDs", "collision_rate", "shared_id_rate",
                   "largest group"});
  for (const CodeFamily& family : sids.families) {
    const eval::SidQuality quality = eval::judge(family);
    table.add({family.name, fmt::to_string(family.num_layers()), fmt::to_string(quality.items),
               fmt::to_string(quality.items_without_code), fmt::to_string(quality.unique_sid),
               fmt::format("{:.3f}", quality.collision_rate), fmt::format("{:.3f}", quality.shared_id_rate),
               fmt::to_string(quality.max_collision)});
  }
  console.print(table.plain());
  if (!resolved.empty()) console.print(resolved);
  console.print(fmt::format("{}: semantic IDs of {} items", settings.out, sids.items.size()));
  return 0;
}

}  // namespace neume::app
