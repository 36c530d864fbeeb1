#include "quantize/residual_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "kernels/matmul.hpp"
#include "quantize/assignment.hpp"
#include "quantize/balance.hpp"
#include "quantize/beam.hpp"
#include "quantize/code_members.hpp"
#include "quantize/fit_journal.hpp"
#include "quantize/kmeans.hpp"
#include "quantize/layer_progress.hpp"

namespace neume::quantize {

namespace {

std::size_t largest_codebook(const std::vector<CodebookLayer>& layers) {
  std::size_t largest = 0;
  for (const CodebookLayer& layer : layers) largest = std::max(largest, layer.size());
  return largest;
}

/// Rows of partial IDs that are searched at once, in whole blocks.
std::size_t rows_at_once(std::size_t beam) {
  const std::size_t group = std::max<std::size_t>(1, kBlockRows / beam);
  return base::num_chunks(group * beam, kBlockRows) * kBlockRows;
}

struct ResidualScratch : Codec::Scratch {
  explicit ResidualScratch(const std::vector<CodebookLayer>& layers)
      : assignment(layers.front().residual.cols(), largest_codebook(layers)) {}

  AssignmentScratch assignment;
  base::Buffer<float> residuals;  // of partial IDs: rows_at_once(beam) x d
  base::Buffer<float> next;       // the same, one layer on
  base::Buffer<float> products;   // kBlockRows x k
};

/// What is left of a row and what has been explained, in double.
struct ResidualPrefix {
  std::vector<double> residual;
  std::vector<double> prefix;
};

double norm_in_double(std::span<const float> row) {
  double sum = 0.0;
  for (const float x : row) sum += double{x} * x;
  return sum;
}

/// Squared distance, in double, of a row (r, p) to one codeword, with the codeword's price.
double priced_distance(const CodebookLayer& layer, std::size_t code, const ResidualPrefix& row, double prefix_weight) {
  double first = 0.0, second = 0.0;
  for (std::size_t j = 0; j < row.residual.size(); ++j) {
    const double gap = row.residual[j] - double{layer.residual.row(code)[j]};
    first += gap * gap;
    if (layer.prefix.empty()) continue;
    const double prefix_gap = row.prefix[j] - double{layer.prefix.row(code)[j]};
    second += prefix_gap * prefix_gap;
  }
  return first + prefix_weight * prefix_weight * second + (layer.price.empty() ? 0.0 : layer.price[code]);
}

/// Beam search for a few rows at once: partial ID p of row g stands in row g * beam + p of the residuals.
class GroupSearch {
 public:
  GroupSearch(const ResidualCodec& codec, ResidualScratch& scratch, std::size_t beam)
      : codec_(codec), scratch_(scratch), beam_(beam), width_(codec.width()), prefix_(width_) {
    const std::size_t floats = rows_at_once(beam) * width_;
    if (scratch.residuals.size() < floats) scratch.residuals = base::Buffer<float>(floats);
    if (scratch.next.size() < floats) scratch.next = base::Buffer<float>(floats);
    const std::size_t scores = kBlockRows * largest_codebook(codec.layers());
    if (scratch.products.size() < scores) scratch.products = base::Buffer<float>(scores);
  }

  /// Rows [begin, begin + count) of `rows`, to the same rows of `out`.
  void run(const float* rows, std::size_t begin, std::size_t count, const SearchResult& out) {
    beams_.assign(count, Beam(beam_, codec_.layers().size()));
    for (std::size_t g = 0; g < count; ++g) {
      beams_[g].start();
      std::copy_n(rows + (begin + g) * width_, width_, scratch_.residuals.data() + g * beam_ * width_);
    }
    for (std::size_t l = 0; l < codec_.layers().size(); ++l) {
      offer(l, count);
      step(l, count);
    }
    for (std::size_t g = 0; g < count; ++g) beams_[g].write(begin + g, out);
  }

