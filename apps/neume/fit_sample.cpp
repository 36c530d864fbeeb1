#include "fit_sample.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <neume/error.hpp>

#include "base/byte_size.hpp"
#include "base/random.hpp"
#include "data/table_source.hpp"
#include "quantize/fit_memory.hpp"
#include "settings.hpp"

namespace neume::app {

namespace {

constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();

/// FAISS trains with as many rows a code at most; fewer give codewords that are noise.
constexpr std::size_t kRowsACode = 256;

/// Of the program itself, and of DuckDB while it reads a table.
constexpr std::size_t kProgramBytes = std::size_t{64} << 20;
constexpr std::size_t kDuckDbBytes = std::size_t{384} << 20;

/// Of a drawn row: its id, its numbers in the table and here, its place in the order of the draw, an index of ids.
constexpr std::size_t kBytesADrawnRow = 96;

constexpr std::uint64_t kSampleStream = 2000;  // of the seed; quantizers use the numbers below

/// What fitting takes, by the number of embeddings of each modality. Families are fitted one after another.
quantize::FitMemory memory_of(const std::vector<data::ModalitySource>& sources, const CodebookOptions& codebooks) {
  const std::vector<std::size_t> widths = data::modality_widths(sources);
  const std::size_t total = std::accumulate(widths.begin(), widths.end(), std::size_t{0});
  const bool is_joint = codebooks.joint && widths.size() > 1;
  quantize::FitMemory memory = quantize::fit_memory(codebooks.quantizer, is_joint ? total : std::ranges::max(widths));
  memory.fixed += kProgramBytes;
  bool reads_tables = false;
  for (std::size_t m = 0; m < sources.size(); ++m) {
    const bool is_mapped = data::SourcePath::parse(sources[m].source).kind == data::FileKind::npy;
    memory.per_row += kBytesADrawnRow + (is_mapped ? 0 : widths[m] * sizeof(float));
    reads_tables = reads_tables || !is_mapped;
  }
  if (reads_tables) memory.fixed += kDuckDbBytes;
  return memory;
}

/// What `settings` asks for; kAll for all, or as many as there is room for.
std::size_t wanted_rows(const SampleSettings& settings) {
  if (settings.choose_sample || settings.sample == 0.0) return kAll;
  if (settings.sample != std::floor(settings.sample))
    throw InvalidArgument(fmt::format("--sample: expected a whole number or auto, found {}", settings.sample));
  return static_cast<std::size_t>(settings.sample);
}

}  // namespace

data::Catalogue open_for_fit(const std::vector<data::ModalitySource>& sources, data::CatalogueOptions options,
                             const CodebookOptions& codebooks, const SampleSettings& settings) {
  const std::size_t bytes = parse_memory(settings.memory), wanted = wanted_rows(settings);
  const quantize::FitMemory memory = memory_of(sources, codebooks);
  const std::size_t room = memory.rows_within(bytes);
  if (room == 0)
    throw InvalidArgument(fmt::format("--memory {}: codebooks of this size take {} before the first row",
                                      settings.memory, base::bytes_text(memory.fixed)));
  options.sample = std::min(wanted, room);
  options.sample_seed = base::derive_seed(codebooks.quantizer.seed, kSampleStream);
  data::Catalogue catalogue = data::open_catalogue(sources, options);

  const std::size_t most = std::ranges::max(catalogue.source_sizes);
  const std::vector<std::size_t> codes = codebooks.quantizer.codes_by_layer();
  const std::size_t fewest = settings.choose_sample ? kRowsACode * std::ranges::max(codes) : wanted;
  const std::size_t needed = std::min(fewest, most);
  if (needed > room)
    throw InvalidArgument(
        fmt::format("--memory {} holds {} rows of the {} to be fitted to; give --memory '{}', or --sample {}",
                    settings.memory, room, needed, base::bytes_text(memory.of(needed)), room));
  return catalogue;
}

std::string sample_text(const data::Catalogue& catalogue) {
  std::string text;
  for (std::size_t m = 0; m < catalogue.modalities.size(); ++m) {
    const data::Modality& modality = catalogue.modalities[m];
    const std::size_t held = modality.num_embeddings();
    if (held == catalogue.source_sizes[m]) continue;
    text += fmt::format("{}{} of {} embeddings of {}", text.empty() ? "" : ", ", held, catalogue.source_sizes[m],
                        modality.name());
  }
  return text;
}

std::string sample_warning(const data::Catalogue& catalogue, const QuantizerOptions& quantizer) {
  const std::size_t codes = std::ranges::max(quantizer.codes_by_layer()), wanted = kRowsACode * codes;
  std::string text;
  for (std::size_t m = 0; m < catalogue.modalities.size(); ++m) {
    const data::Modality& modality = catalogue.modalities[m];
    const std::size_t held = modality.num_embeddings();
    if (held == catalogue.source_sizes[m] || held >= wanted) continue;
    text += fmt::format(
        "{}warning: {} embeddings of {} are few for {} codes: with less than {} a code, codewords are "
        "noise; give --sample {} or more",
        text.empty() ? "" : "\n", held, modality.name(), codes, kRowsACode, wanted);
  }
  return text;
}

}  // namespace neume::app
