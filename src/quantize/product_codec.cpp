#include "quantize/product_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "kernels/matmul.hpp"
#include "quantize/assignment.hpp"
#include "quantize/beam.hpp"
#include "quantize/code_members.hpp"
#include "quantize/fit_journal.hpp"
#include "quantize/kmeans.hpp"
#include "quantize/layer_progress.hpp"
#include "quantize/rotation.hpp"

namespace neume::quantize {

namespace {

// A turn of opq that lowers the objective by less ends the fit: the codes move on for long by little.
constexpr double kRotationTolerance = 1e-4;

/// Copies columns [first, first + part.cols) of rows to `part`.
void copy_columns(ConstMatrixView rows, std::size_t first, MatrixView part) {
  for (std::size_t i = 0; i < rows.rows; ++i) std::copy_n(rows.row(i).data() + first, part.cols, part.row(i).data());
}

Matrix columns_of(ConstMatrixView rows, std::size_t first, std::size_t width) {
  Matrix part(rows.rows, width);
  base::parallel_for(base::num_chunks(rows.rows, kBlockRows), [&](std::size_t block) {
    const std::size_t begin = block * kBlockRows, end = std::min(rows.rows, begin + kBlockRows);
    copy_columns(rows.slice(begin, end), first, part.view().slice(begin, end));
  });
  return part;
}

struct ProductScratch : Codec::Scratch {
  explicit ProductScratch(const ProductCodec& codec) : rotated(kBlockRows, codec.width()) {
    for (const CodebookLayer& layer : codec.layers()) {
      parts.emplace_back(kBlockRows, layer.residual.cols());
      assignments.emplace_back(layer.residual.cols(), layer.size());
    }
  }

  Matrix rotated;
  std::vector<Matrix> parts;  // one a sub-vector: kBlockRows x its width
  std::vector<AssignmentScratch> assignments;
};

std::vector<NamedMatrix> tensors_of(std::span<const CodebookLayer> layers, const Matrix& rotation) {
  std::vector<NamedMatrix> tensors;
  for (std::size_t l = 0; l < layers.size(); ++l)
    tensors.push_back({fmt::format("layer{}.centroids", l), layers[l].residual.clone()});
  if (!rotation.empty()) tensors.push_back({"rotation", rotation.clone()});
  return tensors;
}

/// The first `count` sub-vectors' codebooks as tensors_of names them.
std::vector<CodebookLayer> read_layers(const QuantizerOptions& options, std::size_t width, std::size_t count,
                                       TensorReader& reader) {
  const std::vector<std::size_t> sizes = options.codes_by_layer();
  const std::vector<std::size_t> widths = sub_vector_widths(width, sizes.size());
  std::vector<CodebookLayer> layers(count);
  for (std::size_t l = 0; l < count; ++l)
    layers[l].residual = reader.read(fmt::format("layer{}.centroids", l), sizes[l], widths[l]);
  return layers;
}

/// A pq on rows that stay the same: codebooks and codes of each sub-vector, improved step by step.
class ProductFit {
 public:
  ProductFit(ConstMatrixView rows, const QuantizerOptions& options) : options_(options), num_rows_(rows.rows) {
    sizes_ = options.codes_by_layer();
    widths_ = sub_vector_widths(rows.cols, sizes_.size());
    codes_.resize(rows.rows * sizes_.size());
    layers_.resize(sizes_.size());
    reports_.resize(sizes_.size());
  }

  /// Takes over the sub-vectors that an earlier fit of the same rows had finished.
  void go_on_from(FitState state, std::size_t width) {
    StateTensors tensors(state);
    done_ = state.reports.size();
    if (done_ > sizes_.size() || state.codes.size() != codes_.size())
      throw InternalError("a checkpoint of other rows or options");
    std::ranges::move(read_layers(options_, width, done_, tensors), layers_.begin());
    std::ranges::move(state.reports, reports_.begin());
    codes_ = std::move(state.codes);
  }

  /// What is done; `rotation` may be empty.
  FitState state(std::size_t stage, const Matrix& rotation) const {
    return {stage,
            tensors_of({layers_.data(), done_}, rotation),
            codes_,
            {reports_.begin(), reports_.begin() + static_cast<std::ptrdiff_t>(done_)}};
  }

