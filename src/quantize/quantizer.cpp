// What all quantizers share: the map of rows, blocks and threads, and the choice of the codec.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "base/parallel.hpp"
#include "base/range_check.hpp"
#include "quantize/code_matching.hpp"
#include "quantize/codec.hpp"
#include "quantize/fit_journal.hpp"
#include "quantize/fit_statistics.hpp"
#include "quantize/prefix_weight.hpp"
#include "quantize/preprocess.hpp"
#include "quantize/product_codec.hpp"
#include "quantize/residual_codec.hpp"
#include "quantize/rqvae_codec.hpp"

namespace neume {

namespace {

using quantize::kBlockRows;

constexpr std::size_t kLargestCodebook = kNoCode;  // codes 0 .. k-1 must not reach kNoCode
constexpr std::size_t kLargestBeam = 4096;

std::string_view name_of(QuantizerMethod method) {
  return kQuantizerMethodNames[static_cast<std::size_t>(method)];
}

std::size_t num_layers_of(const QuantizerOptions& options) {
  return options.method == QuantizerMethod::vq ? 1 : options.layers;
}

void check_shape(const InputShape& shape, std::size_t width) {
  if (shape.block_names.size() != shape.block_widths.size() || shape.block_names.empty())
    throw InvalidArgument(fmt::format("input shape: expected one name a block, found {} names and {} widths",
                                      shape.block_names.size(), shape.block_widths.size()));
  const std::size_t total = std::accumulate(shape.block_widths.begin(), shape.block_widths.end(), std::size_t{0});
  const bool is_each_inside = std::ranges::all_of(shape.block_widths, [&](std::size_t w) { return w <= width; });
  if (total != width || width == 0 || !is_each_inside)
    throw InvalidArgument(fmt::format("input shape: blocks have {} columns together, rows have {}", total, width));
}

void check_rows(const char* act, ConstMatrixView rows, std::size_t width) {
  if (rows.cols != width)
    throw InvalidArgument(fmt::format("{}: expected rows of width {}, found {}", act, width, rows.cols));
  if (rows.rows > 1 && rows.stride < rows.cols)
    throw InvalidArgument(fmt::format("{}: expected a stride of at least the {} columns of a row, found {}", act,
                                      rows.cols, rows.stride));
}

void check_num_codes(const char* act, std::size_t found, std::size_t rows, std::size_t layers) {
  if (found != rows * layers)
    throw InvalidArgument(fmt::format("{}: expected {} codes for {} rows of {} layers, found {}", act, rows * layers,
                                      rows, layers, found));
}

/// Throws InvalidArgument for a code outside its codebook.
void check_codes(const char* act, const Code* codes, const std::vector<std::size_t>& sizes) {
  for (std::size_t l = 0; l < sizes.size(); ++l)
    if (codes[l] >= sizes[l])
      throw InvalidArgument(
          fmt::format("{}: code {} in layer {}, whose codebook has {} codes", act, codes[l], l + 1, sizes[l]));
}

/// Adds to the last residuals of rows what their codes stand for, on all threads.
void restore_rows(const quantize::Codec& codec, std::span<const Code> codes, MatrixView rows) {
  const std::size_t layers = codec.num_layers();
  base::parallel_for(base::num_chunks(rows.rows, kBlockRows), [&](std::size_t block) {
    const auto scratch = codec.make_scratch();
    Matrix approximation(kBlockRows, rows.cols);
    const std::size_t begin = block * kBlockRows, count = std::min(kBlockRows, rows.rows - begin);
    codec.decode(*scratch, codes.data() + begin * layers, count, layers, approximation.data());
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < rows.cols; ++j) rows.row(begin + i)[j] += approximation.row(i)[j];
  });
}

/// Fits the codec of options.method, from `start` (a codec of the same shape) where there is one. Leaves the rows as
/// they were, but for rounding.
quantize::CodecFit fit_codec(Matrix& rows, const QuantizerOptions& options, const ProgressFn& progress,
                             quantize::FitJournal& journal, const quantize::Codec* start) {
  switch (options.method) {
    case QuantizerMethod::psrq:
    case QuantizerMethod::rq:
    case QuantizerMethod::vq: {
      auto fit = quantize::ResidualCodec::fit(rows.view(), options, progress, journal,
                                              dynamic_cast<const quantize::ResidualCodec*>(start));
      restore_rows(*fit.codec, fit.codes, rows.view());
      return fit;
    }
    case QuantizerMethod::pq:
    case QuantizerMethod::opq:
      return quantize::ProductCodec::fit(rows.view(), options, progress, journal,
                                         dynamic_cast<const quantize::ProductCodec*>(start));
    case QuantizerMethod::rqvae:
      return quantize::RqVaeCodec::fit(rows.view(), options, progress, journal);
  }
  throw InternalError("a quantizer method without a codec");
}

/// Throws InvalidArgument unless a fit with these options can go on from `before`.
void check_continues(const Quantizer& before, const QuantizerOptions& options, std::size_t width) {
  const auto refuse = [](const std::string& field, const std::string& old, const std::string& found) {
    throw InvalidArgument(
        fmt::format("to continue from codebooks of {0} {1}, give the same {0}, found {2}; or fit without "
                    "them, and all IDs change",
                    field, old, found));
  };
  const QuantizerOptions& old = before.options();
  if (options.method == QuantizerMethod::rqvae)
    throw InvalidArgument(
        "rqvae cannot continue from codebooks: its network would move under the codes; fit anew, or "
        "keep the codebooks and encode with --append");
  if (options.method != old.method)
    refuse("method", std::string(name_of(old.method)), std::string(name_of(options.method)));
  if (options.choose_prefix_weight)
    throw InvalidArgument(fmt::format("to continue from codebooks, give their prefix weight ({}) instead of auto",
                                      old.effective_prefix_weight()));
  const std::vector<std::size_t> codes = options.codes_by_layer(), old_codes = before.codebook_sizes();
  if (codes.size() != old_codes.size())
    refuse("layers", fmt::to_string(old_codes.size()), fmt::to_string(codes.size()));
  if (codes != old_codes)
    refuse("codes", fmt::format("{}", fmt::join(old_codes, ",")), fmt::format("{}", fmt::join(codes, ",")));
  if (options.effective_prefix_weight() != old.effective_prefix_weight())
    refuse("prefix-weight", fmt::to_string(old.effective_prefix_weight()),
           fmt::to_string(options.effective_prefix_weight()));
  if (options.balanced != old.balanced)
    refuse("balanced", fmt::to_string(old.balanced), fmt::to_string(options.balanced));
  if (width != before.width()) refuse("width", fmt::to_string(before.width()), fmt::to_string(width));
}

/// Cuts rows into blocks of kBlockRows and calls work(scratch, first row, count) for each, in parallel, with a scratch
/// for every few blocks.
template <class Work>
void for_each_block(const quantize::Codec& codec, std::size_t rows, const Work& work) {
  constexpr std::size_t kRowsAtOnce = 4 * kBlockRows;
  base::parallel_for(base::num_chunks(rows, kRowsAtOnce), [&](std::size_t chunk) {
    const std::unique_ptr<quantize::Codec::Scratch> scratch = codec.make_scratch();
    const std::size_t end = std::min(rows, (chunk + 1) * kRowsAtOnce);
    for (std::size_t begin = chunk * kRowsAtOnce; begin < end; begin += kBlockRows)
      work(*scratch, begin, std::min(kBlockRows, end - begin));
  });
}

/// Sums of one chunk of rows, entry l for the first l layers.
struct ReconstructionSums {
  double squares = 0.0;
  std::size_t rows = 0;
  std::vector<double> errors;
  std::vector<double> cosines;

