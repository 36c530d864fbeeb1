#pragma once
// What popularity and itemknn share: a raw score from counts, and a logit that makes a probability of it.
//
//   logit = a + b * (s - mean) / deviation
//
// mean and deviation are those of the raw scores s of the training samples; a and b are fitted to the samples' labels
// by logistic regression in closed loop (Newton). b is kept above zero, so that the order of the items stays that of s.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "nn/parameter.hpp"
#include "rank/network.hpp"

namespace neume::rank {

/// Intercept, slope, mean and deviation, as they stand in the ranker's folder.
struct Calibration {
  float intercept = 0.0f;
  float slope = 0.0f;
  float mean = 0.0f;
  float deviation = 1.0f;

  float logit(float score) const { return intercept + slope * ((score - mean) / deviation); }
};

/// The least slope: enough to order float logits.
inline constexpr double kLeastSlope = 1e-3;

/// Fits a calibration to `scores` with labels 0 or 1, at least one of them. A penalty of kRidge (a^2 + b^2) / 2 on the
/// sum of the losses keeps it finite where the classes are separable or one is absent. Same bytes for any threads.
Calibration fit_calibration(std::span<const float> scores, std::span<const std::uint8_t> labels);
inline constexpr double kRidge = 1e-3;

/// A model that counts. train() learns nothing at once: it keeps scores and labels for fit_calibration().
class CountingModel : public Network<float> {
 public:
  explicit CountingModel(std::size_t max_batch) : max_batch_(max_batch), calibration_("calibration", 1, 4) {
    keep(Calibration{});
  }

  std::size_t max_batch() const override { return max_batch_; }
  void score(const Batch& batch, std::span<float> logits) override;
  double train(const Batch& batch, const kernels::AdamStep<float>& step) override;
  double compute_gradients(const Batch& batch) override;
  std::vector<nn::ParameterView<float>> parameters() override { return {calibration_.view()}; }
  bool learns_by_gradient() const override { return false; }
  double fit_calibration() override;

  /// The raw scores of a batch. In training (`held_out`) a sample that is itself one of the training positives is
  /// taken out of the counts: it is scored as if its row of the log were not there.
  std::vector<float> raw_scores(const Batch& batch, bool held_out) const;

 protected:
  /// The raw score of sample `s` of a batch. `held_out`: without the user's own liking of the target.
  virtual float raw_score(const Batch& batch, std::size_t s, bool held_out) const = 0;

 private:
  Calibration calibration() const;
  void keep(const Calibration& line);
  double loss_of(std::span<const float> scores, const Batch& batch) const;

  std::size_t max_batch_;
  nn::Parameter<float> calibration_;  // as Calibration's members
  std::vector<float> kept_scores_;
  std::vector<std::uint8_t> kept_labels_;
};

}  // namespace neume::rank
