#include "quantize/rqvae_training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <span>
#include <unordered_set>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "kernels/argmin.hpp"
#include "quantize/assignment.hpp"
#include "quantize/kmeans.hpp"
#include "quantize/rqvae_network.hpp"
#include "quantize/seeding.hpp"

namespace neume::quantize {

namespace {

// Measured with nine tenths of 1,425 rows of text embeddings: 250 epochs still improve the fitted rows, and make the
// held out ones worse; with 60 the fitted rows fall behind rq.
constexpr std::size_t kEpochs = 150;
constexpr std::size_t kFewestSteps = 500;
constexpr std::size_t kMostSteps = 10000;
constexpr std::size_t kFewestEpochs = 2;

/// Rows of a block of a step: a thread's share. Small enough that a batch of 256 keeps four threads busy.
constexpr std::size_t kStepRows = 64;

/// The share of the steps that train encoder and decoder alone, so that k-means finds latents worth clustering.
/// Measured likewise: with 2 %, fitted and new rows lose 2 to 3 points of variance explained; 30 % serves the fitted
/// rows alone.
constexpr double kWarmUpShare = 0.1;

/// The learning rate climbs for a few steps (Adam's moments are young) and then falls along half a cosine.
constexpr double kClimbSteps = 50;
constexpr double kLastRateShare = 0.01;

/// Codewords average over this many steps, or over as many as show this many rows to a mean codeword.
constexpr double kAverageSteps = 32;
constexpr double kAverageRows = 32;

/// Codes are looked at for disuse every so many steps, or as many as show this many rows to a mean codeword. Towards
/// the end, when rates are low, none is moved any more: the decoder could no longer follow.
constexpr double kRevivalSteps = 20;
constexpr double kRevivalRows = 16;
constexpr double kRevivalShare = 0.8;

/// Latents that the first codewords are fitted to.
constexpr std::size_t kMostInitialRows = 100000;

/// After a checkpoint has been written, training goes on for so many times as long before the next one.
constexpr int kKeepPause = 20;

/// Entries of an objective's history.
constexpr std::size_t kMostReports = 200;

/// Streams of options.seed; layer l of the first codebooks has stream l, as in the other methods.
constexpr std::uint64_t kWeightStream = 1000;
constexpr std::uint64_t kOrderStream = 1001;

void check_distinct_rows(ConstMatrixView rows, std::size_t codes) {
  const KMeansProblem problem{rows, {}, nullptr, 0, 0.0};
  std::unordered_set<std::uint64_t> distinct;
  for (std::size_t i = 0; i < rows.rows && distinct.size() < codes; ++i) distinct.insert(row_identity(problem, i));
  if (distinct.size() < codes)
    throw DataError(
        fmt::format("layer 1 asks for {} codes, but there are only {} distinct rows among {}; use at most {} codes or "
                    "more items",
                    codes, distinct.size(), rows.rows, distinct.size()));
}

/// Root mean square of the entries.
float entry_unit(ConstMatrixView rows) {
  const ChunkPlan plan(rows.rows);
  std::vector<double> sums(plan.count);
  base::parallel_for(plan.count, [&](std::size_t chunk) {
    for (std::size_t i = plan.begin(chunk); i < plan.end(chunk); ++i)
      for (const float x : rows.row(i)) sums[chunk] += double{x} * x;
  });
  const double total = std::accumulate(sums.begin(), sums.end(), 0.0);
  const auto unit = static_cast<float>(std::sqrt(total / static_cast<double>(rows.rows * rows.cols)));
  return unit > 0.0f ? unit : 1.0f;
}

class RqVaeTrainer {
 public:
  RqVaeTrainer(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress);

  /// Takes over what train_rqvae's state() of an earlier run with the same rows and options holds.
  void go_on_from(FitState state);

  RqVaeWeights run(FitJournal& journal);

 private:
  using Items = std::span<const std::uint32_t>;
  using Clock = std::chrono::steady_clock;

  FitState state();
  void run_epoch();
  void run_step(Items items);
  void update_weights(std::size_t batch);
  void revive_codes(std::size_t batch);
  void load(Items items, nn::RowRange range);
  Matrix sample_latents();
  void start_codebooks();
  void shuffle();
  void check_finite(double loss) const;
  void keep_objective();
  void report_progress();
  double learning_rate() const;
  bool past(double share) const { return past_at(step_, share); }
  bool past_at(std::size_t step, double share) const {
    return static_cast<double>(step) >= share * static_cast<double>(plan_.num_steps());
  }

  template <class Work>
  void for_each_block(std::size_t batch, const Work& work) const {
    base::parallel_for(base::num_chunks(batch, kStepRows), [&](std::size_t block) {
      work(nn::RowRange{block * kStepRows, std::min(batch, (block + 1) * kStepRows)}, block);
    });
  }