  explicit ReconstructionSums(std::size_t layers = 0) : errors(layers), cosines(layers) {}

  void add(std::span<const float> x, std::span<const float> y, std::size_t layer) {
    double error = 0.0, inner = 0.0, x_norm = 0.0, y_norm = 0.0;
    for (std::size_t j = 0; j < x.size(); ++j) {
      error += (double{x[j]} - y[j]) * (double{x[j]} - y[j]);
      inner += double{x[j]} * y[j];
      x_norm += double{x[j]} * x[j];
      y_norm += double{y[j]} * y[j];
    }
    errors[layer] += error;
    if (x_norm > 0.0 && y_norm > 0.0) cosines[layer] += inner / std::sqrt(x_norm * y_norm);
    if (layer > 0) return;
    squares += x_norm;
    ++rows;
  }

  void add(const ReconstructionSums& other) {
    squares += other.squares;
    rows += other.rows;
    for (std::size_t l = 0; l < errors.size(); ++l) errors[l] += other.errors[l];
    for (std::size_t l = 0; l < errors.size(); ++l) cosines[l] += other.cosines[l];
  }
};

}  // namespace

void QuantizerOptions::validate() const {
  QuantizerOptions copy = *this;
  copy.describe(base::RangeCheck{});
  if (codes.size() != 1 && codes.size() != num_layers_of(*this))
    throw InvalidArgument(fmt::format("codes: expected one number or one for each of {} layers, found {} numbers",
                                      num_layers_of(*this), codes.size()));
  static_assert(kLargestCodebook == 65535);
  if (balanced && method != QuantizerMethod::rq && method != QuantizerMethod::vq)
    throw InvalidArgument(fmt::format("balanced: expected the method rq or vq, found {}", name_of(method)));
  if (choose_prefix_weight && method != QuantizerMethod::psrq)
    throw InvalidArgument(fmt::format("prefix-weight auto: expected the method psrq, found {}", name_of(method)));
}

