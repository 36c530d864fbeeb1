#pragma once
// rqvae: residual quantization of what an encoder network makes of a row (RqVaeOptions has the loss).

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <neume/quantizer.hpp>

#include "quantize/codec.hpp"
#include "quantize/residual_codec.hpp"

namespace neume::quantize {

class FitJournal;

/// A fitted layer of the encoder or decoder: y = x W^T + b, relu but in the last one.
struct DenseWeights {
  Matrix weights;  ///< outputs x inputs
  Matrix bias;     ///< 1 x outputs
};

class RqVaeCodec : public Codec {
 public:
  /// `unit` divides rows on their way in and multiplies them on their way out.
  RqVaeCodec(std::vector<DenseWeights> encoder, std::vector<DenseWeights> decoder,
             std::unique_ptr<const ResidualCodec> latent, float unit);

  /// Trains encoder, codebooks and decoder on mapped rows, N x d without padding. A stage of the journal is an epoch.
  /// Throws as Quantizer::fit.
  static CodecFit fit(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress,
                      FitJournal& journal);

  /// Reads what tensors() names.
  static std::unique_ptr<const Codec> load(const QuantizerOptions& options, std::size_t width, TensorReader& reader);

  std::size_t width() const override;
  std::vector<std::size_t> codebook_sizes() const override { return latent_->codebook_sizes(); }
  std::unique_ptr<Scratch> make_scratch() const override;
  void encode(Scratch& scratch, float* rows, std::size_t count, Code* codes) const override;
  void search(Scratch& scratch, const float* rows, std::size_t count, const SearchResult& out) const override;
  void decode(Scratch& scratch, const Code* codes, std::size_t count, std::size_t depth, float* rows) const override;
  bool is_tie(Scratch& scratch, std::span<const float> row, const Code* a, const Code* b) const override;
  std::unique_ptr<const Codec> with_means(const CodedRows&) const override { return nullptr; }
  std::unique_ptr<const Codec> renamed(std::span<const std::vector<Code>>) const override { return nullptr; }
  std::vector<NamedMatrix> tensors() const override;

 private:
  /// Latents of `count` rows (count x d) in the scratch's memory, kBlockRows x latent width, zero after the last row.
  float* encode_latents(Scratch& scratch, const float* rows, std::size_t count) const;

  /// Mean of |r_l - e_l|^2 for every layer.
  std::vector<double> latent_objectives(ConstMatrixView rows, std::span<const Code> codes) const;

  std::vector<DenseWeights> encoder_;
  std::vector<DenseWeights> decoder_;
  std::unique_ptr<const ResidualCodec> latent_;
  float unit_;
};

}  // namespace neume::quantize
