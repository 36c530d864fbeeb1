#include "rank/training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "base/random.hpp"
#include "data/histories.hpp"
#include "data/options_json.hpp"
#include "data/sids_file.hpp"
#include "data/table_writer.hpp"
#include "rank/bundle_files.hpp"
#include "rank/divergence.hpp"
#include "rank/evaluation.hpp"
#include "rank/loss_curve.hpp"
#include "rank/model_file.hpp"
#include "rank/model_setup.hpp"
#include "rank/samples.hpp"
#include "rank/shuffled_order.hpp"

namespace neume::rank {

namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;
using Part = ParameterCopies::Part;

constexpr auto kCheckpointInterval = std::chrono::minutes(2);
constexpr std::uint64_t kShuffleStream = 11;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Where a training stands between two steps: all of it goes into the checkpoint.
struct Position {
  std::size_t epoch = 1;
  std::size_t next_sample = 0;
  std::size_t step = 0;
  double loss_sum = 0.0;
  double epoch_seconds = 0.0;
  std::size_t best_epoch = 0;
  double best_auc = -1.0;
  LossCurve curve;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Position, epoch, next_sample, step, loss_sum, epoch_seconds, best_epoch, best_auc,
                                   curve)

/// The batches of an epoch from a position on, one after the other. The batch before stays valid, so that one can be
/// made while another trains.
class BatchMaker {
 public:
  BatchMaker(const Samples& samples, ShuffledOrder& order, const Position& from, std::size_t batch_size)
      : samples_(samples), order_(order), epoch_(from.epoch), next_sample_(from.next_sample), batch_size_(batch_size) {}

  /// nullptr at the end.
  const Batch* next() {
    if (next_sample_ == order_.size()) return nullptr;
    Batch& batch = batches_[number_++ % batches_.size()];
    batch.clear();
    const std::size_t end = std::min(order_.size(), next_sample_ + batch_size_);
    for (; next_sample_ < end; ++next_sample_) samples_.append(order_[next_sample_], epoch_, batch);
    return &batch;
  }

 private:
  const Samples& samples_;
  ShuffledOrder& order_;
  std::size_t epoch_;
  std::size_t next_sample_;
  std::size_t batch_size_;
  std::array<Batch, 2> batches_;
  std::size_t number_ = 0;
};

class Training {
 public:
  Training(const TrainingData& training, const RankerOptions& options, std::filesystem::path folder,
           const TrainingEvents& events)
      : training_(training),
        options_(options),
        events_(events),
        files_(std::move(folder)),
        histories_(training.train, training.users.size(), options.seed),
        codes_(select_codes(training.sids, options)),
        num_users_(std::ranges::max(training.train.users) + std::size_t{1}),
        network_(make_network(options, {codes_, training.content, training.features.layout(), histories_, num_users_,
                                        initial_tables(options, training.tables, codes_)})),
        samples_(training.train, histories_, sampling(true)),
        item_counts_(count_items(training.train, training.sids.items.size())),
        fingerprint_(training_fingerprint(training, options)) {}

  TrainingResult run() {
    std::filesystem::remove(files_.manifest());  // what is there now is no longer finished
    result_.resumed = resume();
    for (; at_.epoch <= num_epochs() && !stopped_early(); ++at_.epoch) {
      train_epoch();
      finish_epoch();
    }
    keep_best();
    write_bundle();
    std::filesystem::remove(files_.checkpoint());
    return result_;
  }

 private:
  SamplingOptions sampling(bool training) const {
    return {training_.sids.items.size(), options_.history, options_.negatives, options_.seed, training,
            &training_.features};
  }

  /// A model that counts has nothing to learn from a second pass.
  std::size_t num_epochs() const { return network_->learns_by_gradient() ? options_.epochs : 1; }

  bool stopped_early() const {
    return options_.patience > 0 && at_.best_epoch > 0 && at_.epoch > at_.best_epoch + options_.patience;
  }

  /// The order in which this epoch visits the samples.
  ShuffledOrder shuffled_samples() const {
    const std::uint64_t seed = base::derive_seed(base::derive_seed(options_.seed, kShuffleStream), at_.epoch);
    return {samples_.size(), options_.shuffle_rows, seed};
  }