std::vector<std::size_t> QuantizerOptions::codes_by_layer() const {
  validate();
  return codes.size() == 1 ? std::vector<std::size_t>(num_layers_of(*this), codes.front()) : codes;
}

double QuantizerOptions::effective_prefix_weight() const {
  return method == QuantizerMethod::psrq ? prefix_weight : 0.0;
}

QuantizerFit Quantizer::fit(ConstMatrixView rows, const InputShape& shape, const QuantizerOptions& options,
                            const ProgressFn& progress) {
  check_rows("fit", rows, rows.cols);
  Matrix copy(rows.rows, rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) std::ranges::copy(rows.row(i), copy.row(i).begin());
  return fit(std::move(copy), shape, options, progress);
}

QuantizerFit Quantizer::fit(Matrix rows, const InputShape& shape, const QuantizerOptions& options,
                            const ProgressFn& progress, const FitCheckpoint& checkpoint) {
  options.validate();
  check_shape(shape, rows.cols());
  if (rows.rows() == 0) throw DataError("no rows to fit a quantizer to; expected at least one item with an embedding");
  quantize::FitJournal journal;
  if (!checkpoint.file.empty())
    journal = quantize::FitJournal(checkpoint, quantize::identity_of(rows.view(), shape, options));
  QuantizerFit fit;
  Quantizer& quantizer = fit.quantizer;
  quantizer.shape_ = shape;
  quantizer.options_ = options;
  quantize::Moments moments = quantize::fit_transform(rows.view(), shape);
  quantizer.mean_ = std::move(moments.mean);
  quantizer.scale_ = std::move(moments.scale);
  if (options.choose_prefix_weight) {
    if (!journal.prefix_weight())
      journal.set_prefix_weight(quantize::choose_prefix_weight(rows.view(), options, progress));
    fit.prefix_weight_choice = journal.prefix_weight();
    quantizer.options_.prefix_weight = fit.prefix_weight_choice->prefix_weight;
    quantizer.options_.choose_prefix_weight = false;
  }
  quantize::CodecFit codec;
  try {
    codec = fit_codec(rows, quantizer.options_, progress, journal, nullptr);
  } catch (const Error&) {
    journal.drop();
    throw;
  }
  quantizer.statistics_ = quantize::measure_fit(*codec.codec, rows.view(), codec.codes, options.seed);
  quantizer.codec_ = std::move(codec.codec);
  quantizer.reports_ = std::move(codec.reports);
  fit.codes = std::move(codec.codes);
  return fit;
}

