#pragma once
// A store in memory that can be made to fail.

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace neume::serve {

class MemoryStore : public store::Store {
 public:
  std::atomic<bool> is_down = false;

  store::Appended append(const store::Event& event) override {
    const std::lock_guard lock(enter());
    if (!ids_.insert({event.user_id, event.event_id}).second) return store::Appended::duplicate;
    events_[event.user_id].push_back(event);
    return store::Appended::added;
  }

  std::vector<store::Event> history(std::string_view user_id, std::size_t limit) override {
    const std::lock_guard lock(enter());
    std::vector<store::Event> liked;
    for (const store::Event& event : events_[std::string(user_id)]) {
      if (event.label) liked.push_back(event);
    }
    std::ranges::sort(liked, {}, [](const store::Event& event) { return std::pair(event.timestamp, event.event_id); });
    if (liked.size() > limit) liked.erase(liked.begin(), liked.end() - static_cast<std::ptrdiff_t>(limit));
    return liked;
  }

  void put_item(const store::StoredItem& item) override {
    const std::lock_guard lock(enter());
    std::erase_if(items_, [&](const store::StoredItem& known) { return known.item_id == item.item_id; });
    items_.push_back(item);
  }

  store::ItemPage items_since(std::uint64_t cursor, std::size_t) override {
    const std::lock_guard lock(enter());
    return cursor == 0 && !items_.empty() ? store::ItemPage{items_, 1} : store::ItemPage{{}, cursor};
  }

  void check() override { const std::lock_guard lock(enter()); }
  std::vector<std::string> warnings() override { return {}; }

 private:
  std::mutex& enter() {
    if (is_down) throw store::StoreError("the test has taken the store down");
    return mutex_;
  }

  std::mutex mutex_;
  std::set<std::pair<std::string, std::string>> ids_;
  std::map<std::string, std::vector<store::Event>> events_;
  std::vector<store::StoredItem> items_;
};

}  // namespace neume::serve