  /// k-means of every sub-vector that is not done, from its own seeds or from the codewords of `start`.
  void fit(ConstMatrixView rows, LayerProgress& progress, FitJournal& journal, const ProductCodec* start = nullptr) {
    each_part(rows, [&](std::size_t l, const KMeansProblem& problem) {
      if (l < done_) return;
      const std::string stage = fmt::format("sub-vector {} of {}", l + 1, sizes_.size());
      const KMeansOptions options{sizes_[l],
                                  options_.iterations,
                                  options_.tolerance,
                                  base::derive_seed(options_.seed, l),
                                  false,
                                  start == nullptr ? nullptr : &start->layers()[l]};
      KMeansFit fit = fit_kmeans(problem, options, [&](std::size_t iteration, double objective) {
        progress.report(stage, iteration, objective);
      });
      take(l, std::move(fit.codebook), fit.labels);
      reports_[l] = std::move(fit.report);
      done_ = l + 1;
      if (journal.is_kept()) journal.keep(state(done_, {}));
    });
  }

  /// One Lloyd iteration of every sub-vector, on rows that have moved.
  void improve(ConstMatrixView rows) {
    each_part(rows, [&](std::size_t l, const KMeansProblem& problem) {
      Lloyd lloyd(problem, std::move(layers_[l]));
      lloyd.assign();
      reports_[l].reseeded += lloyd.update();
      reports_[l].objective.push_back(lloyd.assign().objective);
      const std::vector<Code> labels(lloyd.labels().begin(), lloyd.labels().end());
      take(l, lloyd.take_codebook(), labels);
    });
  }

  /// The rows that the codes stand for, N x d.
  Matrix approximation() const {
    Matrix rows(num_rows_, std::accumulate(widths_.begin(), widths_.end(), std::size_t{0}));
    base::parallel_for(base::num_chunks(num_rows_, kBlockRows), [&](std::size_t block) {
      for (std::size_t i = block * kBlockRows; i < std::min(num_rows_, (block + 1) * kBlockRows); ++i) {
        float* out = rows.row(i).data();
        for (std::size_t l = 0; l < sizes_.size(); out += widths_[l], ++l)
          std::ranges::copy(layers_[l].residual.row(codes_[i * sizes_.size() + l]), out);
      }
    });
    return rows;
  }

  /// Mean squared distance over all columns.
  double objective() const {
    double sum = 0.0;
    for (const LayerReport& report : reports_) sum += report.objective.back();
    return sum;
  }

  const std::vector<std::size_t>& widths() const { return widths_; }
  const QuantizerOptions& options() const { return options_; }

  CodecFit finish(Matrix rotation) && {
    CodecFit fit;
    fit.codec = std::make_unique<ProductCodec>(std::move(layers_), std::move(rotation));
    fit.codes = std::move(codes_);
    fit.reports = std::move(reports_);
    return fit;
  }

 private:
  template <class Work>
  void each_part(ConstMatrixView rows, const Work& work) {
    std::size_t first = 0;
    for (std::size_t l = 0; l < sizes_.size(); ++l) {
      const auto start = std::chrono::steady_clock::now();
      const double before = reports_[l].seconds;
      const Matrix part = columns_of(rows, first, widths_[l]);
      work(l, KMeansProblem{part.view(), {}, nullptr, 0, 0.0});
      reports_[l].seconds = before + std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      first += widths_[l];
    }
  }

  void take(std::size_t l, CodebookLayer layer, const std::vector<Code>& labels) {
    layers_[l] = std::move(layer);
    for (std::size_t i = 0; i < num_rows_; ++i) codes_[i * sizes_.size() + l] = labels[i];
  }

  QuantizerOptions options_;
  std::size_t num_rows_;
  std::size_t done_ = 0;  // sub-vectors that have been fitted
  std::vector<std::size_t> sizes_;
  std::vector<std::size_t> widths_;
  std::vector<CodebookLayer> layers_;
  std::vector<Code> codes_;
  std::vector<LayerReport> reports_;
};

/// opq by turns. Stages: 1, the better of the two starts; one for each turn; options.iterations + 1, the end.
class RotatedFit {
 public:
  RotatedFit(ConstMatrixView rows, const QuantizerOptions& options)
      : rows_(rows), options_(options), best_(rows, options), rotated_(rows.rows, rows.cols) {}

  bool is_done() const { return stage_ > options_.iterations; }
  FitState state() const { return best_.state(stage_, rotation_); }

  void go_on_from(FitState state) {
    stage_ = state.stage;
    rotation_ = StateTensors(state).read("rotation", rows_.cols, rows_.cols);
    best_.go_on_from(std::move(state), rows_.cols);
  }

  /// pq of the rows as they are, or on their principal axes.
  void start(LayerProgress& progress) {
    FitJournal not_kept;
    best_.fit(rows_, progress, not_kept);
    rotation_ = principal_rotation(cross_products(rows_, rows_), best_.widths());
    rotate(rows_, rotation_, rotated_.view());
    ProductFit principal(rotated_.view(), options_);
    principal.fit(rotated_.view(), progress, not_kept);
    if (principal.objective() < best_.objective()) {
      best_ = std::move(principal);
    } else {
      rotation_ = identity_rotation(rows_.cols);
    }
    stage_ = 1;
  }