QuantizerFit Quantizer::refit(const Quantizer& before, Matrix rows, const QuantizerOptions& options,
                              const ProgressFn& progress) {
  options.validate();
  check_continues(before, options, rows.cols());
  if (rows.rows() == 0) throw DataError("no rows to fit a quantizer to; expected at least one item with an embedding");
  Matrix mapped(rows.rows(), rows.cols());
  before.map(rows.view(), mapped.view());
  const std::vector<Code> codes_before = quantize::encode_mapped(*before.codec_, mapped.view());
  quantize::FitJournal not_kept;
  quantize::CodecFit codec = fit_codec(mapped, options, progress, not_kept, before.codec_.get());
  QuantizerFit fit;
  Quantizer& quantizer = fit.quantizer;
  quantizer.shape_ = before.shape_;
  quantizer.options_ = options;
  quantizer.mean_ = before.mean_;
  quantizer.scale_ = before.scale_;
  quantizer.codec_ =
      codec.codec->renamed(quantize::names_kept(codes_before, codec.codes, before.codec_->codebook_sizes()));
  quantizer.reports_ = std::move(codec.reports);
  // Encoded anew: where a row lies between two codewords the lower name wins, and names have changed.
  fit.codes.resize(codec.codes.size());
  quantizer.encode(rows.view(), fit.codes);
  quantizer.statistics_ = quantize::measure_fit(*quantizer.codec_, mapped.view(), fit.codes, options.seed);
  return fit;
}

Quantizer::Quantizer() = default;
Quantizer::~Quantizer() = default;
Quantizer::Quantizer(Quantizer&&) noexcept = default;
Quantizer& Quantizer::operator=(Quantizer&&) noexcept = default;

std::vector<std::size_t> Quantizer::codebook_sizes() const {
  if (!codec_) throw InvalidArgument("the quantizer is empty: expected one that was fitted or loaded");
  return codec_->codebook_sizes();
}

void Quantizer::map(ConstMatrixView rows, MatrixView mapped) const {
  check_rows("map", rows, width());
  check_rows("map", mapped, width());
  const quantize::RowTransform transform{shape_, mean_, scale_};
  base::parallel_for(base::num_chunks(rows.rows, kBlockRows), [&](std::size_t block) {
    for (std::size_t i = block * kBlockRows; i < std::min(rows.rows, (block + 1) * kBlockRows); ++i)
      transform.apply(rows.row(i), i, mapped.row(i));
  });
}

void Quantizer::encode(ConstMatrixView rows, std::span<Code> codes, const EncodeOptions& options) const {
  check_rows("encode", rows, width());
  check_num_codes("encode", codes.size(), rows.rows, num_layers());
  if (options.beam != 1) {
    std::vector<Code> found(rows.rows * options.beam * num_layers());
    std::vector<double> costs(rows.rows * options.beam);
    search(rows, options.beam, found, costs);
    for (std::size_t i = 0; i < rows.rows; ++i)
      std::copy_n(found.data() + i * options.beam * num_layers(), num_layers(), codes.data() + i * num_layers());
    return;
  }
  const quantize::RowTransform transform{shape_, mean_, scale_};
  const std::size_t layers = num_layers();
  for_each_block(*codec_, rows.rows, [&](quantize::Codec::Scratch& scratch, std::size_t begin, std::size_t count) {
    Matrix block(kBlockRows, width());
    for (std::size_t i = 0; i < count; ++i) transform.apply(rows.row(begin + i), begin + i, block.row(i));
    codec_->encode(scratch, block.data(), count, codes.data() + begin * layers);
  });
}

std::vector<Code> Quantizer::encode(ConstMatrixView rows, const EncodeOptions& options) const {
  std::vector<Code> codes(rows.rows * num_layers());
  encode(rows, codes, options);
  return codes;
}

void Quantizer::search(ConstMatrixView rows, std::size_t beam, std::span<Code> codes, std::span<double> costs) const {
  check_rows("search", rows, width());
  if (beam < 1 || beam > kLargestBeam)
    throw InvalidArgument(fmt::format("beam: expected a number from 1 to {}, found {}", kLargestBeam, beam));
  const std::size_t layers = num_layers();
  check_num_codes("search", codes.size(), rows.rows * beam, layers);
  if (costs.size() != rows.rows * beam)
    throw InvalidArgument(fmt::format("search: expected {} costs, found {}", rows.rows * beam, costs.size()));
  const quantize::RowTransform transform{shape_, mean_, scale_};
  for_each_block(*codec_, rows.rows, [&](quantize::Codec::Scratch& scratch, std::size_t begin, std::size_t count) {
    Matrix block(kBlockRows, width());
    for (std::size_t i = 0; i < count; ++i) transform.apply(rows.row(begin + i), begin + i, block.row(i));
    codec_->search(scratch, block.data(), count,
                   {beam, codes.data() + begin * beam * layers, costs.data() + begin * beam});
  });
}

