#pragma once
// Item alignment of QARM (Luo et al. 2024, arXiv 2411.11739, "item alignment"): content vectors are mapped to where
// items that the same users like lie near each other, by contrastive learning.
//
//   x_i  = [f_i^1 ; f_i^2 ; ...]        content of all modalities, scaled so that the mean square of an entry is 1
//   z_i  = y_i / |y_i|,  y_i = mlp(x_i)                  inputs -> hidden -> width, relu between
//   loss = mean over the pairs (a, b) of a batch of -log( exp(z_a . z_b / tau) / sum over b' exp(z_a . z_b' / tau) )
//
// b' runs over the second items of all pairs of the batch (InfoNCE with in-batch negatives, van den Oord et al. 2018),
// less those of other pairs that are a or b themselves. A pair is a training positive of a user and another positive of
// the same user, drawn anew in every epoch. What differs from the paper: it fine-tunes a large multi-modal model on
// pairs that retrieval models in production find; here a small network stands on given content vectors, and the log
// gives the pairs.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/progress.hpp>

#include "base/buffer.hpp"
#include "data/histories.hpp"
#include "data/interactions.hpp"
#include "nn/mlp.hpp"
#include "rank/content.hpp"

namespace neume::rank {

/// The code families that qarm reads: codes of the aligned vectors, by one codebook and by several.
inline constexpr const char* kAlignedVq = "aligned_vq";
inline constexpr const char* kAlignedRq = "aligned_rq";

struct AlignmentOptions {
  std::size_t width = 64;  ///< of the aligned vectors
  std::size_t hidden = 256;
  std::size_t epochs = 5;  ///< passes over the positives
  std::size_t batch_size = 512;
  double temperature = 0.07;  ///< tau, as in SimCLR and CLIP's start
  double learning_rate = 1e-3;
  std::size_t shuffle_rows = 100'000'000;  ///< rows of the log that are shuffled together (rank/shuffled_order.hpp)
  std::uint64_t seed = 1;
};

struct AlignedItems {
  Matrix rows;                        ///< num_items x width, each of norm 1; zeros where missing
  std::vector<std::uint8_t> present;  ///< num_items; 0 where the item has no modality at all
  std::size_t num_pairs = 0;          ///< of an epoch
  std::vector<double> losses;         ///< mean of each epoch, every pair before its step; nats
};

/// Aligns all items that have content (a modality that one of them lacks is zeros) on the positives of `log`, whose
/// histories are `histories`. The same bytes for any number of threads. Throws InvalidArgument without content,
/// DataError where no user has two positives with content. Costs a pass of the network over both items of every pair.
AlignedItems align_items(const Content& content, const data::Interactions& log, const data::Histories& histories,
                         const AlignmentOptions& options, const ProgressFn& progress = {});

/// Two items that one user likes.
struct ItemPair {
  std::uint32_t anchor = 0;
  std::uint32_t positive = 0;
};

/// The network and its loss. T = float in use; T = double for gradient checks. Parallel inside, with the same bytes for
/// any number of threads.
template <class T>
class AlignmentNetwork {
 public:
  /// `content` must outlive it. Throws InvalidArgument where it is empty.
  AlignmentNetwork(const Content& content, const AlignmentOptions& options);

  std::size_t width() const { return options_.width; }
  /// Items that one call of embed() may have.
  std::size_t max_items() const { return 2 * options_.batch_size; }

  /// Forward and backward of at most batch_size pairs and, unless `step` is null, one Adam step on their mean loss.
  /// Returns the sum of the pairs' losses before the step.
  double train(std::span<const ItemPair> pairs, const kernels::AdamStep<T>* step);

  /// z of at most max_items() items, items.size() x width.
  void embed(std::span<const std::uint32_t> items, std::span<T> rows);

  std::vector<nn::ParameterView<T>> parameters();

 private:
  void forward(std::span<const std::uint32_t> items);
  void gather(nn::RowRange rows, std::span<const std::uint32_t> items);
  void normalise(nn::RowRange rows);
  void contrast(nn::RowRange anchors, std::span<const ItemPair> pairs);
  void backward(nn::RowRange rows);

  const Content& content_;
  AlignmentOptions options_;
  std::size_t inputs_;
  std::vector<std::uint32_t> items_;  // of a batch: the anchors, then the positives
  base::Buffer<T> x_;                 // items x inputs
  base::Buffer<T> z_;                 // items x width: y, then z
  base::Buffer<T> norms_;             // items: |y|
  base::Buffer<T> gradients_;         // items x width: d loss / d z, then d loss / d y
  base::Buffer<T> scores_;            // pairs x pairs: z_a . z_b' / tau, then d loss / d (z_a . z_b')
  std::vector<double> losses_;
  nn::Mlp<T> mlp_;
};

extern template class AlignmentNetwork<float>;
extern template class AlignmentNetwork<double>;

}  // namespace neume::rank