  /// The rotation and the codewords of an earlier fit.
  void start_from(const ProductCodec& start, LayerProgress& progress) {
    FitJournal not_kept;
    rotation_ = start.rotation().clone();
    rotate(rows_, rotation_, rotated_.view());
    best_.fit(rotated_.view(), progress, not_kept, &start);
    stage_ = 1;
  }

  /// The best rotation for the codes, then better codes for the rotation.
  void turn(LayerProgress& progress) {
    progress.report("rotation", stage_ - 1, best_.objective());
    const double before = best_.objective();
    rotation_ = nearest_rotation(cross_products(rows_, best_.approximation().view()));
    rotate(rows_, rotation_, rotated_.view());
    best_.improve(rotated_.view());
    ++stage_;
    if (before - best_.objective() <= kRotationTolerance * before) stage_ = options_.iterations + 1;
  }

  CodecFit finish() && { return std::move(best_).finish(std::move(rotation_)); }

 private:
  ConstMatrixView rows_;
  const QuantizerOptions& options_;
  ProductFit best_;
  Matrix rotation_;
  Matrix rotated_;
  std::size_t stage_ = 0;
};

CodecFit fit_rotated(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress,
                     FitJournal& journal, const ProductCodec* start) {
  LayerProgress reporter(progress, options.iterations);
  RotatedFit fit(rows, options);
  if (auto found = journal.take_found()) {
    fit.go_on_from(std::move(*found));
  } else if (start != nullptr) {
    fit.start_from(*start, reporter);
  } else {
    fit.start(reporter);
    if (journal.is_kept()) journal.keep(fit.state());
  }
  while (!fit.is_done()) {
    fit.turn(reporter);
    if (journal.is_kept()) journal.keep(fit.state());
  }
  return std::move(fit).finish();
}

}  // namespace

std::vector<std::size_t> sub_vector_widths(std::size_t width, std::size_t parts) {
  std::vector<std::size_t> widths(parts, width / parts);
  for (std::size_t m = 0; m < width % parts; ++m) ++widths[m];
  return widths;
}

ProductCodec::ProductCodec(std::vector<CodebookLayer> layers, Matrix rotation)
    : layers_(std::move(layers)), rotation_(std::move(rotation)), width_(0) {
  for (CodebookLayer& layer : layers_) {
    prepare_codebook(layer, {}, 0.0);
    width_ += layer.residual.cols();
  }
}

CodecFit ProductCodec::fit(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress,
                           FitJournal& journal, const ProductCodec* start) {
  if (options.layers > rows.cols)
    throw InvalidArgument(fmt::format("layers: {} sub-vectors need as many columns at least, the rows have {}",
                                      options.layers, rows.cols));
  if (options.method == QuantizerMethod::opq) return fit_rotated(rows, options, progress, journal, start);
  LayerProgress reporter(progress, options.iterations);
  ProductFit fit(rows, options);
  if (auto found = journal.take_found()) fit.go_on_from(std::move(*found), rows.cols);
  fit.fit(rows, reporter, journal, start);
  return std::move(fit).finish({});
}

std::unique_ptr<const Codec> ProductCodec::load(const QuantizerOptions& options, std::size_t width,
                                                TensorReader& reader) {
  std::vector<CodebookLayer> layers = read_layers(options, width, options.codes_by_layer().size(), reader);
  Matrix rotation;
  if (options.method == QuantizerMethod::opq) rotation = reader.read("rotation", width, width);
  return std::make_unique<ProductCodec>(std::move(layers), std::move(rotation));
}

std::vector<std::size_t> ProductCodec::codebook_sizes() const {
  std::vector<std::size_t> sizes;
  for (const CodebookLayer& layer : layers_) sizes.push_back(layer.size());
  return sizes;
}

std::unique_ptr<Codec::Scratch> ProductCodec::make_scratch() const {
  return std::make_unique<ProductScratch>(*this);
}

const float* ProductCodec::rotated(Scratch& scratch, const float* rows) const {
  if (rotation_.empty()) return rows;
  float* out = static_cast<ProductScratch&>(scratch).rotated.data();
  kernels::matmul({kBlockRows, width_, width_}, {rows, width_}, {rotation_.data(), width_}, {out, width_});
  return out;
}

void ProductCodec::encode(Scratch& scratch, float* rows, std::size_t count, Code* codes) const {
  auto& own = static_cast<ProductScratch&>(scratch);
  const ConstMatrixView block{rotated(scratch, rows), kBlockRows, width_, width_};
  std::size_t first = 0;
  for (std::size_t l = 0; l < layers_.size(); first += layers_[l].residual.cols(), ++l) {
    copy_columns(block, first, own.parts[l].view());
    const auto nearest = own.assignments[l].assign(layers_[l], {own.parts[l].data(), count, nullptr, 0});
    for (std::size_t i = 0; i < count; ++i) codes[i * layers_.size() + l] = static_cast<Code>(nearest[i].index);
  }
}

void ProductCodec::search(Scratch& scratch, const float* rows, std::size_t count, const SearchResult& out) const {
  auto& own = static_cast<ProductScratch&>(scratch);
  const ConstMatrixView block{rotated(scratch, rows), kBlockRows, width_, width_};
  std::vector<Beam> beams(count, Beam(out.beam, layers_.size()));
  for (Beam& beam : beams) beam.start();
  std::size_t first = 0;
  for (std::size_t l = 0; l < layers_.size(); first += layers_[l].residual.cols(), ++l) {
    copy_columns(block, first, own.parts[l].view());
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<double> distances(layers_[l].size());
      for (std::size_t j = 0; j < distances.size(); ++j)
        distances[j] = double{kernels::squared_distance(own.parts[l].row(i), layers_[l].residual.row(j))};
      for (std::size_t p = 0; p < beams[i].size(); ++p)
        for (std::size_t j = 0; j < distances.size(); ++j) beams[i].offer(p, j, beams[i].cost(p) + distances[j]);
      beams[i].keep();
    }
  }
  for (std::size_t i = 0; i < count; ++i) beams[i].write(i, out);
}