void Quantizer::decode(std::span<const Code> codes, MatrixView rows) const {
  check_rows("decode", rows, width());
  const std::vector<std::size_t> sizes = codebook_sizes();
  const std::size_t layers = sizes.size();
  check_num_codes("decode", codes.size(), rows.rows, layers);
  for_each_block(*codec_, rows.rows, [&](quantize::Codec::Scratch& scratch, std::size_t begin, std::size_t count) {
    Matrix block(kBlockRows, width());
    std::vector<Code> known(codes.begin() + static_cast<std::ptrdiff_t>(begin * layers),
                            codes.begin() + static_cast<std::ptrdiff_t>((begin + count) * layers));
    for (std::size_t i = 0; i < count; ++i) {
      Code* row = known.data() + i * layers;
      if (row[0] == kNoCode) {
        std::fill_n(row, layers, Code{0});
      } else {
        check_codes("decode", row, sizes);
      }
    }
    codec_->decode(scratch, known.data(), count, layers, block.data());
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = rows.row(begin + i);
      const bool has_codes = codes[(begin + i) * layers] != kNoCode;
      for (std::size_t j = 0; j < row.size(); ++j)
        row[j] = has_codes ? block.row(i)[j] / scale_[j] + mean_[j] : std::numeric_limits<float>::quiet_NaN();
    }
  });
}

Matrix Quantizer::decode(std::span<const Code> codes) const {
  Matrix rows(codes.size() / num_layers(), width());
  decode(codes, rows.view());
  return rows;
}

Reconstruction Quantizer::reconstruction(ConstMatrixView rows, std::span<const Code> codes) const {
  check_rows("reconstruction", rows, width());
  const std::vector<std::size_t> sizes = codebook_sizes();
  const std::size_t layers = sizes.size();
  check_num_codes("reconstruction", codes.size(), rows.rows, layers);
  const quantize::RowTransform transform{shape_, mean_, scale_};
  std::vector<ReconstructionSums> sums(base::num_chunks(rows.rows, kBlockRows), ReconstructionSums(layers));
  for_each_block(*codec_, rows.rows, [&](quantize::Codec::Scratch& scratch, std::size_t begin, std::size_t count) {
    Matrix mapped(kBlockRows, width()), block(kBlockRows, width());
    std::vector<Code> known;
    for (std::size_t i = begin; i < begin + count; ++i) {
      const Code* row = codes.data() + i * layers;
      if (row[0] == kNoCode) continue;
      check_codes("reconstruction", row, sizes);
      transform.apply(rows.row(i), i, mapped.row(known.size() / layers));
      known.insert(known.end(), row, row + layers);
    }
    for (std::size_t l = 0; l < layers; ++l) {
      codec_->decode(scratch, known.data(), known.size() / layers, l + 1, block.data());
      for (std::size_t i = 0; i < known.size() / layers; ++i)
        sums[begin / kBlockRows].add(mapped.row(i), block.row(i), l);
    }
  });
  ReconstructionSums total(layers);
  for (const ReconstructionSums& part : sums) total.add(part);
  Reconstruction result;
  const double count = static_cast<double>(std::max<std::size_t>(1, total.rows));
  for (std::size_t l = 0; l < layers; ++l) {
    result.variance_explained.push_back(total.squares > 0.0 ? 1.0 - total.errors[l] / total.squares : 1.0);
    result.mse.push_back(total.errors[l] / count);
    result.mean_cosine.push_back(total.cosines[l] / count);
  }
  return result;
}

}  // namespace neume

namespace neume::quantize {

std::vector<Code> encode_mapped(const Codec& codec, ConstMatrixView rows) {
  const std::size_t layers = codec.num_layers(), width = codec.width();
  std::vector<Code> codes(rows.rows * layers);
  for_each_block(codec, rows.rows, [&](Codec::Scratch& scratch, std::size_t begin, std::size_t count) {
    Matrix block(kBlockRows, width);
    for (std::size_t i = 0; i < count; ++i) std::ranges::copy(rows.row(begin + i), block.row(i).begin());
    codec.encode(scratch, block.data(), count, codes.data() + begin * layers);
  });
  return codes;
}

}  // namespace neume::quantize
