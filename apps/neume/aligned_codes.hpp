#pragma once
// The codes of qarm (arXiv 2411.11739, "quantitative code"): content is aligned with the training log
// (rank/alignment.hpp), the aligned vectors are quantized, and the codes are what the ranker reads.

#include <cstddef>
#include <string>

#include <neume/progress.hpp>
#include <neume/ranker.hpp>

#include "rank/training.hpp"

namespace neume::app {

struct AlignedCodesReport {
  std::size_t num_pairs = 0;  ///< of an epoch
  std::size_t epochs = 0;
  double first_loss = 0.0;  ///< mean of the first epoch's pairs, and of the last's
  double last_loss = 0.0;

  /// "alignment of 120 pairs: loss 6.1 in epoch 1, 4.2 in epoch 5"
  std::string text() const;
};

/// Replaces the semantic IDs of `data` by the families aligned_vq (one layer of k codes) and aligned_rq (residual
/// k-means), made of its content vectors: k and the layers of aligned_rq are those of the first family that was there.
/// Items without content have no codes. Where the options start tables from centroids, `data.tables` becomes those of
/// the two. The content vectors are let go of: the codes stand for them. Depends on data and options alone (the seed,
/// align-epochs and align-width among them), so a training that goes on makes the same codes again.
///
/// Differs from the paper in the VQ code, which there is the list of the 25 nearest of N item vectors.
///
/// Throws InvalidArgument without content or without a family, DataError where the log has nothing to align by, or
/// there are fewer distinct vectors than codes.
AlignedCodesReport make_aligned_codes(rank::TrainingData& data, const RankerOptions& options,
                                      const ProgressFn& progress);

}  // namespace neume::app