void ProductCodec::decode(Scratch& scratch, const Code* codes, std::size_t count, std::size_t depth,
                          float* rows) const {
  auto& own = static_cast<ProductScratch&>(scratch);
  float* out = rotation_.empty() ? rows : own.rotated.data();
  std::fill_n(out, (rotation_.empty() ? count : kBlockRows) * width_, 0.0f);
  for (std::size_t i = 0; i < count; ++i) {
    float* part = out + i * width_;
    for (std::size_t l = 0; l < depth; part += layers_[l].residual.cols(), ++l)
      std::ranges::copy(layers_[l].residual.row(codes[i * layers_.size() + l]), part);
  }
  if (rotation_.empty()) return;
  kernels::matmul({count, width_, width_}, {out, width_}, {rotation_.data(), width_, true}, {rows, width_});
}

bool ProductCodec::is_tie(Scratch& scratch, std::span<const float> row, const Code* a, const Code* b) const {
  Matrix block(kBlockRows, width_);
  std::ranges::copy(row, block.row(0).begin());
  std::span<const float> part{rotated(scratch, block.data()), width_};
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const Matrix& codewords = layers_[l].residual;
    if (a[l] != b[l]) {
      const float first = kernels::squared_distance(part.first(codewords.cols()), codewords.row(a[l]));
      const float second = kernels::squared_distance(part.first(codewords.cols()), codewords.row(b[l]));
      return std::abs(double{first} - second) <= kTieGap * double{std::max(first, second)};
    }
    part = part.subspan(codewords.cols());
  }
  return true;
}

std::unique_ptr<const Codec> ProductCodec::with_means(const CodedRows& fitted) const {
  Matrix rotated(rotation_.empty() ? 0 : fitted.rows.rows, width_);
  if (!rotation_.empty()) rotate(fitted.rows, rotation_, rotated.view());
  const ConstMatrixView rows = rotation_.empty() ? fitted.rows : ConstMatrixView(rotated.view());
  std::vector<CodebookLayer> layers(layers_.size());
  std::size_t first = 0;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const CodeMembers members(fitted, l, layers_[l].size());
    const std::size_t width = layers_[l].residual.cols();
    layers[l].residual = means_of(members, width, [&](std::size_t i, std::span<float> out) {
      std::copy_n(rows.row(i).data() + first, width, out.begin());
    });
    first += width;
  }
  return std::make_unique<ProductCodec>(std::move(layers), rotation_.clone());
}

std::unique_ptr<const Codec> ProductCodec::renamed(std::span<const std::vector<Code>> new_names) const {
  std::vector<CodebookLayer> layers(layers_.size());
  for (std::size_t l = 0; l < layers.size(); ++l) layers[l].residual = rows_renamed(layers_[l].residual, new_names[l]);
  return std::make_unique<ProductCodec>(std::move(layers), rotation_.clone());
}

std::vector<NamedMatrix> ProductCodec::tensors() const {
  return tensors_of(layers_, rotation_);
}

}  // namespace neume::quantize
