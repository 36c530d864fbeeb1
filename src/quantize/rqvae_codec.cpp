#include "quantize/rqvae_codec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include <neume/error.hpp>

#include "base/buffer.hpp"
#include "base/parallel.hpp"
#include "kernels/argmin.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/matmul.hpp"
#include "quantize/assignment.hpp"
#include "quantize/kmeans.hpp"
#include "quantize/rqvae_training.hpp"

namespace neume::quantize {

namespace {

std::size_t widest(const std::vector<DenseWeights>& layers) {
  std::size_t width = 0;
  for (const DenseWeights& layer : layers) width = std::max(width, layer.weights.rows());
  return width;
}

struct RqVaeScratch : Codec::Scratch {
  RqVaeScratch(const std::vector<DenseWeights>& encoder, const std::vector<DenseWeights>& decoder,
               const ResidualCodec& codec)
      : rows(kBlockRows * encoder.front().weights.cols()),
        latents(kBlockRows * codec.width()),
        first(kBlockRows * std::max(widest(encoder), widest(decoder))),
        second(first.size()),
        latent(codec.make_scratch()) {}

  base::Buffer<float> rows;     // in units: kBlockRows x d
  base::Buffer<float> latents;  // kBlockRows x latent width
  base::Buffer<float> first;    // activations, by turns
  base::Buffer<float> second;
  std::unique_ptr<Codec::Scratch> latent;
};

/// Runs a whole block through the layers; returns the last one's output, kBlockRows x its width. `x` is not `first`.
float* run_layers(const std::vector<DenseWeights>& layers, const float* x, float* first, float* second) {
  float* y = first;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const std::size_t inputs = layers[l].weights.cols(), outputs = layers[l].weights.rows();
    y = l % 2 == 0 ? first : second;
    kernels::matmul({kBlockRows, outputs, inputs}, {x, inputs}, {layers[l].weights.data(), inputs, true}, {y, outputs});
    const kernels::Block<float> block{y, kBlockRows, outputs, outputs};
    if (l + 1 < layers.size()) {
      kernels::add_bias_relu(block, layers[l].bias.data());
    } else {
      kernels::add_bias(block, layers[l].bias.data());
    }
    x = y;
  }
  return y;
}

void add_tensors(const std::string& name, const std::vector<DenseWeights>& layers, std::vector<NamedMatrix>& tensors) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    tensors.push_back({fmt::format("{}.{}.weight", name, l), layers[l].weights.clone()});
    tensors.push_back({fmt::format("{}.{}.bias", name, l), layers[l].bias.clone()});
  }
}

/// Layers from widths[0] to widths[1] and so on.
std::vector<DenseWeights> read_layers(const std::string& name, const std::vector<std::size_t>& widths,
                                      TensorReader& reader) {
  std::vector<DenseWeights> layers;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    Matrix weights = reader.read(fmt::format("{}.{}.weight", name, l), widths[l + 1], widths[l]);
    Matrix bias = reader.read(fmt::format("{}.{}.bias", name, l), 1, widths[l + 1]);
    layers.push_back({std::move(weights), std::move(bias)});
  }
  return layers;
}

}  // namespace

RqVaeCodec::RqVaeCodec(std::vector<DenseWeights> encoder, std::vector<DenseWeights> decoder,
                       std::unique_ptr<const ResidualCodec> latent, float unit)
    : encoder_(std::move(encoder)), decoder_(std::move(decoder)), latent_(std::move(latent)), unit_(unit) {}

CodecFit RqVaeCodec::fit(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress,
                         FitJournal& journal) {
  const auto start = std::chrono::steady_clock::now();
  RqVaeWeights weights = train_rqvae(rows, options, progress, journal);
  auto codec = std::make_unique<RqVaeCodec>(std::move(weights.encoder), std::move(weights.decoder),
                                            std::move(weights.latent), weights.unit);
  CodecFit fit;
  fit.codes = encode_mapped(*codec, rows);
  fit.reports = std::move(weights.reports);
  const std::vector<double> objectives = codec->latent_objectives(rows, fit.codes);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (std::size_t l = 0; l < fit.reports.size(); ++l) {
    if (!std::isfinite(objectives[l]))
      throw DataError(
          fmt::format("rqvae: training diverged in its last step: expected finite distances in layer {}, found {}; "
                      "lower --rqvae-learning-rate (now {})",
                      l + 1, objectives[l], options.rqvae.learning_rate));
    fit.reports[l].objective.push_back(objectives[l]);
    fit.reports[l].seconds = seconds / static_cast<double>(fit.reports.size());
  }
  fit.codec = std::move(codec);
  return fit;
}

