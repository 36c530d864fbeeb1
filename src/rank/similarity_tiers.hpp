#pragma once
// SimTier (Sheng et al., CIKM 2024, arXiv 2407.19467): how similar the target is to the items of the history, as a
// histogram of cosines for every modality.

#include <cstddef>
#include <vector>

#include "nn/mlp.hpp"
#include "nn/parameter.hpp"
#include "rank/batch.hpp"
#include "rank/content.hpp"

namespace neume::rank {

/// [-1, 1] cut into equal tiers, the last closed above. Of a sample with history j = 1 .. n and target t, tier i of
/// modality m is
///
///   #{ j : cos(f_j^m, f_t^m) in tier i } / T
///
/// with T the largest length of a history. The paper has the bare counts; the constant 1 / T keeps a network's inputs
/// in [0, 1] and what they say of the history's length. An item without the modality, or with the zero vector there,
/// counts nowhere; a target without it leaves zeros.
class SimilarityTiers {
 public:
  struct Shape {
    std::size_t tiers = 20;
    std::size_t max_history = 20;  ///< T
  };
  /// `content` must outlive this. Takes 4 bytes an item and modality, for the norms.
  SimilarityTiers(const Content& content, const Shape& shape);

  /// Values a sample: the tiers of the first modality, from -1 up, then those of the next.
  std::size_t columns() const { return content_.blocks.size() * shape_.tiers; }

  /// Row s of `out`, columns() values, for the samples `range` of the batch. Ranges may be written by different
  /// threads.
  void write(const Batch& batch, nn::RowRange range, nn::Strided<float> out) const;

 private:
  void add_sample(const Batch& batch, std::size_t sample, std::size_t modality, float* tiers) const;

  const Content& content_;
  Shape shape_;
  std::vector<std::vector<float>> inverse_norms_;  // a modality: an item; 0 where there is no direction
};

}  // namespace neume::rank