  void train_epoch() {
    ShuffledOrder order = shuffled_samples();
    const nn::AdamOptions adam{options_.learning_rate};
    const auto start = Clock::now();
    const double seconds_before = at_.epoch_seconds;
    auto last_checkpoint = start;
    const std::string stage = fmt::format("epoch {} of {}", at_.epoch, options_.epochs);
    BatchMaker batches(samples_, order, at_, options_.batch_size);
    const Batch* coming = batches.next();
    while (coming != nullptr) {
      const Batch& batch = *std::exchange(coming, nullptr);
      const std::size_t end = at_.next_sample + batch.size();
      const double loss = network_->train(batch, nn::adam_step<float>(adam, ++at_.step),
                                          [&] { return coming = batches.next(); });
      at_.loss_sum += loss;
      at_.next_sample = end;
      at_.curve.add({at_.step, batch.size(), loss, adam.learning_rate}, end, order.size());
      at_.epoch_seconds = seconds_before + seconds_since(start);
      check_loss();
      report(stage, order.size());
      const bool due = options_.checkpoint_every > 0 ? at_.step % options_.checkpoint_every == 0
                                                     : Clock::now() - last_checkpoint > kCheckpointInterval;
      if (due && end < order.size() && network_->learns_by_gradient()) {
        check_parameters();
        save_checkpoint();
        last_checkpoint = Clock::now();
      }
    }
    if (!network_->learns_by_gradient()) at_.loss_sum = network_->fit_calibration();
  }

  void check_loss() const {
    if (!std::isfinite(at_.loss_sum)) throw diverged("the training loss is no longer finite");
  }

  /// A step can spoil what only the next one's loss would show: asked before parameters are judged or written.
  void check_parameters() const {
    if (describe_divergence(network_->parameters())) throw diverged("what the step learnt is no longer finite");
  }

  InvalidArgument diverged(const char* what) const {
    const auto parameters = network_->parameters();
    auto where = describe_divergence(parameters);
    if (!where) where = describe_largest_gradient(parameters);  // the loss overflowed before the gradients did
    return InvalidArgument(fmt::format("step {} (epoch {}, sample {} of it): {}; {}; lower learning-rate, which is {}",
                                       at_.step, at_.epoch, at_.next_sample, what,
                                       where.value_or("all gradients are 0"), options_.learning_rate));
  }

  void report(const std::string& stage, std::size_t total) const {
    if (!events_.progress) return;
    const std::string detail = fmt::format("loss {:.4f}", at_.loss_sum / static_cast<double>(at_.next_sample));
    events_.progress(
        {stage, static_cast<std::int64_t>(at_.next_sample), static_cast<std::int64_t>(total), "samples", detail});
  }

  void finish_epoch() {
    check_parameters();
    EpochReport epoch{
        at_.epoch, at_.loss_sum / static_cast<double>(samples_.size()), at_.epoch_seconds, {}, at_.curve.points()};
    if (training_.validation) {
      const Samples validation(*training_.validation, histories_, sampling(false));
      epoch.validation =
          evaluate_samples(*network_, validation, item_counts_, {.cold_threshold = options_.cold_threshold});
      epoch.validation->skipped_rows = training_.validation->num_skipped;
    }
    result_.epochs.push_back(epoch);
    remember_best(epoch);
    if (events_.epoch_done) events_.epoch_done(epoch);
    at_.next_sample = 0;
    at_.loss_sum = 0.0;
    at_.epoch_seconds = 0.0;
    at_.curve.clear();
    if (at_.epoch == num_epochs()) return;
    ++at_.epoch;
    save_checkpoint();
    --at_.epoch;
  }

  void remember_best(const EpochReport& epoch) {
    if (options_.patience == 0) {
      at_.best_epoch = epoch.epoch;
      return;
    }
    if (!epoch.validation || !epoch.validation->auc) {
      throw InvalidArgument("patience needs a validation log with positives and negatives (--validation)");
    }
    if (*epoch.validation->auc <= at_.best_auc) return;
    at_.best_auc = *epoch.validation->auc;
    at_.best_epoch = epoch.epoch;
    best_ = ParameterCopies();
    best_.add(network_->parameters(), Part::values, ".best");
  }

  void keep_best() {
    result_.best_epoch = at_.best_epoch;
    if (!best_.empty()) best_.restore(network_->parameters(), Part::values, ".best");
  }

  void save_checkpoint() {
    ParameterCopies copies;
    const auto parameters = network_->parameters();
    copies.add(parameters, Part::values, "");
    copies.add(parameters, Part::first_moments, ".first_moment");
    copies.add(parameters, Part::second_moments, ".second_moment");
    auto tensors = copies.tensors();
    const auto best = best_.tensors();
    tensors.insert(tensors.end(), best.begin(), best.end());
    json state = {{"format_version", kRankerFormatVersion}, {"fingerprint", fingerprint_}, {"position", at_}};
    state["has_best"] = !best_.empty();
    for (const auto& epoch : result_.epochs) state["epochs"].push_back(epoch_to_json(epoch));
    data::write_safetensors(files_.checkpoint(), tensors, {{"neume", state.dump()}});
  }