std::vector<double> RqVaeCodec::latent_objectives(ConstMatrixView rows, std::span<const Code> codes) const {
  const std::size_t layers = num_layers(), width = latent_->width();
  const ChunkPlan plan(rows.rows);
  std::vector<std::vector<double>> sums(plan.count, std::vector<double>(layers));
  base::parallel_for(plan.count, [&](std::size_t chunk) {
    const auto scratch = make_scratch();
    Matrix block(kBlockRows, rows.cols);
    for (std::size_t begin = plan.begin(chunk); begin < plan.end(chunk); begin += kBlockRows) {
      const std::size_t count = std::min(kBlockRows, plan.end(chunk) - begin);
      for (std::size_t i = 0; i < count; ++i) std::ranges::copy(rows.row(begin + i), block.row(i).begin());
      float* latents = encode_latents(*scratch, block.data(), count);
      for (std::size_t i = 0; i < count; ++i) {
        const std::span<float> residual{latents + i * width, width};
        for (std::size_t l = 0; l < layers; ++l) {
          subtract_codeword(residual, latent_->layers()[l].residual.row(codes[(begin + i) * layers + l]));
          sums[chunk][l] += double{kernels::squared_norm(residual)};
        }
      }
    }
  });
  std::vector<double> means(layers, 0.0);
  for (const auto& part : sums)
    for (std::size_t l = 0; l < layers; ++l) means[l] += part[l] / static_cast<double>(rows.rows);
  return means;
}

std::unique_ptr<const Codec> RqVaeCodec::load(const QuantizerOptions& options, std::size_t width,
                                              TensorReader& reader) {
  std::vector<std::size_t> widths{width};
  widths.insert(widths.end(), options.rqvae.hidden.begin(), options.rqvae.hidden.end());
  widths.push_back(options.rqvae.latent_width);
  const float unit = *reader.read("unit", 1, 1).data();
  if (!(unit > 0.0f))
    throw InvalidArgument(fmt::format("tensor unit: expected a positive number, found {}; the file is damaged", unit));
  std::vector<DenseWeights> encoder = read_layers("encoder", widths, reader);
  std::reverse(widths.begin(), widths.end());
  std::vector<DenseWeights> decoder = read_layers("decoder", widths, reader);
  std::vector<CodebookLayer> layers;
  const std::vector<std::size_t> sizes = options.codes_by_layer();
  for (std::size_t l = 0; l < sizes.size(); ++l) {
    layers.emplace_back();
    layers.back().residual = reader.read(fmt::format("layer{}.centroids", l), sizes[l], options.rqvae.latent_width);
  }
  return std::make_unique<RqVaeCodec>(std::move(encoder), std::move(decoder),
                                      std::make_unique<const ResidualCodec>(std::move(layers), 0.0), unit);
}

std::size_t RqVaeCodec::width() const {
  return encoder_.front().weights.cols();
}

std::unique_ptr<Codec::Scratch> RqVaeCodec::make_scratch() const {
  return std::make_unique<RqVaeScratch>(encoder_, decoder_, *latent_);
}

float* RqVaeCodec::encode_latents(Scratch& scratch, const float* rows, std::size_t count) const {
  auto& own = static_cast<RqVaeScratch&>(scratch);
  for (std::size_t i = 0; i < count * width(); ++i) own.rows[i] = rows[i] / unit_;
  std::fill(own.rows.begin() + count * width(), own.rows.end(), 0.0f);
  const float* latents = run_layers(encoder_, own.rows.data(), own.first.data(), own.second.data());
  std::copy_n(latents, count * latent_->width(), own.latents.data());
  std::fill(own.latents.begin() + count * latent_->width(), own.latents.end(), 0.0f);
  return own.latents.data();
}

void RqVaeCodec::encode(Scratch& scratch, float* rows, std::size_t count, Code* codes) const {
  float* latents = encode_latents(scratch, rows, count);
  latent_->encode(*static_cast<RqVaeScratch&>(scratch).latent, latents, count, codes);
}

void RqVaeCodec::search(Scratch& scratch, const float* rows, std::size_t count, const SearchResult& out) const {
  const float* latents = encode_latents(scratch, rows, count);
  latent_->search(*static_cast<RqVaeScratch&>(scratch).latent, latents, count, out);
}

void RqVaeCodec::decode(Scratch& scratch, const Code* codes, std::size_t count, std::size_t depth, float* rows) const {
  auto& own = static_cast<RqVaeScratch&>(scratch);
  latent_->decode(*own.latent, codes, count, depth, own.latents.data());
  std::fill(own.latents.begin() + count * latent_->width(), own.latents.end(), 0.0f);
  const float* decoded = run_layers(decoder_, own.latents.data(), own.first.data(), own.second.data());
  for (std::size_t i = 0; i < count * width(); ++i) rows[i] = decoded[i] * unit_;
}

bool RqVaeCodec::is_tie(Scratch& scratch, std::span<const float> row, const Code* a, const Code* b) const {
  const float* latent = encode_latents(scratch, row.data(), 1);
  return latent_->is_tie(*static_cast<RqVaeScratch&>(scratch).latent, {latent, latent_->width()}, a, b);
}

std::vector<NamedMatrix> RqVaeCodec::tensors() const {
  std::vector<NamedMatrix> tensors;
  Matrix unit(1, 1);
  *unit.data() = unit_;
  tensors.push_back({"unit", std::move(unit)});
  add_tensors("encoder", encoder_, tensors);
  add_tensors("decoder", decoder_, tensors);
  for (NamedMatrix& tensor : latent_->tensors()) tensors.push_back(std::move(tensor));
  return tensors;
}

}  // namespace neume::quantize
