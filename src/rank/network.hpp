#pragma once
// What every ranking model implements: scores for a batch, one training step, its parameters by name. The training
// loop, the ranker's folder, evaluation and export know no more than this.

#include <functional>
#include <span>
#include <vector>

#include "kernels/elementwise.hpp"
#include "nn/parameter.hpp"
#include "rank/batch.hpp"

namespace neume::rank {

/// Makes the batch that will be trained after the present one, while that one trains; called once, on any thread. The
/// batch must stay as it is until it is trained. nullptr: there is none.
using NextBatch = std::function<const Batch*()>;

/// T = float in use; T = double for gradient checks. One batch at a time; parallel inside, with the same bytes for any
/// number of threads.
template <class T>
class Network {
 public:
  virtual ~Network() = default;

  /// Samples that a batch may have.
  virtual std::size_t max_batch() const = 0;

  /// Logits of a batch of at most max_batch() samples.
  virtual void score(const Batch& batch, std::span<T> logits) = 0;

  /// One Adam step on the mean binary cross-entropy of a batch; returns the sum of the samples' losses before the step.
  /// Tables of which a batch touches few rows (items, users) move in those rows alone (lazy Adam).
  virtual double train(const Batch& batch, const kernels::AdamStep<T>& step) = 0;

  /// The same; `next` is called during the step, and the next call must be train() with the batch that it made.
  virtual double train(const Batch& batch, const kernels::AdamStep<T>& step, const NextBatch& next) {
    const double loss = train(batch, step);
    if (next) next();
    return loss;
  }

  /// Forward and backward without a step: gradients stay in parameters(). Returns the same sum.
  virtual double compute_gradients(const Batch& batch) = 0;

  /// Every parameter. A table with lazy Adam has no gradient view.
  virtual std::vector<nn::ParameterView<T>> parameters() = 0;

  /// To be called after parameters were written from outside.
  virtual void parameters_changed() {}

  /// Epochs that are trained before the options' own, for a part of the model that the rest builds on (MAKE).
  virtual std::size_t extra_epochs() const { return 0; }

  /// Epoch 1, 2, ..., the extra ones first, begins: train() and score() are of that epoch's model from now on. A
  /// network that was not told is in epoch 1; one that is loaded to score is told the last.
  virtual void begin_epoch(std::size_t epoch) { static_cast<void>(epoch); }

  /// False for the models that count (popularity, itemknn): train() moves nothing but keeps each sample's score and
  /// label, one pass over the training samples is enough, and fit_calibration() must end it.
  virtual bool learns_by_gradient() const { return true; }

  /// Fits the logits of a model that counts to what train() kept, and forgets that. Returns the sum of the samples'
  /// losses afterwards; 0 for a model that learns by gradient, where there is nothing to do.
  virtual double fit_calibration() { return 0.0; }
};

}  // namespace neume::rank