 private:
  /// Offers every code of layer l to every partial ID.
  void offer(std::size_t l, std::size_t count) {
    const CodebookLayer& layer = codec_.layers()[l];
    for (std::size_t first = 0; first < count * beam_; first += kBlockRows) {
      kernels::matmul({kBlockRows, layer.size(), width_}, {scratch_.residuals.data() + first * width_, width_},
                      {layer.residual.data(), width_, true}, {scratch_.products.data(), layer.size()});
      for (std::size_t place = first; place < std::min(first + kBlockRows, count * beam_); ++place) {
        const std::size_t g = place / beam_, p = place % beam_;
        if (p < beams_[g].size()) offer_codes(l, g, p, scratch_.products.data() + (place - first) * layer.size());
      }
    }
  }

  void offer_codes(std::size_t l, std::size_t g, std::size_t p, const float* products) {
    const CodebookLayer& layer = codec_.layers()[l];
    const Code* codes = beams_[g].codes(p);
    double own = norm_in_double({scratch_.residuals.data() + (g * beam_ + p) * width_, width_});
    if (!layer.prefix.empty()) {
      sum_codewords({codec_.layers().data(), l}, codes, prefix_);
      own += codec_.prefix_weight() * codec_.prefix_weight() * norm_in_double(prefix_);
    }
    for (std::size_t j = 0; j < layer.size(); ++j) {
      double inner = double{products[j]};
      for (std::size_t m = 0; m < layer.tables.size(); ++m) inner += double{layer.tables[m].row(codes[m])[j]};
      const double price = layer.price.empty() ? 0.0 : layer.price[j];
      beams_[g].offer(p, j, std::max(0.0, own + double{layer.bias[j]} - 2.0 * inner) + price);
    }
  }

  /// Keeps the best partial IDs and takes their codewords away from the residuals they continue.
  void step(std::size_t l, std::size_t count) {
    const CodebookLayer& layer = codec_.layers()[l];
    for (std::size_t g = 0; g < count; ++g) {
      const std::vector<std::uint32_t> origins = beams_[g].keep();
      for (std::size_t i = 0; i < origins.size(); ++i) {
        float* row = scratch_.next.data() + (g * beam_ + i) * width_;
        std::copy_n(scratch_.residuals.data() + (g * beam_ + origins[i]) * width_, width_, row);
        subtract_codeword({row, width_}, layer.residual.row(beams_[g].codes(i)[l]));
      }
    }
    std::swap(scratch_.residuals, scratch_.next);
  }

