#pragma once
// vq, rq and psrq: every layer codes what the layers before it have left over.

#include <memory>
#include <vector>

#include <neume/quantizer.hpp>

#include "quantize/codebook_layer.hpp"
#include "quantize/codec.hpp"

namespace neume::quantize {

class FitJournal;

class ResidualCodec : public Codec {
 public:
  /// Takes codewords (and prices) only; bias and tables are computed here. Throws InvalidArgument where a table would
  /// be too large.
  ResidualCodec(std::vector<CodebookLayer> layers, double prefix_weight);

  /// Fits the method of `options` (psrq, rq or vq, balanced or not) to mapped rows, N x d without padding, which become
  /// the last residuals. A stage of the journal is a layer. Throws as Quantizer::fit.
  /// `start`, of the same shape, gives the codewords that every layer's k-means starts from.
  static CodecFit fit(MatrixView rows, const QuantizerOptions& options, const ProgressFn& progress, FitJournal& journal,
                      const ResidualCodec* start = nullptr);

  /// Reads what tensors() names.
  static std::unique_ptr<const Codec> load(const QuantizerOptions& options, std::size_t width, TensorReader& reader);

  std::size_t width() const override { return layers_.front().residual.cols(); }
  std::vector<std::size_t> codebook_sizes() const override;
  std::unique_ptr<Scratch> make_scratch() const override;
  void encode(Scratch& scratch, float* rows, std::size_t count, Code* codes) const override;
  void search(Scratch& scratch, const float* rows, std::size_t count, const SearchResult& out) const override;
  void decode(Scratch& scratch, const Code* codes, std::size_t count, std::size_t depth, float* rows) const override;
  bool is_tie(Scratch& scratch, std::span<const float> row, const Code* a, const Code* b) const override;
  std::unique_ptr<const Codec> with_means(const CodedRows& fitted) const override;
  std::unique_ptr<const Codec> renamed(std::span<const std::vector<Code>> new_names) const override;
  std::vector<NamedMatrix> tensors() const override;

  const std::vector<CodebookLayer>& layers() const { return layers_; }
  double prefix_weight() const { return prefix_weight_; }

 private:
  std::vector<CodebookLayer> layers_;
  double prefix_weight_;
};

}  // namespace neume::quantize
