#pragma once
// What a request scorer asks of a kind of model.

#include <span>
#include <vector>

#include "rank/request_scorer.hpp"

namespace neume::rank {

/// Scores checked requests: rows and codes are in range, and no item lacks a row where scores_new_items() is false.
class RequestModel {
 public:
  virtual ~RequestModel() = default;

  virtual bool scores_new_items() const = 0;

  /// Thread-safe. `logits`: one a candidate.
  virtual void score(const ScoreRequest& request, std::span<float> logits) const = 0;

  /// What attention over each source adds to the candidate's logit, in the ranker's order; empty for a model that has
  /// no attention.
  virtual std::vector<Explanation::Source> source_contributions(const ScoreRequest& request,
                                                                std::size_t candidate) const = 0;

  /// One a history item: the candidate's logit less the logit without that item.
  virtual std::vector<double> history_contributions(const ScoreRequest& request, std::size_t candidate) const = 0;
};

}  // namespace neume::rank