  const ResidualCodec& codec_;
  ResidualScratch& scratch_;
  std::size_t beam_;
  std::size_t width_;
  std::vector<float> prefix_;
  std::vector<Beam> beams_;
};

/// Residual and prefix half of every codeword side by side: k x d, or k x 2d where there is a prefix half.
Matrix side_by_side(const CodebookLayer& layer) {
  if (layer.prefix.empty()) return layer.residual.clone();
  const std::size_t width = layer.residual.cols();
  Matrix both(layer.size(), 2 * width);
  for (std::size_t j = 0; j < layer.size(); ++j) {
    std::ranges::copy(layer.residual.row(j), both.row(j).begin());
    std::ranges::copy(layer.prefix.row(j), both.row(j).begin() + static_cast<std::ptrdiff_t>(width));
  }
  return both;
}

CodebookLayer split_halves(const Matrix& both, std::size_t width) {
  CodebookLayer layer;
  layer.residual = Matrix(both.rows(), width);
  if (both.cols() > width) layer.prefix = Matrix(both.rows(), width);
  for (std::size_t j = 0; j < both.rows(); ++j) {
    std::ranges::copy(both.row(j).first(width), layer.residual.row(j).begin());
    if (!layer.prefix.empty()) std::ranges::copy(both.row(j).last(width), layer.prefix.row(j).begin());
  }
  return layer;
}

Matrix price_tensor(const std::vector<double>& prices) {
  Matrix tensor(2, prices.size());
  for (std::size_t j = 0; j < prices.size(); ++j) {
    const StoredPrice stored = StoredPrice::of(prices[j]);
    tensor.row(0)[j] = stored.high;
    tensor.row(1)[j] = stored.low;
  }
  return tensor;
}

std::vector<NamedMatrix> tensors_of(std::span<const CodebookLayer> layers) {
  std::vector<NamedMatrix> tensors;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    tensors.push_back({fmt::format("layer{}.centroids", l), side_by_side(layers[l])});
    if (!layers[l].price.empty()) tensors.push_back({fmt::format("layer{}.price", l), price_tensor(layers[l].price)});
  }
  return tensors;
}

/// Throws InvalidArgument where the tables of all pairs of layers, which a small file may ask for, would not fit in
/// memory. What a single table may be, prepare_codebook checks.
void check_tables(const std::vector<std::size_t>& sizes, double prefix_weight) {
  constexpr double kMaxFloats = 4.0 * kMaxTableFloats;
  double floats = 0.0, earlier = 0.0;
  for (const std::size_t size : sizes) {
    floats += earlier * static_cast<double>(size);
    earlier += static_cast<double>(size);
  }
  if (prefix_weight > 0.0 && floats > kMaxFloats)
    throw InvalidArgument(
        fmt::format("codes: the tables of all pairs of layers would take {:.1f} GiB, expected at most "
                    "{:.0f}; use fewer codes or layers, or prefix weight 0",
                    floats * 4.0 / (1 << 30), kMaxFloats * 4.0 / (1 << 30)));
}

/// The first `count` layers as tensors_of names them; bias and tables are left empty.
std::vector<CodebookLayer> read_layers(const QuantizerOptions& options, std::size_t width, std::size_t count,
                                       TensorReader& reader) {
  const std::vector<std::size_t> sizes = options.codes_by_layer();
  std::vector<CodebookLayer> layers;
  for (std::size_t l = 0; l < count; ++l) {
    const bool has_prefix = l > 0 && options.effective_prefix_weight() > 0.0;
    const std::string name = fmt::format("layer{}", l);
    layers.push_back(split_halves(reader.read(name + ".centroids", sizes[l], has_prefix ? 2 * width : width), width));
    if (!options.balanced) continue;
    const Matrix prices = reader.read(name + ".price", 2, sizes[l]);
    for (std::size_t j = 0; j < sizes[l]; ++j)
      layers.back().price.push_back(StoredPrice{prices.row(0)[j], prices.row(1)[j]}.value());
  }
  return layers;
}

/// A fit layer by layer: rows become residuals, codes fill up.
class ResidualFit {
 public:
  /// Every layer's k-means starts from its codewords in `start`, where there is one.
  ResidualFit(MatrixView rows, const QuantizerOptions& options, const ResidualCodec* start)
      : rows_(rows), options_(options), start_(start), sizes_(options.codes_by_layer()) {
    fit_.codes.resize(rows.rows * sizes_.size());
  }

  /// Takes over the layers that an earlier fit of the same rows had finished.
  void go_on_from(FitState state) {
    StateTensors tensors(state);
    const std::size_t done = state.reports.size();
    if (done > sizes_.size() || state.codes.size() != fit_.codes.size())
      throw InternalError("a checkpoint of other rows or options");
    layers_ = read_layers(options_, rows_.cols, done, tensors);
    for (std::size_t l = 0; l < done; ++l) prepare_codebook(layers_[l], {layers_.data(), l}, weight());
    fit_.codes = std::move(state.codes);
    fit_.reports = std::move(state.reports);
    for (std::size_t l = 0; l < done; ++l) subtract(l);
  }

  bool is_done() const { return layers_.size() == sizes_.size(); }

