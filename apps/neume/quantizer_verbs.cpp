// The verbs of stage 1: synth, fit, encode, verify, inspect.

#include <fmt/format.h>

#include <algorithm>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/sids_file.hpp"
#include "data/synth.hpp"
#include "option_json.hpp"
#include "quality.hpp"
#include "quantize/encoder.hpp"
#include "settings.hpp"

namespace neume::app {

namespace {

/// The stored IDs with their items in the catalogue's order. Throws DataError unless both hold the same items.
SemanticIds in_order_of(const data::Catalogue& catalogue, SemanticIds sids, const std::string& file) {
  if (sids.items == catalogue.items) return sids;
  const data::IdIndex index(sids.items);
  SemanticIds ordered{catalogue.items, {}};
  for (const CodeFamily& family : sids.families) ordered.families.push_back({family.name, family.codebook_sizes, {}});
  for (std::size_t item = 0; item < catalogue.items.size(); ++item) {
    const auto row = catalogue.items.is_text() ? index.find(catalogue.items.texts()[item])
                                               : index.find(catalogue.items.integers()[item]);
    if (!row) {
      throw DataError(fmt::format("{}: expected the items of the modalities, found no item {}; encode again", file,
                                  catalogue.items.name(item)));
    }
    for (std::size_t f = 0; f < sids.families.size(); ++f) {
      const auto codes = sids.families[f].of(*row);
      ordered.families[f].codes.insert(ordered.families[f].codes.end(), codes.begin(), codes.end());
    }
  }
  if (sids.items.size() != catalogue.items.size()) {
    throw DataError(fmt::format("{}: holds {} items, the modalities {}; encode again", file, sids.items.size(),
                                catalogue.items.size()));
  }
  return ordered;
}

const ResidualQuantizer& find_codebook(const std::vector<Codebook>& codebooks, const std::string& family,
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
std::string mismatch_text(const data::Catalogue& catalogue, const ResidualQuantizer& quantizer,
                          const CodeFamily& stored, const quantize::VerifyReport& report) {
  const std::size_t item = *report.first_mismatch;
  const CodeFamily fresh = quantize::encode_family(catalogue, quantizer, stored.name);
  std::string text =
      fmt::format("family {}: {} of {} recomputed codes differ; first at item {}: stored {}, recomputed {}",
                  stored.name, report.mismatches, report.num_comparisons, catalogue.items.name(item),
                  id_text(stored.of(item)), id_text(fresh.of(item)));
  if (report.within_rounding == report.mismatches)
    text += "; all of them are ties within rounding (another instruction set?)";
  return text;
}

}  // namespace

void require_flag(const std::string& value, std::string_view flag) {
  if (value.empty()) throw InvalidArgument(fmt::format("{} is required; --help shows how", flag));
}

data::Catalogue CatalogueSettings::open() const {
  if (modalities.empty())
    throw InvalidArgument("--modality NAME=SOURCE is required, once a modality; --help shows how");
  std::vector<data::ModalitySource> sources;
  for (const std::string& text : modalities) sources.push_back(data::ModalitySource::parse(text));
  return data::open_catalogue(sources, options);
}

int run(const SynthSettings& settings, Console& console) {
  require_flag(settings.out, "--out");
  check_writable(std::filesystem::path(settings.out) / "manifest.json");
  const data::SynthSummary summary =
      data::write_synthetic_set(settings.options, settings.out, console.progress("synth"));
  TextTable table({"file", "rows", "positives", "rows of cold items"});
  const auto add = [&](const char* name, const data::SynthSplit& split) {
    table.add({name, fmt::to_string(split.rows), fmt::to_string(split.positives), fmt::to_string(split.cold_rows)});
  };
  add("train.parquet", summary.train);
  add("validation.parquet", summary.validation);
  add("test.parquet", summary.test);
  console.print(table.plain());
  console.print(
      fmt::format("{}: {} items, {} of them cold, {} without audio; truth.parquet holds what they were made of",
                  settings.out, settings.options.items, summary.cold_items, summary.items_without_audio));
  return 0;
}

int run(const FitSettings& settings, Console& console) {
  require_flag(settings.out, "--out");
  check_writable(std::filesystem::path(settings.out) / "manifest.json");
  const data::Catalogue catalogue = settings.catalogue.open();
  const FittedCodebooks fitted = fit_codebooks(catalogue, settings.codebooks, console);
  save_codebooks(fitted, json_of(settings), settings.out);
  console.print(fit_table(fitted, catalogue).plain());
  console.print(fmt::format("{}: codebooks of {} families, fitted to {} items", settings.out, fitted.codebooks.size(),
                            catalogue.items.size()));
  return 0;
}

int run(const EncodeSettings& settings, Console& console) {
  require_flag(settings.codebooks, "--codebooks");
  require_flag(settings.out, "--out");
  check_writable(settings.out);
  const std::vector<Codebook> codebooks = load_codebooks(settings.codebooks);
  const SemanticIds sids = encode_catalogue(settings.catalogue.open(), codebooks);
  if (!settings.json.empty()) data::write_semantic_ids_json(settings.json, sids);
  data::write_semantic_ids(settings.out, sids);
  TextTable table({"family", "layers", "items with an ID", "without"});
  for (const CodeFamily& family : sids.families) {
    std::size_t with = 0;
    for (std::size_t item = 0; item < family.num_items(); ++item) with += family.has(item) ? 1 : 0;
    table.add({family.name, fmt::to_string(family.num_layers()), fmt::to_string(with),
               fmt::to_string(family.num_items() - with)});
  }
  console.print(table.plain());
  console.print(fmt::format("{}: semantic IDs of {} items", settings.out, sids.items.size()));
  return 0;
}

int run(const VerifySettings& settings, Console& console) {
  require_flag(settings.codebooks, "--codebooks");
  require_flag(settings.sids, "--sids");
  const std::vector<Codebook> codebooks = load_codebooks(settings.codebooks);
  const data::Catalogue catalogue = settings.catalogue.open();
  const SemanticIds sids = in_order_of(catalogue, data::read_semantic_ids(settings.sids), settings.sids);
  const quantize::VerifyOptions options;
  TextTable table({"family", "rows checked", "codes recomputed", "mismatches", "verdict"});
  std::string failure;
  for (const CodeFamily& family : sids.families) {
    const ResidualQuantizer& quantizer = find_codebook(codebooks, family.name, settings.codebooks);
    const quantize::VerifyReport report = quantize::verify_family(catalogue, quantizer, family, options);
    table.add({family.name, fmt::to_string(report.num_rows), fmt::to_string(report.num_comparisons),
               fmt::to_string(report.mismatches), report.holds() ? "holds" : "DIFFERS"});
    if (!report.holds() && failure.empty()) failure = mismatch_text(catalogue, quantizer, family, report);
  }
  console.print(table.plain());
  console.print(fmt::format("batch sizes {}; threads {}", fmt::join(options.batch_sizes, ", "),
                            fmt::join(options.thread_counts, ", ")));
  if (!failure.empty()) throw DataError(fmt::format("{}: {}", settings.sids, failure));
  console.print(fmt::format("{}: every stored ID follows from {}", settings.sids, settings.codebooks));
  return 0;
}

int run(const InspectSettings& settings, Console& console) {
  require_flag(settings.sids, "--sids");
  if (!settings.out.empty()) check_writable(settings.out);
  if (settings.codebooks.empty() != settings.catalogue.modalities.empty()) {
    throw InvalidArgument("--codebooks and --modality belong together: both are needed for the variance explained");
  }
  SemanticIds sids = data::read_semantic_ids(settings.sids);
  VarianceByFamily variance;
  if (!settings.codebooks.empty()) {
    const std::vector<Codebook> codebooks = load_codebooks(settings.codebooks);
    const data::Catalogue catalogue = settings.catalogue.open();
    sids = in_order_of(catalogue, std::move(sids), settings.sids);
    for (const CodeFamily& family : sids.families) {
      variance[family.name] =
          explained_variance(catalogue, find_codebook(codebooks, family.name, settings.codebooks), family);
    }
  }
  std::vector<std::uint32_t> labels;
  if (!settings.labels.empty()) {
    labels = data::read_item_labels(settings.labels, data::IdIndex(sids.items), settings.catalogue.options.item_column)
                 .of_item;
  }
  Json quality = quality_json(sids, labels, settings.seed, variance);
  quality["sids"] = base::fingerprint_of_file(settings.sids);
  if (!settings.out.empty()) write_json(settings.out, quality);
  console.print(quality_table({{"", quality}}).plain());
  console.print(quality_legend(!labels.empty()));
  return 0;
}

}  // namespace neume::app