  ConstMatrixView rows_;
  const QuantizerOptions& options_;
  const ProgressFn& progress_;
  RqVaePlan plan_;
  std::vector<std::size_t> codes_;
  float unit_;
  base::Random weight_random_;
  base::Random order_random_;
  std::vector<std::uint32_t> order_;  // of the rows in this epoch
  RqVaeNetwork<float> network_;
  std::vector<LayerReport> reports_;
  std::vector<double> distances_;  // a layer: sums over the rows seen since the last entry of its objective
  std::size_t rows_seen_ = 0;      // by these sums
  std::size_t epoch_ = 0;          // epochs done
  std::size_t step_ = 0;           // steps done
  bool quantizing_ = false;
  double loss_ = 0.0;  // of the last step, a row
  Clock::time_point last_progress_{};
};

RqVaeTrainer::RqVaeTrainer(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress)
    : rows_(rows),
      options_(options),
      progress_(progress),
      plan_(rows.rows, options.rqvae),
      codes_(options.codes_by_layer()),
      unit_(entry_unit(rows)),
      weight_random_(base::derive_seed(options.seed, kWeightStream)),
      order_random_(base::derive_seed(options.seed, kOrderStream)),
      order_(rows.rows),
      network_({rows.cols, options.rqvae.hidden, options.rqvae.latent_width, codes_, plan_.max_batch()},
               weight_random_),
      reports_(codes_.size()),
      distances_(codes_.size()) {
  std::iota(order_.begin(), order_.end(), 0);
}

RqVaeWeights RqVaeTrainer::run(FitJournal& journal) {
  const std::size_t every = base::num_chunks(plan_.epochs, kMostReports);
  auto next_kept = Clock::now();
  while (epoch_ < plan_.epochs) {
    run_epoch();
    if (++epoch_ % every != 0) continue;
    keep_objective();
    // Only here, where no sum of distances is half done.
    const auto begin = Clock::now();
    if (!journal.is_kept() || (epoch_ < plan_.epochs && begin < next_kept)) continue;
    journal.keep(state());
    next_kept = Clock::now() + kKeepPause * (Clock::now() - begin);
  }
  RqVaeWeights result;
  result.unit = unit_;
  result.reports = std::move(reports_);
  const auto parameters = network_.parameters();
  const std::size_t half = parameters.size() / 2;
  for (std::size_t p = 0; p < parameters.size(); p += 2) {
    const auto copy = [](const nn::ParameterView<float>& view) {
      Matrix values(view.rows, view.cols);
      std::copy_n(view.values.data, values.size(), values.data());
      return values;
    };
    auto& layers = p < half ? result.encoder : result.decoder;
    layers.push_back({copy(parameters[p]), copy(parameters[p + 1])});
  }
  std::vector<CodebookLayer> layers(codes_.size());
  for (std::size_t l = 0; l < codes_.size(); ++l) {
    layers[l].residual = Matrix(codes_[l], options_.rqvae.latent_width);
    std::copy_n(network_.codebooks()[l].codeword(0), layers[l].residual.size(), layers[l].residual.data());
  }
  result.latent = std::make_unique<const ResidualCodec>(std::move(layers), 0.0);
  return result;
}

/// A matrix of one row, or of `rows` rows.
Matrix matrix_of(std::span<const float> values, std::size_t rows = 1) {
  Matrix matrix(rows, values.size() / rows);
  std::ranges::copy(values, matrix.data());
  return matrix;
}

FitState RqVaeTrainer::state() {
  FitState state{epoch_, {}, {}, reports_};
  for (const nn::ParameterView<float>& parameter : network_.parameters()) {
    const std::size_t size = parameter.rows * parameter.cols;
    state.tensors.push_back({parameter.name, matrix_of({parameter.values.data, size}, parameter.rows)});
    state.tensors.push_back({parameter.name + ".m", matrix_of({parameter.first_moments.data, size}, parameter.rows)});
    state.tensors.push_back({parameter.name + ".v", matrix_of({parameter.second_moments.data, size}, parameter.rows)});
  }
  for (std::size_t l = 0; l < codes_.size(); ++l) {
    const AveragedCodebook<float>::State codebook = network_.codebooks()[l].state();
    const std::string name = fmt::format("layer{}", l);
    state.tensors.push_back({name + ".centroids", matrix_of(codebook.values, codes_[l])});
    state.tensors.push_back({name + ".sums", matrix_of(codebook.sums, codes_[l])});
    state.tensors.push_back({name + ".counts", matrix_of(codebook.counts)});
    state.tensors.push_back({name + ".used", matrix_of(codebook.used)});
  }
  return state;
}

void RqVaeTrainer::go_on_from(FitState state) {
  if (state.stage > plan_.epochs || state.reports.size() != codes_.size())
    throw InternalError("a checkpoint of other rows or options");
  StateTensors tensors(state);
  for (const nn::ParameterView<float>& parameter : network_.parameters()) {
    const auto restore = [&](const std::string& name, float* values) {
      const Matrix stored = tensors.read(name, parameter.rows, parameter.cols);
      std::ranges::copy(stored.flat(), values);
    };
    restore(parameter.name, parameter.values.data);
    restore(parameter.name + ".m", parameter.first_moments.data);
    restore(parameter.name + ".v", parameter.second_moments.data);
  }
  for (std::size_t l = 0; l < codes_.size(); ++l) {
    const auto stored = [&](const std::string& part, std::size_t rows, std::size_t cols) {
      const Matrix values = tensors.read(fmt::format("layer{}.{}", l, part), rows, cols);
      return std::vector<float>(values.flat().begin(), values.flat().end());
    };
    const std::size_t width = options_.rqvae.latent_width;
    network_.codebooks()[l].restore({stored("centroids", codes_[l], width), stored("sums", codes_[l], width),
                                     stored("counts", 1, codes_[l]), stored("used", 1, codes_[l])});
  }
  reports_ = std::move(state.reports);
  epoch_ = state.stage;
  step_ = epoch_ * plan_.steps_per_epoch;
  for (std::size_t epoch = 0; epoch < epoch_; ++epoch) shuffle();
  // The step after the last one of the warm-up starts the codebooks; one that has been done was past it.
  quantizing_ = step_ > 0 && past_at(step_ - 1, kWarmUpShare);
  network_.set_quantizing(quantizing_);
}

void RqVaeTrainer::run_epoch() {
  shuffle();
  for (std::size_t step = 0; step < plan_.steps_per_epoch; ++step) {
    if (!quantizing_ && past(kWarmUpShare)) start_codebooks();
    run_step(Items(order_).subspan(plan_.begin(step), plan_.begin(step + 1) - plan_.begin(step)));
  }
}

void RqVaeTrainer::run_step(Items items) {
  const std::size_t batch = items.size();
  std::vector<RqVaeLoss> parts(base::num_chunks(batch, kStepRows));
  for_each_block(batch, [&](nn::RowRange range, std::size_t block) {
    load(items, range);
    network_.encode(range);
    network_.quantize(range);
    network_.decode(range);
    network_.backward(range, batch, options_.rqvae.commitment);
    parts[block] = network_.loss(range);
  });
  double total = 0.0;
  for (const RqVaeLoss& part : parts) {
    total += part.reconstruction;
    for (std::size_t l = 0; l < codes_.size(); ++l) {
      distances_[l] += part.distances[l];
      total += (1.0 + options_.rqvae.commitment) * part.distances[l];
    }
  }
  if (quantizing_) rows_seen_ += batch;
  loss_ = total / static_cast<double>(batch);
  check_finite(loss_);
  update_weights(batch);
  ++step_;
  if (quantizing_ && !past(kRevivalShare)) revive_codes(batch);
  report_progress();
}

void RqVaeTrainer::update_weights(std::size_t batch) {
  nn::AdamOptions adam;
  adam.learning_rate = learning_rate();
  const auto step = nn::adam_step<float>(adam, step_ + 1);
  const std::size_t num_codebooks = quantizing_ ? codes_.size() : 0;
  base::parallel_for(num_codebooks + network_.num_tiles(), [&](std::size_t task) {
    if (task < num_codebooks) {
      const double rows_a_code = static_cast<double>(plan_.max_batch()) / static_cast<double>(codes_[task]);
      network_.learn_codebook(task, batch, 1.0 - 1.0 / std::max(kAverageSteps, kAverageRows / rows_a_code));
    } else {
      network_.weight_gradients(task - num_codebooks, batch);
      network_.update(task - num_codebooks, step);
    }
  });
}

double RqVaeTrainer::learning_rate() const {
  const double step = static_cast<double>(step_);
  const double climb = std::min(1.0, (step + 1.0) / kClimbSteps);
  const double fall = 0.5 * (1.0 + std::cos(std::numbers::pi * step / static_cast<double>(plan_.num_steps())));
  return options_.rqvae.learning_rate * climb * std::max(kLastRateShare, fall);
}

void RqVaeTrainer::revive_codes(std::size_t batch) {
  for (std::size_t l = 0; l < codes_.size(); ++l) {
    const double rows_a_code = static_cast<double>(plan_.max_batch()) / static_cast<double>(codes_[l]);
    const auto interval = static_cast<std::size_t>(std::max(kRevivalSteps, kRevivalRows / rows_a_code));
    if (step_ % interval == 0) reports_[l].reseeded += network_.revive_codes(l, batch);
  }
}

/// Puts rows `range` of a batch into the network, in units of unit_.
void RqVaeTrainer::load(Items items, nn::RowRange range) {
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const auto row = rows_.row(items[i]);
    float* out = network_.inputs().row(i);
    for (std::size_t j = 0; j < row.size(); ++j) out[j] = row[j] / unit_;
  }
}

/// Latents of the rows, or of a random sample of kMostInitialRows.
Matrix RqVaeTrainer::sample_latents() {
  const Items sample = Items(order_).first(std::min(order_.size(), kMostInitialRows));
  Matrix latents(sample.size(), options_.rqvae.latent_width);
  for (std::size_t begin = 0; begin < sample.size(); begin += plan_.max_batch()) {
    const Items items = sample.subspan(begin, std::min(plan_.max_batch(), sample.size() - begin));
    for_each_block(items.size(), [&](nn::RowRange range, std::size_t) {
      load(items, range);
      network_.encode(range);
    });
    std::copy_n(network_.latents().data, items.size() * latents.cols(), latents.row(begin).data());
  }
  return latents;
}

/// Residual k-means of the latents gives the first codewords (Zeghidour et al. 2021, section III-C, for one batch; a
/// large sample gives every code rows of its own).
void RqVaeTrainer::start_codebooks() {
  Matrix latents = sample_latents();
  for (std::size_t i = 0; i < latents.rows(); ++i) check_finite(double{kernels::squared_norm(latents.row(i))});
  for (std::size_t l = 0; l < codes_.size(); ++l) {
    const KMeansProblem problem{latents.view(), {}, nullptr, 0, 0.0};
    const KMeansOptions layer_options{codes_[l], options_.iterations, options_.tolerance,
                                      base::derive_seed(options_.seed, l), false};
    const KMeansFit fit = fit_kmeans(problem, layer_options);
    std::vector<double> counts(codes_[l]);
    for (const Code code : fit.labels)
      counts[code] += static_cast<double>(plan_.max_batch()) / static_cast<double>(latents.rows());
    network_.codebooks()[l].start_from(fit.codebook.residual.data(), counts);
    for (std::size_t i = 0; i < latents.rows(); ++i)
      subtract_codeword(latents.row(i), fit.codebook.residual.row(fit.labels[i]));
  }
  quantizing_ = true;
  network_.set_quantizing(true);
}

void RqVaeTrainer::shuffle() {
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[order_random_.index(i)]);
}

