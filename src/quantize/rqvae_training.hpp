#pragma once
// Training of an RQ-VAE: which rows a step sees, how large it is, where the codewords begin and when they are moved.

#include <cstddef>
#include <memory>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/progress.hpp>
#include <neume/quantizer.hpp>

#include "quantize/fit_journal.hpp"
#include "quantize/residual_codec.hpp"
#include "quantize/rqvae_codec.hpp"

namespace neume::quantize {

/// Passes over N rows, and steps of as equal a number of rows as can be.
struct RqVaePlan {
  RqVaePlan(std::size_t rows, const RqVaeOptions& options);

  /// Row positions of step `step` of an epoch: [begin(step), begin(step + 1)).
  std::size_t begin(std::size_t step) const { return rows * step / steps_per_epoch; }
  std::size_t num_steps() const { return epochs * steps_per_epoch; }
  /// Rows of the largest step.
  std::size_t max_batch() const { return (rows + steps_per_epoch - 1) / steps_per_epoch; }

  std::size_t rows;
  std::size_t steps_per_epoch;
  std::size_t epochs;  ///< options.epochs; 0 is replaced by what its help text says
};

struct RqVaeWeights {
  std::vector<DenseWeights> encoder;
  std::vector<DenseWeights> decoder;
  std::unique_ptr<const ResidualCodec> latent;
  float unit = 1.0f;                 ///< root mean square of the rows' entries; 1 where they are all zero
  std::vector<LayerReport> reports;  ///< of training alone: the objective of the final codes is not there yet
};

/// Trains encoder, codebooks and decoder on mapped rows (N x d, N > 0). Same bytes for any number of threads. Throws
/// DataError where layer 1 asks for more codes than there are distinct rows, and where the loss stops being finite.
/// Costs 6 floating-point operations a weight, row and epoch; memory for one step and the weights four times. Keeps its
/// state in the journal after an epoch, when that costs no more than a twentieth of the time, and at the end.
RqVaeWeights train_rqvae(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress,
                         FitJournal& journal);

}  // namespace neume::quantize
