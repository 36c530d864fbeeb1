// Fit, encode and decode of the residual quantizer: layers of k-means on what the layers before left over.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "base/range_check.hpp"
#include "quantize/assignment.hpp"
#include "quantize/kmeans.hpp"
#include "quantize/preprocess.hpp"

namespace neume {

namespace {

using quantize::kBlockRows;

constexpr std::size_t kLargestCodebook = kNoCode;  // codes 0 .. k-1 must not reach kNoCode

std::size_t num_layers_of(const QuantizerOptions& options) {
  return options.method == QuantizerMethod::vq ? 1 : options.layers;
}

void check_shape(const InputShape& shape, std::size_t width) {
  if (shape.block_names.size() != shape.block_widths.size() || shape.block_names.empty())
    throw InvalidArgument(fmt::format("input shape: expected one name a block, found {} names and {} widths",
                                      shape.block_names.size(), shape.block_widths.size()));
  const std::size_t total = std::accumulate(shape.block_widths.begin(), shape.block_widths.end(), std::size_t{0});
  if (total != width || width == 0)
    throw InvalidArgument(fmt::format("input shape: blocks have {} columns together, rows have {}", total, width));
}

void check_width(const char* act, std::size_t found, std::size_t expected) {
  if (found != expected)
    throw InvalidArgument(fmt::format("{}: expected rows of width {}, found {}", act, expected, found));
}

void check_num_codes(const char* act, std::size_t found, std::size_t rows, std::size_t layers) {
  if (found != rows * layers)
    throw InvalidArgument(fmt::format("{}: expected {} codes for {} rows of {} layers, found {}", act, rows * layers,
                                      rows, layers, found));
}

/// Throws InvalidArgument for a code outside its codebook.
void check_codes(const char* act, std::span<const Code> codes, std::span<const CodebookLayer> layers) {
  for (std::size_t l = 0; l < layers.size(); ++l)
    if (codes[l] >= layers[l].size())
      throw InvalidArgument(
          fmt::format("{}: code {} in layer {}, whose codebook has {} codes", act, codes[l], l + 1, layers[l].size()));
}

/// Reports at most a few times a second.
class LayerProgress {
 public:
  LayerProgress(const ProgressFn& progress, std::size_t iterations) : progress_(progress), iterations_(iterations) {}

  void report(const std::string& stage, std::size_t iteration, double objective) {
    const auto now = Clock::now();
    if (!progress_ || (iteration > 0 && now - last_ < std::chrono::milliseconds(200))) return;
    last_ = now;
    const std::string detail = fmt::format("objective {:.6g}", objective);
    progress_(
        {stage, static_cast<std::int64_t>(iteration), static_cast<std::int64_t>(iterations_), "iterations", detail});
  }

