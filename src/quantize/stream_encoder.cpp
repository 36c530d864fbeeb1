#include "quantize/stream_encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "quantize/codec.hpp"
#include "quantize/encoder.hpp"
#include "quantize/preprocess.hpp"

namespace neume::quantize {

/// A quantizer, and where its modalities and codes stand.
struct StreamEncoder::Family {
  const Quantizer* quantizer;
  std::vector<std::size_t> modalities;
  std::size_t first_code;
};

/// What one thread works in. Kept from stretch to stretch: fresh memory would cost a page fault for every few rows.
struct StreamEncoder::Workspace {
  std::vector<Matrix> raw;                         ///< by modality: rows of the block, kBlockRows x width
  std::vector<std::vector<std::uint8_t>> present;  ///< by modality
  Matrix mapped;                                   ///< kBlockRows x the widest family
  std::vector<std::unique_ptr<Codec::Scratch>> scratch;
  std::vector<std::size_t> places;  ///< of the rows in `mapped`: their place in the block
  std::vector<Code> codes;
  std::vector<double> costs;
};

struct StreamEncoder::Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<Workspace>> free;
};

namespace {

/// The stream's modality that is the shape's block `block`.
std::size_t find_modality(const data::CatalogueStream& stream, const InputShape& shape, std::size_t block) {
  std::size_t m = 0;
  while (m < stream.num_modalities() && stream.name(m) != shape.block_names[block]) ++m;
  check_modality(shape, block, m < stream.num_modalities() ? std::optional(stream.width(m)) : std::nullopt);
  return m;
}

}  // namespace

StreamEncoder::StreamEncoder(const data::CatalogueStream& stream, std::vector<const Quantizer*> families,
                             const EncodeOptions& options)
    : stream_(stream), options_(options), pool_(std::make_unique<Pool>()) {
  for (const Quantizer* quantizer : families) {
    Family family{quantizer, {}, codes_per_item_};
    const InputShape& shape = quantizer->shape();
    for (std::size_t b = 0; b < shape.block_names.size(); ++b)
      family.modalities.push_back(find_modality(stream, shape, b));
    codes_per_item_ += quantizer->num_layers();
    families_.push_back(std::move(family));
  }
}

StreamEncoder::~StreamEncoder() = default;

std::unique_ptr<StreamEncoder::Workspace> StreamEncoder::take_workspace() {
  {
    const std::lock_guard lock(pool_->mutex);
    if (!pool_->free.empty()) {
      auto workspace = std::move(pool_->free.back());
      pool_->free.pop_back();
      return workspace;
    }
  }
  auto workspace = std::make_unique<Workspace>();
  std::size_t widest = 0;
  for (std::size_t m = 0; m < stream_.num_modalities(); ++m) {
    workspace->raw.emplace_back(kBlockRows, stream_.width(m));
    workspace->present.emplace_back(kBlockRows);
  }
  for (const Family& family : families_) {
    workspace->scratch.push_back(family.quantizer->codec().make_scratch());
    widest = std::max(widest, family.quantizer->width());
  }
  workspace->mapped = Matrix(kBlockRows, widest);
  return workspace;
}

void StreamEncoder::encode(std::size_t first, std::size_t count, std::span<Code> codes,
                           std::span<std::uint64_t> present) {
  const std::size_t num_blocks = base::num_chunks(count, kBlockRows), num_modalities = stream_.num_modalities();
  std::vector<std::uint64_t> found(num_blocks * num_modalities);
  std::vector<std::exception_ptr> failures(
      num_blocks);  // the first item that is wrong is told, whoever finds his first
  base::parallel_for(num_blocks, [&](std::size_t block) {
    try {
      const std::size_t begin = block * kBlockRows, size = std::min(kBlockRows, count - begin);
      auto workspace = take_workspace();
      encode_block(*workspace, first + begin, size, codes.subspan(begin * codes_per_item_, size * codes_per_item_));
      for (std::size_t m = 0; m < num_modalities; ++m)
        found[block * num_modalities + m] = static_cast<std::uint64_t>(std::count(
            workspace->present[m].begin(), workspace->present[m].begin() + static_cast<std::ptrdiff_t>(size), 1));
      const std::lock_guard lock(pool_->mutex);
      pool_->free.push_back(std::move(workspace));
    } catch (...) {
      failures[block] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  for (std::size_t i = 0; i < found.size(); ++i) present[i % num_modalities] += found[i];
}

void StreamEncoder::encode_block(Workspace& workspace, std::size_t first, std::size_t count,
                                 std::span<Code> codes) const {
  for (std::size_t m = 0; m < stream_.num_modalities(); ++m)
    stream_.read(m, first, workspace.raw[m].view().slice(0, count), {workspace.present[m].data(), count});
  std::ranges::fill(codes, kNoCode);
  for (const Family& family : families_) {
    map_rows(family, workspace, first, count);
    encode_family(family, workspace, codes);
  }
}

/// Maps the rows of the block that have all of the family's modalities, one behind the other, zeros after them.
void StreamEncoder::map_rows(const Family& family, Workspace& workspace, std::size_t first, std::size_t count) const {
  const Quantizer& quantizer = *family.quantizer;
  const std::size_t width = quantizer.width();
  const RowTransform transform{quantizer.shape(), quantizer.mean(), quantizer.scale()};
  workspace.places.clear();
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::ranges::all_of(family.modalities, [&](std::size_t m) { return workspace.present[m][i] != 0; })) continue;
    const std::span<float> row(workspace.mapped.data() + workspace.places.size() * width, width);
    float* out = row.data();
    for (const std::size_t m : family.modalities) out = std::ranges::copy(workspace.raw[m].row(i), out).out;
    try {
      transform.apply(row, i, row);
    } catch (const BadRow& problem) {
      throw DataError(fmt::format("item {}: {}", stream_.items().name(first + i), problem.reason()));
    }
    workspace.places.push_back(i);
  }
  std::fill(workspace.mapped.data() + workspace.places.size() * width, workspace.mapped.data() + kBlockRows * width,
            0.0f);
}

void StreamEncoder::encode_family(const Family& family, Workspace& workspace, std::span<Code> codes) const {
  const Codec& codec = family.quantizer->codec();
  const std::size_t num_rows = workspace.places.size(), layers = family.quantizer->num_layers();
  workspace.codes.resize(num_rows * options_.beam * layers);
  Codec::Scratch& scratch = *workspace.scratch[static_cast<std::size_t>(&family - families_.data())];
  if (options_.beam == 1) {
    codec.encode(scratch, workspace.mapped.data(), num_rows, workspace.codes.data());
  } else {
    workspace.costs.resize(num_rows * options_.beam);
    codec.search(scratch, workspace.mapped.data(), num_rows,
                 {options_.beam, workspace.codes.data(), workspace.costs.data()});
  }
  for (std::size_t r = 0; r < num_rows; ++r)
    std::copy_n(workspace.codes.data() + r * options_.beam * layers, layers,
                codes.data() + workspace.places[r] * codes_per_item_ + family.first_code);
}

}  // namespace neume::quantize
