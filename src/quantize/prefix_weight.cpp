#include "quantize/prefix_weight.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/sample.hpp"
#include "kernels/argmin.hpp"
#include "quantize/fit_journal.hpp"
#include "quantize/residual_codec.hpp"

namespace neume::quantize {

namespace {

constexpr double kLargestWeight = 16.0;  // layers are copies of the first long before
constexpr int kHalvings = 6;

/// At most kTrialRows of the rows, in their order.
Matrix sample_of(ConstMatrixView rows, std::uint64_t seed) {
  const std::vector<std::uint32_t> drawn = base::draw_sample(rows.rows, kTrialRows, seed);
  Matrix sample(drawn.size(), rows.cols);
  for (std::size_t i = 0; i < drawn.size(); ++i) std::ranges::copy(rows.row(drawn[i]), sample.row(i).begin());
  return sample;
}

double sum_of_squares(ConstMatrixView rows) {
  double sum = 0.0;
  for (std::size_t i = 0; i < rows.rows; ++i) sum += double{kernels::squared_norm(rows.row(i))};
  return sum;
}

/// Tries weights and remembers what came out.
class Trials {
 public:
  Trials(Matrix rows, const QuantizerOptions& options, const ProgressFn& progress)
      : rows_(std::move(rows)), options_(options), progress_(progress), total_(sum_of_squares(rows_.view())) {
    options_.choose_prefix_weight = false;
  }

  double explained(double weight) {
    options_.prefix_weight = weight;
    Matrix residuals = rows_.clone();
    const std::string trial = fmt::format("prefix weight {:.4g}: ", weight);
    const ProgressFn report = [&](const ProgressUpdate& update) {
      if (!progress_) return;
      ProgressUpdate named = update;
      const std::string stage = trial + std::string(update.stage);
      named.stage = stage;
      progress_(named);
    };
    FitJournal not_kept;
    ResidualCodec::fit(residuals.view(), options_, report, not_kept);
    const double variance = total_ > 0.0 ? 1.0 - sum_of_squares(residuals.view()) / total_ : 1.0;
    const auto place = std::ranges::lower_bound(trials_, weight, {}, &PrefixWeightTrial::prefix_weight);
    trials_.insert(place, {weight, variance});
    return variance;
  }

  const std::vector<PrefixWeightTrial>& all() const { return trials_; }
  std::size_t rows() const { return rows_.rows(); }

 private:
  Matrix rows_;
  QuantizerOptions options_;
  const ProgressFn& progress_;
  double total_;
  std::vector<PrefixWeightTrial> trials_;
};

}  // namespace

PrefixWeightChoice choose_prefix_weight(ConstMatrixView rows, const QuantizerOptions& options,
                                        const ProgressFn& progress) {
  Trials trials(sample_of(rows, options.seed), options, progress);
  PrefixWeightChoice choice;
  choice.rows = trials.rows();
  choice.needed = options.prefix_weight_share * trials.explained(0.0);
  double low = 0.0, high = 1.0;
  while (high <= kLargestWeight && trials.explained(high) >= choice.needed) {
    low = high;
    high *= 2.0;
  }
  for (int halving = 0; halving < kHalvings && high <= kLargestWeight; ++halving) {
    const double middle = 0.5 * (low + high);
    (trials.explained(middle) >= choice.needed ? low : high) = middle;
  }
  choice.prefix_weight = low;
  choice.trials = trials.all();
  return choice;
}

}  // namespace neume::quantize
