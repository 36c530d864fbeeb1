#pragma once
// The stages of one ranker and seed: train, then judge by the test log. Different ones may run at the same time.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <neume/progress.hpp>

#include "json_file.hpp"
#include "rank/training.hpp"
#include "rank_stages.hpp"
#include "run_plan.hpp"

namespace neume::app {

/// Where one training reports to, from the thread that it runs on. Any of them may be empty.
struct TrainingReports {
  ProgressFn aligning;  ///< of qarm, before its training
  ProgressFn training;
  ProgressFn judging;
  std::function<void(const EpochReport&)> epoch_done;
  std::function<void(const std::string& where)> resumed;  ///< "goes on from its checkpoint at ..."
};

/// Thread-safe: any number of threads may call it for different rankers or seeds.
class TrainingStages {
 public:
  /// Reads the logs' fingerprints. The semantic IDs of the plan's quantizers must be there. `plan` must outlive it.
  explicit TrainingStages(const RunPlan& plan);

  /// Leaves a trained ranker in plan.ranker_folder(ranker, seed), unless it is there already; returns "up to date", or
  /// how long it took and its training loss. Throws what rank::train_ranker throws.
  std::string train(const RankerPlan& ranker, std::uint64_t seed, const TrainingReports& reports);

  /// Its metrics.json, made anew where something that it depends on has changed.
  Json judge(const RankerPlan& ranker, std::uint64_t seed, const TrainingReports& reports) const;

 private:
  /// What one training learns from, and what to say of how it was made.
  struct Prepared {
    std::shared_ptr<const rank::TrainingData> data;
    std::string note;
  };

  Json inputs_of(const RankerPlan& ranker, const RankerOptions& options) const;
  TrainingFiles files_of(const RankerPlan& ranker) const;
  Prepared prepare(const RankerPlan& ranker, const RankerOptions& options, const ProgressFn& aligning);
  std::shared_ptr<const rank::TrainingData> shared_data(const RankerPlan& ranker);

  const RunPlan& plan_;
  Json log_fingerprints_;
  Json modality_inputs_;  // null where no ranker reads content
  std::string test_fingerprint_;
  std::map<std::string, std::string> sids_fingerprints_;  // by quantizer

  // By what they are read from; shared by the trainings that run. The latest stays until another is read.
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const rank::TrainingData>> in_use_;
  std::shared_ptr<const rank::TrainingData> latest_;
};

}  // namespace neume::app
