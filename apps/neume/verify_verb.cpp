// neume verify.

#include <fmt/format.h>

#include <algorithm>

#include <neume/error.hpp>

#include "data/id_index.hpp"
#include "data/sids_file.hpp"
#include "data/sids_origin.hpp"
#include "quantize/collisions.hpp"
#include "quantize/encoder.hpp"
#include "settings.hpp"
#include "sids_order.hpp"

namespace neume::app {

namespace {

const Quantizer& find_codebook(const std::vector<Codebook>& codebooks, const std::string& family,
                               const std::string& folder) {
  const auto found = std::ranges::find(codebooks, family, &Codebook::name);
  if (found == codebooks.end()) {
    throw DataError(fmt::format("{}: no codebook of family {}, which the semantic IDs have", folder, family));
  }
  return found->quantizer;
}

std::string id_text(std::span<const Code> codes) {
  return codes[0] == kNoCode ? "none" : fmt::format("({})", fmt::join(codes, ", "));
}

/// What a failed verification says of one family.
std::string mismatch_text(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& stored,
                          const quantize::VerifyReport& report, const EncodeOptions& options) {
  const std::size_t item = *report.first_mismatch;
  const CodeFamily fresh = quantize::encode_family(catalogue, quantizer, stored.name, options);
  std::string text =
      fmt::format("family {}: {} of {} recomputed codes differ; first at item {}: stored {}, recomputed {}",
                  stored.name, report.mismatches, report.num_comparisons, catalogue.items.name(item),
                  id_text(stored.of(item)), id_text(fresh.of(item)));
  if (report.within_rounding == report.mismatches)
    text += "; all of them are ties within rounding (another instruction set?)";
  return text;
}

/// Throws DataError unless the stored IDs have as many codes as the codebook's with this rule.
void check_num_codes(const CodeFamily& stored, const Quantizer& quantizer, quantize::CollisionRule rule,
                     const std::string& file) {
  const std::size_t suffix = rule == quantize::CollisionRule::suffix ? 1 : 0;
  if (stored.num_layers() == quantizer.num_layers() + suffix) return;
  throw DataError(
      fmt::format("{}: family {}: the stored IDs have {} codes, the codebook {} layers, and --resolve is {}; expected "
                  "the flags that the IDs were made with",
                  file, stored.name, stored.num_layers(), quantizer.num_layers(),
                  quantize::kCollisionRuleNames[static_cast<std::size_t>(rule)]));
}

/// A family verified.
struct FamilyVerdict {
  quantize::VerifyReport report;  ///< of the codes before collisions were resolved
  std::size_t mismatches = 0;     ///< of the report, or else items whose ID is not the one that the rule gives
  std::string failure;            ///< empty where every ID follows
};

/// For every item of the catalogue, with which run it came into the file: 0 for the first, then one for each append.
using BatchOfItem = std::vector<std::size_t>;

BatchOfItem batches_of(const ItemIds& items, const ItemIds& stored, const std::vector<std::size_t>& added_from) {
  const data::IdIndex index(stored);
  BatchOfItem batches;
  for (std::size_t item = 0; item < items.size(); ++item) {
    const auto row = index.find(items, item);
    const auto later = std::ranges::upper_bound(added_from, std::size_t{row.value_or(0)});
    batches.push_back(static_cast<std::size_t>(later - added_from.begin()));
  }
  return batches;
}

/// Reassigned IDs, run by run: those of earlier runs are taken.
CodeFamily reassign_in_batches(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& plain,
                               const BatchOfItem& batches) {
  const std::size_t layers = plain.num_layers();
  CodeFamily all{plain.name, plain.codebook_sizes, std::vector<Code>(plain.codes.size(), kNoCode)};
  const auto copy_batch = [&](const CodeFamily& from, std::size_t batch, CodeFamily& to) {
    for (std::size_t item = 0; item < batches.size(); ++item)
      if (batches[item] == batch)
        std::copy_n(from.codes.data() + item * layers, layers, to.codes.data() + item * layers);
  };
  const std::size_t last = batches.empty() ? 0 : std::ranges::max(batches);
  for (std::size_t batch = 0; batch <= last; ++batch) {
    CodeFamily part{plain.name, plain.codebook_sizes, std::vector<Code>(plain.codes.size(), kNoCode)};
    copy_batch(plain, batch, part);
    copy_batch(quantize::reassign(catalogue, quantizer, part, all).family, batch, all);
  }
  return all;
}

/// Recomputes plain IDs in many ways. Resolved ones depend on the whole catalogue: they are made once more from plain
/// codes, which are recomputed in many ways.
FamilyVerdict verify(const data::Catalogue& catalogue, const Quantizer& quantizer, const IdSettings& ids,
                     const CodeFamily& stored, const BatchOfItem& batches) {
  quantize::VerifyOptions options;
  options.encode = ids.encode;
  FamilyVerdict verdict;
  const bool is_plain = ids.resolve == quantize::CollisionRule::none;
  const CodeFamily fresh =
      is_plain ? CodeFamily{} : quantize::encode_family(catalogue, quantizer, stored.name, ids.encode);
  const CodeFamily& plain = is_plain ? stored : fresh;
  verdict.report = quantize::verify_family(catalogue, quantizer, plain, options);
  verdict.mismatches = verdict.report.mismatches;
  if (!verdict.report.holds()) verdict.failure = mismatch_text(catalogue, quantizer, plain, verdict.report, ids.encode);
  if (is_plain || !verdict.report.holds()) return verdict;
  const CodeFamily expected = ids.resolve == quantize::CollisionRule::suffix
                                  ? quantize::with_suffix(plain)
                                  : reassign_in_batches(catalogue, quantizer, plain, batches);
  for (std::size_t item = stored.num_items(); item-- > 0;) {
    if (std::ranges::equal(expected.of(item), stored.of(item))) continue;
    ++verdict.mismatches;
    verdict.failure = fmt::format("first at item {}: stored {}, expected {}", catalogue.items.name(item),
                                  id_text(stored.of(item)), id_text(expected.of(item)));
  }
  if (verdict.mismatches > 0)
    verdict.failure = fmt::format(
        "family {}: {} of {} items have another ID than --resolve {} gives; {}", stored.name, verdict.mismatches,
        stored.num_items(), quantize::kCollisionRuleNames[static_cast<std::size_t>(ids.resolve)], verdict.failure);
  return verdict;
}

}  // namespace

int run(const VerifySettings& settings, Console& console) {
  require_flag(settings.codebooks, "--codebooks");
  require_flag(settings.sids, "--sids");
  const std::vector<Codebook> codebooks = load_codebooks(settings.codebooks);
  const data::Catalogue catalogue = settings.catalogue.open();
  SemanticIds stored = data::read_semantic_ids(settings.sids);
  const std::vector<data::CodeOrigin> origins = data::read_origins(settings.sids);
  const BatchOfItem batches = batches_of(catalogue.items, stored.items,
                                         origins.empty() ? std::vector<std::size_t>() : origins.front().added_from);
  const SemanticIds sids = in_order_of(catalogue.items, std::move(stored), settings.sids);
  const quantize::VerifyOptions options;
  TextTable table({"family", "rows checked", "codes recomputed", "mismatches", "verdict"});
  std::string failure;
  for (const CodeFamily& family : sids.families) {
    const Quantizer& quantizer = find_codebook(codebooks, family.name, settings.codebooks);
    check_num_codes(family, quantizer, settings.ids.resolve, settings.sids);
    const FamilyVerdict verdict = verify(catalogue, quantizer, settings.ids, family, batches);
    table.add({family.name, fmt::to_string(verdict.report.num_rows), fmt::to_string(verdict.report.num_comparisons),
               fmt::to_string(verdict.mismatches), verdict.failure.empty() ? "holds" : "DIFFERS"});
    if (failure.empty()) failure = verdict.failure;
  }
  console.print(table.plain());
  console.print(fmt::format("batch sizes {}; threads {}", fmt::join(options.batch_sizes, ", "),
                            fmt::join(options.thread_counts, ", ")));
  if (!failure.empty()) throw DataError(fmt::format("{}: {}", settings.sids, failure));
  console.print(fmt::format("{}: every stored ID follows from {}", settings.sids, settings.codebooks));
  return 0;
}

}  // namespace neume::app
