#pragma once
// Ranks the candidates of a request: gathers what is known of the listener, finds the items, scores them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "rank/request_scorer.hpp"
#include "serve/served_model.hpp"
#include "store/store.hpp"

namespace neume::serve {

/// Items of a model by what clients call them.
class NamedItems {
 public:
  explicit NamedItems(const ServedModel& model) : model_(&model) {}

  void add_row(std::uint32_t row);
  /// Adds the item; false where the model does not know it, or cannot score it.
  bool add(const std::string& id);

  std::size_t size() const { return items_.size(); }
  std::span<const rank::RequestItem> items() const { return items_; }
  std::string id(std::size_t i) const;

  /// Leaves the last `count`.
  void keep_last(std::size_t count);

 private:
  const ServedModel* model_;
  std::vector<rank::RequestItem> items_;
  std::vector<std::string> new_ids_;  // of items without a row; empty for the others, whose name the model has
};

/// Whom a request ranks for.
struct Listener {
  std::optional<std::string> user_id;
  std::optional<std::vector<std::string>> history;  ///< replaces what is known of the user
};

/// What a ranking sees of a listener.
struct KnownHistory {
  explicit KnownHistory(const ServedModel& model) : items(model) {}

  NamedItems items;                               ///< oldest first
  std::unordered_set<std::string> others;         ///< ids of the request's history, or of the events that were read
  std::span<const std::uint32_t> positives = {};  ///< rows of the user's training positives, ascending, if these count
  std::uint32_t user = rank::Batch::kNoUser;
  std::size_t num_unknown = 0;     ///< items that the model does not know, and so does not see
  bool store_failed = false;       ///< events are missing
  bool is_known_to_model = false;  ///< the user was in the training log
};

/// How much history counts.
struct HistoryLimits {
  std::size_t used = 0;    ///< items that are scored with; 0: as many as in training (T)
  std::size_t events = 0;  ///< events that are read, at least as many as are used
};

/// The listener's own history, or: the user's training positives, then the store's events, the last `limits.used` of
/// both together. An event that the training log has already (an item among the user's training positives, at a time
/// that is not after the log's last one) counts once. A store that does not answer leaves the training positives.
KnownHistory gather_history(const ServedModel& model, store::Store& store, const Listener& listener,
                            HistoryLimits limits);

/// Candidates that the model can score, and the rest.
struct Candidates {
  NamedItems items;
  std::vector<std::string> unknown;  ///< in the request's order
};

/// The items of these ids, each once.
Candidates find_candidates(const ServedModel& model, const std::vector<std::string>& ids);

/// All items that the model can score, those of its training first.
Candidates all_candidates(const ServedModel& model);

/// Without the listener's own history; or: without the user's training positives and all events that were read.
NamedItems without_history(const ServedModel& model, const NamedItems& candidates, const KnownHistory& history);

/// Places of the `top` best of `logits`, best first; of equal ones the earlier first.
std::vector<std::size_t> best_of(std::span<const float> logits, std::size_t top);

}  // namespace neume::serve
