#include "rank/counting_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/parallel.hpp"
#include "nn/loss.hpp"

namespace neume::rank {

namespace {

constexpr std::size_t kSumChunk = 65536;  // samples a partial sum
constexpr std::size_t kScoreChunk = 64;   // samples a task
constexpr int kMaxNewtonSteps = 50;
constexpr int kMaxHalvings = 40;

/// Sums over the samples at one (a, b): the penalised loss, its gradient and the upper triangle of its Hessian.
struct Sums {
  double loss = 0.0;
  std::array<double, 2> gradient{};
  std::array<double, 3> hessian{};  // aa, ab, bb

  void add(const Sums& other) {
    loss += other.loss;
    for (std::size_t i = 0; i < 2; ++i) gradient[i] += other.gradient[i];
    for (std::size_t i = 0; i < 3; ++i) hessian[i] += other.hessian[i];
  }
};

struct Line {
  double intercept = 0.0;
  double slope = 0.0;
};

/// A logistic regression on one number a sample.
class LogisticFit {
 public:
  LogisticFit(std::span<const float> scores, std::span<const std::uint8_t> labels) : scores_(scores), labels_(labels) {
    const auto n = static_cast<double>(scores.size());
    for (const float s : scores) mean_ += s / n;
    double squares = 0.0;
    for (const float s : scores) squares += (s - mean_) * (s - mean_) / n;
    deviation_ = squares > 0.0 ? std::sqrt(squares) : 1.0;
  }

  Calibration fit() const {
    Line line = minimise({}, true);
    if (line.slope < kLeastSlope) line = minimise({line.intercept, kLeastSlope}, false);
    return {static_cast<float>(line.intercept), static_cast<float>(line.slope), static_cast<float>(mean_),
            static_cast<float>(deviation_)};
  }

 private:
  Sums sums_of(std::size_t begin, std::size_t end, const Line& line) const {
    Sums sums;
    for (std::size_t i = begin; i < end; ++i) {
      const double x = (scores_[i] - mean_) / deviation_;
      const double z = line.intercept + line.slope * x;
      const double y = labels_[i];
      const double p = nn::sigmoid(z);
      sums.add(
          {nn::binary_cross_entropy(z, y), {p - y, (p - y) * x}, {p * (1 - p), p * (1 - p) * x, p * (1 - p) * x * x}});
    }
    return sums;
  }

  Sums evaluate(const Line& line) const {
    std::vector<Sums> parts(base::num_chunks(scores_.size(), kSumChunk));
    base::parallel_for(parts.size(), [&](std::size_t chunk) {
      parts[chunk] = sums_of(chunk * kSumChunk, std::min(scores_.size(), (chunk + 1) * kSumChunk), line);
    });
    Sums total{kRidge * (line.intercept * line.intercept + line.slope * line.slope) / 2,
               {kRidge * line.intercept, kRidge * line.slope},
               {kRidge, 0.0, kRidge}};
    for (const Sums& part : parts) total.add(part);
    return total;
  }

  /// Newton's direction; in the intercept alone where the slope is fixed.
  static Line direction(const Sums& at, bool slope_is_free) {
    const auto [aa, ab, bb] = at.hessian;
    if (!slope_is_free) return {-at.gradient[0] / aa, 0.0};
    const double determinant = aa * bb - ab * ab;
    return {-(bb * at.gradient[0] - ab * at.gradient[1]) / determinant,
            -(aa * at.gradient[1] - ab * at.gradient[0]) / determinant};
  }

  /// Newton with halved steps: the penalised loss is strictly convex, so this ends at its minimum.
  Line minimise(Line line, bool slope_is_free) const {
    Sums at = evaluate(line);
    for (int step = 0; step < kMaxNewtonSteps; ++step) {
      const Line d = direction(at, slope_is_free);
      double size = 1.0;
      bool moved = false;
      for (int halving = 0; halving < kMaxHalvings && !moved; ++halving, size /= 2) {
        const Line next{line.intercept + size * d.intercept, line.slope + size * d.slope};
        const Sums there = evaluate(next);
        if (there.loss >= at.loss) continue;
        line = next;
        at = there;
        moved = true;
      }
      if (!moved) break;
    }
    return line;
  }

  std::span<const float> scores_;
  std::span<const std::uint8_t> labels_;
  double mean_ = 0.0;
  double deviation_ = 1.0;
};

}  // namespace

Calibration fit_calibration(std::span<const float> scores, std::span<const std::uint8_t> labels) {
  return LogisticFit(scores, labels).fit();
}

std::vector<float> CountingModel::raw_scores(const Batch& batch, bool held_out) const {
  std::vector<float> scores(batch.size());
  base::parallel_for(base::num_chunks(batch.size(), kScoreChunk), [&](std::size_t chunk) {
    const std::size_t end = std::min(batch.size(), (chunk + 1) * kScoreChunk);
    for (std::size_t s = chunk * kScoreChunk; s < end; ++s) {
      scores[s] = raw_score(batch, s, held_out && batch.labels[s] > 0.5f);
    }
  });
  return scores;
}

Calibration CountingModel::calibration() const {
  const float* values = calibration_.values();
  return {values[0], values[1], values[2], values[3]};
}

void CountingModel::keep(const Calibration& line) {
  std::ranges::copy(std::array{line.intercept, line.slope, line.mean, line.deviation}, calibration_.values());
}

void CountingModel::score(const Batch& batch, std::span<float> logits) {
  const Calibration line = calibration();
  const std::vector<float> scores = raw_scores(batch, false);
  std::ranges::transform(scores, logits.begin(), [&](float s) { return line.logit(s); });
}

double CountingModel::train(const Batch& batch, const kernels::AdamStep<float>& /*step*/) {
  const std::vector<float> scores = raw_scores(batch, true);
  kept_scores_.insert(kept_scores_.end(), scores.begin(), scores.end());
  for (const float label : batch.labels) kept_labels_.push_back(label > 0.5f ? 1 : 0);
  return loss_of(scores, batch);
}

double CountingModel::compute_gradients(const Batch& batch) {
  return loss_of(raw_scores(batch, true), batch);
}

double CountingModel::loss_of(std::span<const float> scores, const Batch& batch) const {
  const Calibration line = calibration();
  double loss = 0.0;
  for (std::size_t s = 0; s < batch.size(); ++s) {
    loss += static_cast<double>(nn::binary_cross_entropy(line.logit(scores[s]), batch.labels[s]));
  }
  return loss;
}

double CountingModel::fit_calibration() {
  if (kept_scores_.empty()) return 0.0;
  const Calibration line = rank::fit_calibration(kept_scores_, kept_labels_);
  keep(line);
  double loss = 0.0;
  for (std::size_t i = 0; i < kept_scores_.size(); ++i) {
    loss +=
        static_cast<double>(nn::binary_cross_entropy(line.logit(kept_scores_[i]), static_cast<float>(kept_labels_[i])));
  }
  kept_scores_.clear();
  kept_labels_.clear();
  return loss;
}

}  // namespace neume::rank