  bool resume() {
    if (!std::filesystem::exists(files_.checkpoint())) return false;
    const data::SafetensorsFile file(files_.checkpoint());
    try {
      const json state = json::parse(file.metadata().at("neume"));
      if (state.at("fingerprint") != fingerprint_) {
        throw DataError("it was made with other options or other data; remove it or choose another output folder");
      }
      const auto parameters = network_->parameters();
      read_parameters(file, parameters, Part::values, "");
      read_parameters(file, parameters, Part::first_moments, ".first_moment");
      read_parameters(file, parameters, Part::second_moments, ".second_moment");
      if (state.at("has_best")) {
        // Through the model's own arrays, so that the copies have their shapes.
        ParameterCopies current;
        current.add(parameters, Part::values, "");
        read_parameters(file, parameters, Part::values, ".best");
        best_.add(parameters, Part::values, ".best");
        current.restore(parameters, Part::values, "");
      }
      state.at("position").get_to(at_);
      for (const auto& epoch : state.value("epochs", json::array())) result_.epochs.push_back(epoch_from_json(epoch));
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}: {}", files_.checkpoint().string(), error.what()));
    } catch (const std::exception& error) {
      throw DataError(fmt::format("{}: not a checkpoint of this version ({}); remove it to start over",
                                  files_.checkpoint().string(), error.what()));
    }
    network_->parameters_changed();
    if (events_.resumed) events_.resumed(at_.step, at_.epoch);
    return true;
  }

  void write_bundle() {
    ParameterCopies copies;
    copies.add(network_->parameters(), Part::values, "");
    auto tensors = copies.tensors();
    tensors.push_back(data::tensor_of("item_interactions", {item_counts_.size()}, item_counts_));
    data::write_safetensors(
        files_.parameters(), tensors,
        {{"neume",
          json{{"format_version", kRankerFormatVersion}, {"options", data::options_to_json(options_)}}.dump()}});
    data::write_semantic_ids(files_.sids(), training_.sids);
    write_history(files_.history(), training_);
    json manifest = {{"format_version", kRankerFormatVersion},
                     {"kind", "ranker"},
                     {"options", data::options_to_json(options_)},
                     {"training_fingerprint", fingerprint_},
                     {"best_epoch", result_.best_epoch}};
    for (const auto& epoch : result_.epochs) manifest["epochs"].push_back(epoch_to_json(epoch));
    std::vector<std::filesystem::path> written = {files_.parameters(), files_.sids(), files_.history()};
    if (keeps_content(options_) && !training_.content.empty()) {
      write_content(files_.content(), training_.content);
      written.push_back(files_.content());
    }
    if (keeps_users(options_)) {
      write_users(files_.users(), training_.users, num_users_);
      written.push_back(files_.users());
    }
    if (!training_.features.empty()) {
      training_.features.save(files_.features(), files_.item_features());
      written.push_back(files_.features());
      if (!training_.features.item_features().empty()) written.push_back(files_.item_features());
    }
    for (const auto& file : written) {
      manifest["files"][file.filename().string()] = base::fingerprint_of_file(file);
    }
    base::write_file(files_.manifest(), manifest.dump(2) + "\n");
  }

  const TrainingData& training_;
  RankerOptions options_;
  const TrainingEvents& events_;
  BundleFiles files_;
  data::Histories histories_;
  ItemCodes codes_;
  std::size_t num_users_;  // of the training log; the validation log's own users come after them
  std::unique_ptr<Network<float>> network_;
  Samples samples_;
  std::vector<std::uint32_t> item_counts_;
  std::string fingerprint_;
  ParameterCopies best_;
  Position at_;
  TrainingResult result_;
};

}  // namespace

TrainingResult train_ranker(const TrainingData& training, const RankerOptions& options,
                            const std::filesystem::path& folder, const TrainingEvents& events) {
  options.validate();
  const auto& labels = training.train.labels;
  if (training.train.size() == 0 || (!labels.empty() && std::ranges::count(labels, std::uint8_t{1}) == 0)) {
    throw DataError("the training log has no positives; check its label column or --label");
  }
  if (training.features.empty() != options.features.empty()) {
    throw InvalidArgument("the data were not read with the features that the options name");
  }
  return Training(training, options, folder, events).run();
}

}  // namespace neume::rank
