#pragma once
// pq and opq: every layer codes some of the columns, in opq after a rotation.

#include <memory>
#include <vector>

#include <neume/quantizer.hpp>

#include "quantize/codebook_layer.hpp"
#include "quantize/codec.hpp"

namespace neume::quantize {

class FitJournal;

/// Columns of each of `parts` sub-vectors of a row of `width` columns: as equal as can be, the wider ones first.
std::vector<std::size_t> sub_vector_widths(std::size_t width, std::size_t parts);

class ProductCodec : public Codec {
 public:
  /// One codebook a sub-vector; `rotation` is d x d, or empty for pq.
  ProductCodec(std::vector<CodebookLayer> layers, Matrix rotation);

  /// Fits pq or opq to mapped rows, N x d without padding. opq starts from pq's own fit, or from that on the principal
  /// axes where it is better, and then lowers the same objective by turns: the best rotation for the codes, the
  /// best codes for the rotation. So it is never worse than pq on the fitted rows. A stage of the journal is a
  /// sub-vector of pq; of opq the start and then every turn. Throws as Quantizer::fit.
  /// `start`, of the same shape, gives the rotation and the codewords to start from instead.
  static CodecFit fit(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress,
                      FitJournal& journal, const ProductCodec* start = nullptr);

  /// Reads what tensors() names.
  static std::unique_ptr<const Codec> load(const QuantizerOptions& options, std::size_t width, TensorReader& reader);

  std::size_t width() const override { return width_; }
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
  const Matrix& rotation() const { return rotation_; }

 private:
  const float* rotated(Scratch& scratch, const float* rows) const;

  std::vector<CodebookLayer> layers_;
  Matrix rotation_;
  std::size_t width_;
};

}  // namespace neume::quantize
