// neume encode: codes of a catalogue of any size in a fixed amount of memory. Rows pass by in stretches, their codes go
// into a log beside the output (data/code_log.hpp), and the log becomes the output at the end.

#include <fmt/format.h>

#include <cmath>
#include <future>
#include <optional>

#include <neume/error.hpp>

#include "append_verb.hpp"
#include "base/byte_size.hpp"
#include "base/file.hpp"
#include "base/parallel.hpp"
#include "data/catalogue_stream.hpp"
#include "data/code_log.hpp"
#include "data/sids_file.hpp"
#include "eval/sid_quality.hpp"
#include "id_counts.hpp"
#include "quantize/collisions.hpp"
#include "quantize/encoder.hpp"
#include "quantize/stream_encoder.hpp"
#include "settings.hpp"

namespace neume::app {

namespace {

/// What --memory leaves beside the program, codebooks and threads: for DuckDB and ids while rows pass by, for counting
/// IDs afterwards. Measured on the program: docs/benchmarks.md, "Encoding". Throws InvalidArgument where it is too
/// little.
std::size_t memory_for_items(std::size_t memory, const std::vector<Codebook>& codebooks) {
  constexpr std::size_t kProgram = std::size_t{160} << 20;    // code, libraries, and a stretch of rows
  constexpr std::size_t kRowsAThread = 1024;                  // raw, mapped, padded, packed by oneDNN
  constexpr std::size_t kLeastLeft = std::size_t{128} << 20;  // DuckDB, which reads and writes Parquet
  std::size_t floats = 0, width = 0;
  for (const Codebook& codebook : codebooks) {
    width += codebook.quantizer.width();
    for (const std::size_t size : codebook.quantizer.codebook_sizes()) floats += 2 * size * codebook.quantizer.width();
  }
  const std::size_t fixed = kProgram + sizeof(float) * (floats + base::num_threads() * kRowsAThread * width);
  if (memory < fixed + kLeastLeft)
    throw InvalidArgument(fmt::format("--memory {}: these codebooks on {} threads need at least {}",
                                      base::bytes_text(memory), base::num_threads(),
                                      base::bytes_text(fixed + kLeastLeft)));
  return memory - fixed;
}

std::vector<CodeFamily> families_of(const std::vector<Codebook>& codebooks) {
  std::vector<CodeFamily> families;
  families.reserve(codebooks.size());
  for (const auto& [name, quantizer] : codebooks) families.push_back({name, quantizer.codebook_sizes(), {}});
  return families;
}

/// The codes of the log under the items of the stream.
class LoggedIds : public data::SidsSource {
 public:
  LoggedIds(const data::StreamedItems& items, std::vector<CodeFamily> families, const data::CodeLog& log)
      : items_(items), families_(std::move(families)), log_(log) {
    for (const CodeFamily& family : families_) {
      first_code_.push_back(codes_per_item_);
      codes_per_item_ += family.num_layers();
    }
  }

  std::size_t num_items() const override { return items_.size(); }
  bool has_text_ids() const override { return items_.is_text(); }
  const std::vector<CodeFamily>& families() const override { return families_; }
  void read_ids(std::size_t first, std::span<std::int64_t> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = items_.integer(first + i);
  }
  void read_ids(std::size_t first, std::span<std::string> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = items_.text(first + i);
  }
  void read_codes(std::size_t family, std::size_t first, std::span<Code> out) const override {
    const std::size_t layers = families_[family].num_layers(), count = out.size() / layers;
    std::vector<Code> all(count * codes_per_item_);
    log_.read(first, all);
    for (std::size_t i = 0; i < count; ++i)
      std::copy_n(all.data() + i * codes_per_item_ + first_code_[family], layers, out.data() + i * layers);
  }

  SemanticIds in_memory() const {
    SemanticIds sids{items_.in_memory(), families_};
    for (std::size_t f = 0; f < families_.size(); ++f) {
      sids.families[f].codes.resize(num_items() * families_[f].num_layers());
      read_codes(f, 0, sids.families[f].codes);
    }
    return sids;
  }

