#include "compare_stages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "metric_values.hpp"
#include "stopwatch.hpp"
#include "training_stages.hpp"

namespace neume::app {

namespace {

/// Passes over the training log, those of MAKE among them.
std::size_t num_epochs_of(const RankerOptions& options) {
  return options.epochs + (options.model == RankerModel::simtier_make ? options.make_epochs : 0);
}

/// The shares of the bar that one training and its judging have, in thousandths.
constexpr double kTrainingParts = 700, kJudgingParts = 300;
constexpr double kParts = kTrainingParts + kJudgingParts;

constexpr std::string_view kRanker = "ranker ";

/// What the user sees of trainings that run at the same time: a bar over all of them, and lines. Thread-safe.
class Board {
 public:
  Board(Console& console, std::size_t num_trainings)
      : console_(console), draw_(console.progress()), parts_(num_trainings, 0.0) {}

  void line(const std::string& text) {
    const std::lock_guard lock(mutex_);
    console_.note(text);
  }

  /// `parts` of kParts of a training are done.
  void moved(std::size_t training, double parts, const std::string& detail) {
    const std::lock_guard lock(mutex_);
    parts_[training] = std::max(parts_[training], parts);
    if (!draw_) return;
    double sum = 0.0;
    for (const double part : parts_) sum += part;
    const auto num_done = std::ranges::count(parts_, kParts);
    const std::string text = fmt::format("{} of {} done  {}", num_done, parts_.size(), detail);
    draw_({"trainings", static_cast<std::int64_t>(sum), static_cast<std::int64_t>(kParts) * std::ssize(parts_), "",
           text});
  }

 private:
  std::mutex mutex_;
  Console& console_;
  ProgressFn draw_;
  std::vector<double> parts_;
};

/// All pairs of a ranker and a seed, and the threads that work through them.
class TrainingQueue {
 public:
  TrainingQueue(const RunPlan& plan, Console& console)
      : plan_(plan), stages_(plan), board_(console, plan.rankers.size() * plan.run.seeds.size()) {
    for (const RankerPlan& ranker : plan.rankers)
      results_.push_back({ranker.name, std::vector<Json>(plan.run.seeds.size())});
  }

  std::vector<RankerResult> run(std::size_t jobs) {
    const std::size_t threads = base::num_threads();
    jobs = std::clamp<std::size_t>(jobs == 0 ? threads : jobs, 1, num_trainings());
    std::vector<std::thread> workers;
    for (std::size_t i = 0; i < jobs; ++i) {
      const std::size_t share = threads * (i + 1) / jobs - threads * i / jobs;
      workers.emplace_back([this, share] {
        const base::ThreadLimit limit(share);
        while (const auto training = next()) attempt(*training);
      });
    }
    for (std::thread& worker : workers) worker.join();
    if (failure_) std::rethrow_exception(failure_);
    return std::move(results_);
  }

 private:
  std::size_t num_trainings() const { return plan_.rankers.size() * plan_.run.seeds.size(); }
  const RankerPlan& ranker(std::size_t training) const { return plan_.rankers[training / plan_.run.seeds.size()]; }
  std::size_t seed_index(std::size_t training) const { return training % plan_.run.seeds.size(); }
  std::string title(std::size_t training) const {
    return fmt::format("{}, seed {}", ranker(training).name, plan_.run.seeds[seed_index(training)]);
  }

  /// Outcomes stand below each other.
  std::string line_of(std::size_t training, const std::string& outcome) const {
    std::size_t width = 44;
    for (std::size_t t = 0; t < num_trainings(); ++t) width = std::max(width, title(t).size() + kRanker.size() + 1);
    return stage_line(fmt::format("{}{}", kRanker, title(training)), outcome, width);
  }

  std::optional<std::size_t> next() {
    const std::lock_guard lock(mutex_);
    if (failure_ || next_ == num_trainings()) return std::nullopt;
    return next_++;
  }

  /// Keeps the first failure, with the name of the training.
  void attempt(std::size_t training) {
    const auto named = [&](const std::exception& error) {
      return fmt::format("{}: {}", title(training), error.what());
    };
    try {
      train_and_judge(training);
    } catch (const InvalidArgument& error) {
      fail(std::make_exception_ptr(InvalidArgument(named(error))));
    } catch (const DataError& error) {
      fail(std::make_exception_ptr(DataError(named(error))));
    } catch (const InternalError& error) {
      fail(std::make_exception_ptr(InternalError(named(error))));
    } catch (...) {
      fail(std::current_exception());
    }
  }

  void fail(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(failure);
  }

  void train_and_judge(std::size_t training) {
    const std::uint64_t seed = plan_.run.seeds[seed_index(training)];
    const TrainingReports reports = reports_of(training);
    const std::string outcome = stages_.train(ranker(training), seed, reports);
    Json metrics = stages_.judge(ranker(training), seed, reports);
    const auto auc = value_of(metrics, main_metrics(metrics)[0]);
    board_.line(line_of(training, outcome + (auc ? fmt::format("  AUC {:.4f}", *auc) : "")));
    board_.moved(training, kParts, "");
    results_[training / plan_.run.seeds.size()].metrics[seed_index(training)] = std::move(metrics);
  }

  TrainingReports reports_of(std::size_t training) {
    const auto num_epochs = static_cast<double>(num_epochs_of(ranker(training).options));
    // The reports of one training come from one thread, so its count of epochs needs no lock.
    const auto num_done = std::make_shared<double>(0.0);
    const auto share = [](const ProgressUpdate& update) {
      return update.total > 0 ? static_cast<double>(update.done) / static_cast<double>(update.total) : 0.0;
    };
    TrainingReports reports;
    reports.epoch_done = [num_done](const EpochReport& epoch) { *num_done = static_cast<double>(epoch.epoch); };
    reports.aligning = [=, this](const ProgressUpdate& update) {
      board_.moved(training, 0.0, fmt::format("{}: {}", title(training), update.stage));
    };
    reports.training = [=, this](const ProgressUpdate& update) {
      const double done = std::min(1.0, (*num_done + share(update)) / num_epochs);
      board_.moved(training, kTrainingParts * done, fmt::format("{}: {}", title(training), update.detail));
    };
    reports.judging = [=, this](const ProgressUpdate& update) {
      board_.moved(training, kTrainingParts + 0.99 * kJudgingParts * share(update),
                   fmt::format("{}: {}", title(training), update.stage));
    };
    reports.resumed = [=, this](const std::string& where) { board_.line(line_of(training, where)); };
    return reports;
  }

  const RunPlan& plan_;
  TrainingStages stages_;
  Board board_;
  std::vector<RankerResult> results_;  // each entry is written by the one training that it belongs to
  std::mutex mutex_;
  std::size_t next_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

std::vector<RankerResult> train_side_by_side(const RunPlan& plan, std::size_t jobs, Console& console) {
  return TrainingQueue(plan, console).run(jobs);
}

}  // namespace neume::app