  void fit_next_layer(LayerProgress& progress) {
    const std::size_t l = layers_.size();
    const std::string stage = fmt::format("layer {} of {}", l + 1, sizes_.size());
    const IterationFn report = [&](std::size_t iteration, double objective) {
      progress.report(stage, iteration, objective);
    };
    const std::span<const CodebookLayer> earlier =
        weight() > 0.0 ? std::span<const CodebookLayer>(layers_) : std::span<const CodebookLayer>();
    const KMeansProblem problem{rows_, earlier, fit_.codes.data(), sizes_.size(), weight()};
    const KMeansOptions options{sizes_[l],
                                options_.iterations,
                                options_.tolerance,
                                base::derive_seed(options_.seed, l),
                                l == 0,
                                start_ == nullptr ? nullptr : &start_->layers()[l]};
    KMeansFit layer =
        options_.balanced ? fit_balanced_kmeans(problem, options, report) : fit_kmeans(problem, options, report);
    for (std::size_t i = 0; i < rows_.rows; ++i) fit_.codes[i * sizes_.size() + l] = layer.labels[i];
    layers_.push_back(std::move(layer.codebook));
    fit_.reports.push_back(std::move(layer.report));
    subtract(l);
  }

  FitState state() const { return {layers_.size(), tensors_of(layers_), fit_.codes, fit_.reports}; }

  CodecFit finish() && {
    fit_.codec = std::make_unique<ResidualCodec>(std::move(layers_), weight());
    return std::move(fit_);
  }

 private:
  double weight() const { return options_.effective_prefix_weight(); }

  /// Turns the residuals of one layer into the next layer's.
  void subtract(std::size_t l) {
    const ChunkPlan plan(rows_.rows);
    base::parallel_for(plan.count, [&](std::size_t chunk) {
      for (std::size_t i = plan.begin(chunk); i < plan.end(chunk); ++i)
        subtract_codeword(rows_.row(i), layers_[l].residual.row(fit_.codes[i * sizes_.size() + l]));
    });
  }

  MatrixView rows_;
  const QuantizerOptions& options_;
  const ResidualCodec* start_;
  std::vector<std::size_t> sizes_;
  std::vector<CodebookLayer> layers_;
  CodecFit fit_;
};

}  // namespace

ResidualCodec::ResidualCodec(std::vector<CodebookLayer> layers, double prefix_weight)
    : layers_(std::move(layers)), prefix_weight_(prefix_weight) {
  for (std::size_t l = 0; l < layers_.size(); ++l) prepare_codebook(layers_[l], {layers_.data(), l}, prefix_weight);
}

CodecFit ResidualCodec::fit(MatrixView rows, const QuantizerOptions& options, const ProgressFn& progress,
                            FitJournal& journal, const ResidualCodec* start) {
  check_tables(options.codes_by_layer(), options.effective_prefix_weight());
  ResidualFit fit(rows, options, start);
  if (auto found = journal.take_found()) fit.go_on_from(std::move(*found));
  LayerProgress reporter(progress, options.iterations);
  while (!fit.is_done()) {
    fit.fit_next_layer(reporter);
    if (journal.is_kept()) journal.keep(fit.state());
  }
  return std::move(fit).finish();
}

std::unique_ptr<const Codec> ResidualCodec::load(const QuantizerOptions& options, std::size_t width,
                                                 TensorReader& reader) {
  check_tables(options.codes_by_layer(), options.effective_prefix_weight());
  return std::make_unique<ResidualCodec>(read_layers(options, width, options.codes_by_layer().size(), reader),
                                         options.effective_prefix_weight());
}

std::vector<std::size_t> ResidualCodec::codebook_sizes() const {
  std::vector<std::size_t> sizes;
  for (const CodebookLayer& layer : layers_) sizes.push_back(layer.size());
  return sizes;
}

std::unique_ptr<Codec::Scratch> ResidualCodec::make_scratch() const {
  return std::make_unique<ResidualScratch>(layers_);
}