void RqVaeTrainer::check_finite(double loss) const {
  if (std::isfinite(loss)) return;
  throw DataError(
      fmt::format("rqvae: training diverged in step {} of {}: expected a finite loss, found {}; lower "
                  "--rqvae-learning-rate (now {})",
                  step_ + 1, plan_.num_steps(), loss, options_.rqvae.learning_rate));
}

void RqVaeTrainer::keep_objective() {
  if (rows_seen_ == 0) return;
  for (std::size_t l = 0; l < codes_.size(); ++l) {
    reports_[l].objective.push_back(distances_[l] / static_cast<double>(rows_seen_));
    distances_[l] = 0.0;
  }
  rows_seen_ = 0;
}

void RqVaeTrainer::report_progress() {
  const auto now = Clock::now();
  if (!progress_ || now - last_progress_ < std::chrono::milliseconds(200)) return;
  last_progress_ = now;
  const std::string detail = fmt::format("loss {:.6g}", loss_);
  progress_({"rqvae", static_cast<std::int64_t>(step_), static_cast<std::int64_t>(plan_.num_steps()), "steps", detail});
}

}  // namespace

RqVaePlan::RqVaePlan(std::size_t num_rows, const RqVaeOptions& options)
    : rows(num_rows), steps_per_epoch(base::num_chunks(num_rows, options.batch_size)), epochs(options.epochs) {
  if (epochs != 0) return;
  epochs = std::max(kEpochs, base::num_chunks(kFewestSteps, steps_per_epoch));
  epochs = std::max(std::min(epochs, kMostSteps / steps_per_epoch), kFewestEpochs);
}

RqVaeWeights train_rqvae(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress,
                         FitJournal& journal) {
  check_distinct_rows(rows, options.codes_by_layer().front());
  RqVaeTrainer trainer(rows, options, progress);
  if (auto found = journal.take_found()) trainer.go_on_from(std::move(*found));
  return trainer.run(journal);
}

}  // namespace neume::quantize
