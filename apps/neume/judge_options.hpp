#pragma once
// How a ranker is judged: the options that `neume evaluate` and [evaluate] of a run's file share.

#include <cstddef>
#include <vector>

#include <neume/options.hpp>
#include <neume/ranker.hpp>

namespace neume::app {

/// What to judge a ranker by.
struct JudgeOptions {
  std::size_t cold_threshold = 30;
  std::vector<std::size_t> cold_thresholds = {5, 10, 100};
  GaucMode gauc_mode = GaucMode::impression;
  bool full_ranking = false;
  std::vector<std::size_t> cutoffs = {10, 20};

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.number("cold-threshold", cold_threshold, {0, 1e9}, "an item with fewer training interactions is cold");
    visit.list("cold-thresholds", cold_thresholds, {0, 1e9}, "further thresholds, each with a row of its own");
    visit.choice("gauc-mode", gauc_mode, kGaucModeNames,
                 "what a user weighs in GAUC: the user's samples, one, or the user's positives");
    visit.flag("full-ranking", full_ranking, "also rank the whole catalogue for every user: recall, ndcg, hit, mrr");
    visit.list("cutoffs", cutoffs, {1, 1e6}, "the k of recall@k, ndcg@k and hit@k");
  }
};

}  // namespace neume::app