void ResidualCodec::encode(Scratch& scratch, float* rows, std::size_t count, Code* codes) const {
  auto& assignment = static_cast<ResidualScratch&>(scratch).assignment;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto nearest = assignment.assign(layers_[l], {rows, count, codes, layers_.size()});
    for (std::size_t i = 0; i < count; ++i) {
      codes[i * layers_.size() + l] = static_cast<Code>(nearest[i].index);
      subtract_codeword({rows + i * width(), width()}, layers_[l].residual.row(nearest[i].index));
    }
  }
}

void ResidualCodec::search(Scratch& scratch, const float* rows, std::size_t count, const SearchResult& out) const {
  GroupSearch search(*this, static_cast<ResidualScratch&>(scratch), out.beam);
  const std::size_t group = std::max<std::size_t>(1, kBlockRows / out.beam);
  for (std::size_t begin = 0; begin < count; begin += group)
    search.run(rows, begin, std::min(group, count - begin), out);
}

void ResidualCodec::decode(Scratch&, const Code* codes, std::size_t count, std::size_t depth, float* rows) const {
  for (std::size_t i = 0; i < count; ++i)
    sum_codewords({layers_.data(), depth}, codes + i * layers_.size(), {rows + i * width(), width()});
}

bool ResidualCodec::is_tie(Scratch&, std::span<const float> row, const Code* a, const Code* b) const {
  ResidualPrefix parts{{row.begin(), row.end()}, std::vector<double>(row.size())};
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (a[l] != b[l]) {
      const double first = priced_distance(layers_[l], a[l], parts, prefix_weight_);
      const double second = priced_distance(layers_[l], b[l], parts, prefix_weight_);
      return std::abs(first - second) <= kTieGap * std::max(std::abs(first), std::abs(second));
    }
    const auto codeword = layers_[l].residual.row(a[l]);
    for (std::size_t j = 0; j < row.size(); ++j) {
      parts.residual[j] -= double{codeword[j]};
      parts.prefix[j] += double{codeword[j]};
    }
  }
  return true;
}

std::unique_ptr<const Codec> ResidualCodec::with_means(const CodedRows& fitted) const {
  const std::size_t num_layers = layers_.size(), width = this->width();
  std::vector<CodebookLayer> layers;
  for (std::size_t l = 0; l < num_layers; ++l) {
    const CodeMembers members(fitted, l, layers_[l].size());
    const bool has_prefix = !layers_[l].prefix.empty();
    const Matrix means = means_of(members, has_prefix ? 2 * width : width, [&](std::size_t i, std::span<float> out) {
      std::vector<float> prefix(width);
      sum_codewords(layers, fitted.codes.data() + i * num_layers, prefix);
      for (std::size_t c = 0; c < width; ++c) out[c] = fitted.rows.row(i)[c] - prefix[c];
      if (has_prefix) std::ranges::copy(prefix, out.begin() + static_cast<std::ptrdiff_t>(width));
    });
    layers.push_back(split_halves(means, width));
    layers.back().price = layers_[l].price;
    for (std::size_t j = 0; j < layers.back().price.size(); ++j)
      if (members.of(j).empty()) layers.back().price[j] = layers_[l].price[members.first_in_use()];
  }
  return std::make_unique<ResidualCodec>(std::move(layers), prefix_weight_);
}

std::unique_ptr<const Codec> ResidualCodec::renamed(std::span<const std::vector<Code>> new_names) const {
  std::vector<CodebookLayer> layers(layers_.size());
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l].residual = rows_renamed(layers_[l].residual, new_names[l]);
    layers[l].prefix = rows_renamed(layers_[l].prefix, new_names[l]);
    layers[l].price.resize(layers_[l].price.size());
    for (std::size_t j = 0; j < layers[l].price.size(); ++j) layers[l].price[new_names[l][j]] = layers_[l].price[j];
  }
  return std::make_unique<ResidualCodec>(std::move(layers), prefix_weight_);
}

std::vector<NamedMatrix> ResidualCodec::tensors() const {
  return tensors_of(layers_);
}

}  // namespace neume::quantize