 private:
  const data::StreamedItems& items_;
  std::vector<CodeFamily> families_;
  const data::CodeLog& log_;
  std::vector<std::size_t> first_code_;
  std::size_t codes_per_item_ = 0;
};

/// Makes the IDs of every family unique where `rule` says so, and tells what it did and what it cost.
std::string resolve(const data::Catalogue* catalogue, const std::vector<Codebook>& codebooks,
                    quantize::CollisionRule rule, SemanticIds& sids) {
  std::string text;
  for (std::size_t f = 0; f < sids.families.size(); ++f) {
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
    const double error = quantize::mean_squared_error(*catalogue, quantizer, family);
    quantize::Reassignment moved = quantize::reassign(*catalogue, quantizer, family);
    family = std::move(moved.family);
    text += fmt::format("{} moved, {} of them in the last code only; mean squared error {:.6g} before, {:.6g} after",
                        moved.moved, moved.moved_in_layer, error,
                        quantize::mean_squared_error(*catalogue, quantizer, family));
  }
  return text;
}

/// Everything that the codes depend on.
std::string fingerprint_of(const EncodeSettings& settings, const data::CatalogueStream& stream) {
  base::PieceHash hash;
  hash.add(base::fingerprint_of_file(std::filesystem::path(settings.codebooks) / "manifest.json"));
  hash.add(fmt::format("|beam {}|", settings.ids.encode.beam));
  hash.add(stream.fingerprint());
  return hash.fingerprint();
}

/// Codes of all items into the log, from where it ends.
void fill_log(data::CatalogueStream& stream, quantize::StreamEncoder& encoder, data::CodeLog& log, Console& console) {
  const std::size_t num_items = stream.items().size();
  const ProgressFn progress = console.progress();
  const auto report = [&] {
    if (progress)
      progress(
          {"encode", static_cast<std::int64_t>(log.num_items()), static_cast<std::int64_t>(num_items), "items", {}});
  };
  std::vector<Code> codes;
  for (report(); log.num_items() < num_items; report()) {
    const std::size_t first = log.num_items(), count = std::min(stream.stretch_items(), num_items - first);
    std::vector<std::uint64_t> present(stream.num_modalities());
    codes.resize(count * encoder.codes_per_item());
    stream.advance(first, count);
    encoder.encode(first, count, codes, present);
    log.append(codes, present);
  }
  for (std::size_t m = 0; m < stream.num_modalities(); ++m) stream.check_present(m, log.counts()[m]);
}

TextTable counts_table(const data::SidsSource& sids, const base::SpillPolicy& policy) {
  TextTable table({"family", "codes", "items with an ID", "without", "distinct IDs", "collision_rate", "shared_id_rate",
                   "largest group"});
  for (std::size_t f = 0; f < sids.families().size(); ++f) {
    const IdCounts counts = count_ids(sids, f, policy);
    table.add({sids.families()[f].name, fmt::to_string(sids.families()[f].num_layers()), fmt::to_string(counts.items),
               fmt::to_string(counts.without), fmt::to_string(counts.distinct),
               fmt::format("{:.3f}", counts.collision_rate()), fmt::format("{:.3f}", counts.shared_id_rate()),
               fmt::to_string(counts.largest)});
  }
  return table;
}

void say_where_it_begins(const data::CodeLog& log, const std::string& path, std::size_t num_items, Console& console) {
  if (log.found() == data::CodeLog::Found::other)
    console.note(fmt::format("{}: left by a run with other inputs, codebooks or settings; starting over", path));
  if (log.num_items() > 0)
    console.note(fmt::format("{}: going on after {} of {} items", path, log.num_items(), num_items));
}

/// Writes what was asked for, and counts the IDs meanwhile: returns the table of counts.
std::string write_and_count(const EncodeSettings& settings, const data::SidsSource& sids,
                            const base::SpillPolicy& policy) {
  auto table = std::async(std::launch::async, [&] { return counts_table(sids, policy).plain(); });
  if (!settings.json.empty()) data::write_semantic_ids_json(settings.json, sids);
  data::write_semantic_ids(settings.out, sids, origins_of(settings.codebooks, settings.ids));
  return table.get();
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
  const std::size_t memory = memory_for_items(parse_memory(settings.memory), codebooks);
  const std::string part = settings.out + ".part";
  const std::filesystem::path folder = std::filesystem::absolute(settings.out).parent_path();
  const bool reassigns = settings.ids.resolve == quantize::CollisionRule::reassign;
  data::CatalogueStream stream(settings.catalogue.required_sources(),
                               {settings.catalogue.options, memory, folder, reassigns}, console.progress());
  std::vector<const Quantizer*> quantizers;
  quantizers.reserve(codebooks.size());
  for (const Codebook& codebook : codebooks) quantizers.push_back(&codebook.quantizer);
  quantize::StreamEncoder encoder(stream, std::move(quantizers), settings.ids.encode);
  const std::size_t num_items = stream.items().size();
  data::CodeLog log(part, fingerprint_of(settings, stream),
                    {num_items, encoder.codes_per_item(), stream.num_modalities(), stream.stretch_items()});
  const std::string out_name = std::filesystem::path(settings.out).filename().string();
  base::remove_leftovers(folder, [&](std::string_view target) { return target == out_name; });  // the log is locked
  say_where_it_begins(log, part, num_items, console);
  fill_log(stream, encoder, log, console);

  const base::SpillPolicy policy{folder, memory / 2 / sizeof(std::uint64_t)};
  const LoggedIds logged(stream.items(), families_of(codebooks), log);
  std::string table, resolved;
  if (settings.ids.resolve == quantize::CollisionRule::none) {
    table = write_and_count(settings, logged, policy);
  } else {
    SemanticIds sids = logged.in_memory();
    std::optional<data::Catalogue> catalogue;
    if (reassigns) catalogue = stream.catalogue();
    resolved = resolve(catalogue ? &*catalogue : nullptr, codebooks, settings.ids.resolve, sids);
    table = write_and_count(settings, data::SidsInMemory(sids), policy);
  }
  log.remove();
  console.print(table);
  if (!resolved.empty()) console.print(resolved);
  console.print(fmt::format("{}: semantic IDs of {} items", settings.out, num_items));
  return 0;
}

}  // namespace neume::app
