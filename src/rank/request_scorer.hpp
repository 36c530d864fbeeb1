#pragma once
// Scores the candidates of one request: one user, one history, many candidates. Exact, and much less work than the same
// samples in batches, because of what they share (mission.md's algebra; arXiv 2508.20359, section 3.3):
//   - candidates with equal joint IDs share all attention that the joint family asks for;
//   - without softmax and positions, history items with equal IDs in a family weigh as their number;
//   - the history's side of the attention nets is computed once.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "rank/batch.hpp"
#include "rank/bundle.hpp"

namespace neume::rank {

/// An item of a request: a row of the ranker's items, or one that came later and is known by its codes alone. Such an
/// item has no embedding of its own: as a candidate its item embedding is zero (the mean of what an item that training
/// never saw would have), and in a history it is left out where item embeddings are attended over.
struct RequestItem {
  static constexpr std::uint32_t kNoRow = 0xFFFFFFFF;

  std::uint32_t row = kNoRow;
  /// Where row is kNoRow: codes in every family of the ranker (RankerBundle::codes()), side by side in its order;
  /// kNoCode where the item lacks a family.
  std::span<const Code> codes = {};
};

struct ScoreRequest {
  std::uint32_t user = Batch::kNoUser;  ///< row of RankerBundle::users(), for models that have one a user
  /// Oldest first, of any length. mcca, din and qarm read all of it, other models the last T as evaluation does.
  std::span<const RequestItem> history;
  std::span<const RequestItem> candidates;
};

/// What made a candidate's logit. Contributions are by occlusion: the logit less the logit without that part.
struct Explanation {
  struct Source {
    std::string name;  ///< a code family, or "item"
    double contribution = 0.0;
  };
  struct HistoryItem {
    std::size_t place = 0;  ///< in ScoreRequest::history
    double contribution = 0.0;
  };
  double logit = 0.0;
  std::vector<Source> sources;       ///< what attention over the source adds, in the ranker's order
  std::vector<HistoryItem> history;  ///< the items that move the logit most, largest |contribution| first
};

class RequestScorer {
 public:
  /// `bundle` must outlive it, must not score by itself meanwhile, and its parameters must stay as they are.
  explicit RequestScorer(RankerBundle& bundle);
  ~RequestScorer();

  /// Whether the model can score items that are known by their codes alone (mcca, and din with a code family).
  bool scores_new_items() const;

  /// Logits of the candidates, equal to those of RankerBundle::evaluate on the same history to 1e-5 (relative beyond
  /// 1); features of logs count as unknown. Thread-safe (vbpr, dlrm, simtier-make, popularity and itemknn: one call
  /// after another); one call uses one thread. Throws InvalidArgument
  /// for a row or code out of range, codes of a wrong number, an item without a row where scores_new_items() is false.
  void score(const ScoreRequest& request, std::span<float> logits) const;

  /// Why candidate `candidate` has its logit; `top_history` history items at most. Throws as score().
  Explanation explain(const ScoreRequest& request, std::size_t candidate, std::size_t top_history) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace neume::rank