 private:
  using Clock = std::chrono::steady_clock;
  const ProgressFn& progress_;
  std::size_t iterations_;
  Clock::time_point last_{};
};

/// Writes the labels of one layer and turns its residuals into the next layer's.
void finish_layer(const quantize::KMeansFit& layer, std::size_t index, MatrixView rows, std::span<Code> codes) {
  const std::size_t num_layers = codes.size() / rows.rows;
  const quantize::ChunkPlan plan(rows.rows);
  base::parallel_for(plan.count, [&](std::size_t chunk) {
    for (std::size_t i = plan.begin(chunk); i < plan.end(chunk); ++i) {
      codes[i * num_layers + index] = layer.labels[i];
      quantize::subtract_codeword(rows.row(i), layer.codebook.residual.row(layer.labels[i]));
    }
  });
}

}  // namespace

void QuantizerOptions::validate() const {
  QuantizerOptions copy = *this;
  copy.describe(base::RangeCheck{});
  if (codes.size() != 1 && codes.size() != num_layers_of(*this))
    throw InvalidArgument(fmt::format("codes: expected one number or one for each of {} layers, found {} numbers",
                                      num_layers_of(*this), codes.size()));
  static_assert(kLargestCodebook == 65535);
}

std::vector<std::size_t> QuantizerOptions::codes_by_layer() const {
  validate();
  return codes.size() == 1 ? std::vector<std::size_t>(num_layers_of(*this), codes.front()) : codes;
}

double QuantizerOptions::effective_prefix_weight() const {
  return method == QuantizerMethod::psrq ? prefix_weight : 0.0;
}

QuantizerFit ResidualQuantizer::fit(Matrix rows, const InputShape& shape, const QuantizerOptions& options,
                                    const ProgressFn& progress) {
  const std::vector<std::size_t> codebook_sizes = options.codes_by_layer();
  check_shape(shape, rows.cols());
  if (rows.rows() == 0) throw DataError("no rows to fit a quantizer to; expected at least one item with an embedding");
  const std::size_t num_layers = codebook_sizes.size();
  const double prefix_weight = options.effective_prefix_weight();

  QuantizerFit fit;
  ResidualQuantizer& quantizer = fit.quantizer;
  quantizer.shape_ = shape;
  quantizer.options_ = options;
  quantize::Moments moments = quantize::fit_transform(rows.view(), shape);
  quantizer.mean_ = std::move(moments.mean);
  quantizer.scale_ = std::move(moments.scale);
  fit.codes.resize(rows.rows() * num_layers);
  LayerProgress reporter(progress, options.iterations);
  for (std::size_t l = 0; l < num_layers; ++l) {
    const std::string stage = fmt::format("layer {} of {}", l + 1, num_layers);
    const std::span<const CodebookLayer> earlier =
        prefix_weight > 0.0 ? std::span<const CodebookLayer>(quantizer.layers_) : std::span<const CodebookLayer>();
    const quantize::KMeansProblem problem{rows.view(), earlier, fit.codes.data(), num_layers, prefix_weight};
    const quantize::KMeansOptions layer_options{codebook_sizes[l], options.iterations, options.tolerance,
                                                base::derive_seed(options.seed, l), l == 0};
    quantize::KMeansFit layer = quantize::fit_kmeans(
        problem, layer_options,
        [&](std::size_t iteration, double objective) { reporter.report(stage, iteration, objective); });
    finish_layer(layer, l, rows.view(), fit.codes);
    quantizer.layers_.push_back(std::move(layer.codebook));
    quantizer.reports_.push_back(std::move(layer.report));
  }
  return fit;
}

std::vector<std::size_t> ResidualQuantizer::codebook_sizes() const {
  std::vector<std::size_t> sizes;
  for (const CodebookLayer& layer : layers_) sizes.push_back(layer.size());
  return sizes;
}

void ResidualQuantizer::encode(ConstMatrixView rows, std::span<Code> codes) const {
  check_width("encode", rows.cols, width());
  check_num_codes("encode", codes.size(), rows.rows, num_layers());
  const quantize::RowTransform transform{shape_, mean_, scale_};
  const std::vector<std::size_t> sizes = codebook_sizes();
  constexpr std::size_t kRowsAtOnce = 4 * kBlockRows;
  base::parallel_for(base::num_chunks(rows.rows, kRowsAtOnce), [&](std::size_t chunk) {
    quantize::AssignmentScratch scratch(width(), *std::max_element(sizes.begin(), sizes.end()));
    Matrix block(kBlockRows, width());
    const std::size_t end = std::min(rows.rows, (chunk + 1) * kRowsAtOnce);
    for (std::size_t begin = chunk * kRowsAtOnce; begin < end; begin += kBlockRows) {
      const std::size_t count = std::min(kBlockRows, end - begin);
      for (std::size_t i = 0; i < count; ++i) transform.apply(rows.row(begin + i), begin + i, block.row(i));
      std::fill(block.row(0).data() + count * width(), block.data() + block.size(), 0.0f);
      Code* block_codes = codes.data() + begin * num_layers();
      for (std::size_t l = 0; l < num_layers(); ++l) {
        const auto nearest = scratch.assign(layers_[l], {block.data(), count, block_codes, num_layers()});
        for (std::size_t i = 0; i < count; ++i) {
          block_codes[i * num_layers() + l] = static_cast<Code>(nearest[i].index);
          quantize::subtract_codeword(block.row(i), layers_[l].residual.row(nearest[i].index));
        }
      }
    }
  });
}

void ResidualQuantizer::decode(std::span<const Code> codes, MatrixView rows) const {
  check_width("decode", rows.cols, width());
  check_num_codes("decode", codes.size(), rows.rows, num_layers());
  const quantize::ChunkPlan plan(rows.rows);
  base::parallel_for(plan.count, [&](std::size_t chunk) {
    for (std::size_t i = plan.begin(chunk); i < plan.end(chunk); ++i) {
      const auto row = rows.row(i);
      const auto row_codes = codes.subspan(i * num_layers(), num_layers());
      if (row_codes[0] == kNoCode) {
        std::fill(row.begin(), row.end(), std::numeric_limits<float>::quiet_NaN());
        continue;
      }
      check_codes("decode", row_codes, layers_);
      quantize::sum_codewords(layers_, row_codes.data(), row);
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = row[j] / scale_[j] + mean_[j];
    }
  });
}

std::vector<double> ResidualQuantizer::explained_variance(ConstMatrixView rows, std::span<const Code> codes) const {
  check_width("explained_variance", rows.cols, width());
  check_num_codes("explained_variance", codes.size(), rows.rows, num_layers());
  const quantize::RowTransform transform{shape_, mean_, scale_};
  const quantize::ChunkPlan plan(rows.rows);
  // Entry l of a chunk: sum of squared residuals before layer l; the last one is what no layer explains.
  std::vector<std::vector<double>> sums(plan.count, std::vector<double>(num_layers() + 1));
  base::parallel_for(plan.count, [&](std::size_t chunk) {
    std::vector<float> row(width());
    const auto add_square = [&](std::size_t l) {
      for (const float x : row) sums[chunk][l] += double{x} * x;
    };
    for (std::size_t i = plan.begin(chunk); i < plan.end(chunk); ++i) {
      const auto row_codes = codes.subspan(i * num_layers(), num_layers());
      if (row_codes[0] == kNoCode) continue;
      check_codes("explained_variance", row_codes, layers_);
      transform.apply(rows.row(i), i, row);
      add_square(0);
      for (std::size_t l = 0; l < num_layers(); ++l) {
        quantize::subtract_codeword(row, layers_[l].residual.row(row_codes[l]));
        add_square(l + 1);
      }
    }
  });
  std::vector<double> total(num_layers() + 1, 0.0);
  for (const auto& part : sums)
    for (std::size_t l = 0; l < part.size(); ++l) total[l] += part[l];
  std::vector<double> explained;
  for (std::size_t l = 1; l < total.size(); ++l) explained.push_back(total[0] > 0.0 ? 1.0 - total[l] / total[0] : 1.0);
  return explained;
}

}  // namespace neume
