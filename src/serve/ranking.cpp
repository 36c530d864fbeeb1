#include "serve/ranking.hpp"

#include <algorithm>
#include <numeric>
#include <string_view>

namespace neume::serve {

namespace {

using rank::RequestItem;

/// Whether the training log has this event already.
bool is_of_training(const ServedModel& model, const store::Event& event, const KnownHistory& history) {
  const auto last_time = model.bundle().last_time();
  if (!last_time || event.timestamp > *last_time) return false;
  const auto item = model.find(event.item_id);
  return item && item->row != RequestItem::kNoRow &&
         std::binary_search(history.positives.begin(), history.positives.end(), item->row);
}

void add_events(const ServedModel& model, const std::vector<store::Event>& events, KnownHistory& history) {
  for (const store::Event& event : events) {
    history.others.insert(event.item_id);
    if (is_of_training(model, event, history)) continue;
    if (!history.items.add(event.item_id)) ++history.num_unknown;
  }
}

}  // namespace

void NamedItems::add_row(std::uint32_t row) {
  items_.push_back({row, {}});
  new_ids_.emplace_back();
}

bool NamedItems::add(const std::string& id) {
  const auto item = model_->find(id);
  if (!item) return false;
  items_.push_back(*item);
  new_ids_.push_back(item->row == RequestItem::kNoRow ? id : std::string());
  return true;
}

std::string NamedItems::id(std::size_t i) const {
  return new_ids_[i].empty() ? model_->bundle().items().ids().name(items_[i].row) : new_ids_[i];
}

void NamedItems::keep_last(std::size_t count) {
  if (items_.size() <= count) return;
  const auto surplus = static_cast<std::ptrdiff_t>(items_.size() - count);
  items_.erase(items_.begin(), items_.begin() + surplus);
  new_ids_.erase(new_ids_.begin(), new_ids_.begin() + surplus);
}

KnownHistory gather_history(const ServedModel& model, store::Store& store, const Listener& listener,
                            HistoryLimits limits) {
  const auto& bundle = model.bundle();
  const std::size_t used = limits.used > 0 ? limits.used : bundle.options().history;
  KnownHistory history(model);
  if (listener.user_id) {
    if (const auto row = bundle.users().find(std::string_view(*listener.user_id))) history.user = *row;
    history.is_known_to_model = history.user != rank::Batch::kNoUser;
  }
  if (listener.history) {
    for (const std::string& id : *listener.history) {
      history.others.insert(id);
      if (!history.items.add(id)) ++history.num_unknown;
    }
  } else if (listener.user_id) {
    history.positives = bundle.positives(history.user);
    for (const std::uint32_t row : bundle.history(history.user, used)) history.items.add_row(row);
    try {
      add_events(model, store.history(*listener.user_id, std::max(used, limits.events)), history);
    } catch (const store::StoreError&) {
      history.store_failed = true;
    }
  }
  history.items.keep_last(used);
  return history;
}

Candidates find_candidates(const ServedModel& model, const std::vector<std::string>& ids) {
  Candidates candidates{NamedItems(model), {}};
  std::unordered_set<std::string_view> seen;
  seen.reserve(ids.size());
  for (const std::string& id : ids) {
    if (!seen.insert(id).second) continue;
    if (!candidates.items.add(id)) candidates.unknown.push_back(id);
  }
  return candidates;
}

Candidates all_candidates(const ServedModel& model) {
  Candidates candidates{NamedItems(model), {}};
  const auto num_rows = static_cast<std::uint32_t>(model.bundle().items().size());
  for (std::uint32_t row = 0; row < num_rows; ++row) candidates.items.add_row(row);
  for (const std::string& id : model.new_items()) candidates.items.add(id);
  return candidates;
}

NamedItems without_history(const ServedModel& model, const NamedItems& candidates, const KnownHistory& history) {
  std::unordered_set<std::uint32_t> rows(history.positives.begin(), history.positives.end());
  for (const std::string& id : history.others) {
    const auto item = model.find(id);
    if (item && item->row != RequestItem::kNoRow) rows.insert(item->row);
  }
  NamedItems rest(model);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::uint32_t row = candidates.items()[i].row;
    if (row != RequestItem::kNoRow) {
      if (!rows.contains(row)) rest.add_row(row);
    } else if (std::string id = candidates.id(i); !history.others.contains(id)) {
      rest.add(id);
    }
  }
  return rest;
}

std::vector<std::size_t> best_of(std::span<const float> logits, std::size_t top) {
  std::vector<std::size_t> places(logits.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  const auto better = [&](std::size_t a, std::size_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  const auto middle = places.begin() + static_cast<std::ptrdiff_t>(std::min(top, places.size()));
  std::partial_sort(places.begin(), middle, places.end(), better);
  places.erase(middle, places.end());
  return places;
}

}  // namespace neume::serve
