#include "serve/item_follower.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/parallel.hpp"

namespace neume::serve {

namespace {

constexpr std::size_t kItemsAtOnce = 500;

}  // namespace

ItemFollower::ItemFollower(store::Store& store, Models& models, RequestLog& log, std::chrono::milliseconds pause)
    : store_(store), models_(models), log_(log), pause_(pause) {
  read_new();
  thread_ = std::thread([this] { follow(); });
}

ItemFollower::~ItemFollower() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void ItemFollower::follow() {
  const base::ThreadLimit limit(1);
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, pause_, [this] { return is_over_; })) {
    lock.unlock();
    read_new();
    lock.lock();
  }
}

void ItemFollower::read_new() {
  try {
    while (true) {
      const store::ItemPage page = store_.items_since(cursor_, kItemsAtOnce);
      for (const store::StoredItem& item : page.items) {
        const auto without = models_.add_item(item);
        if (!without.empty()) {
          log_.event(LogLevel::warn, fmt::format("an item of the store is of no use to {}", fmt::join(without, ", ")));
        }
      }
      cursor_ = page.cursor;
      if (page.items.empty()) break;
    }
    if (!store_answers_) log_.event(LogLevel::warn, "the store answers again");
    store_answers_ = true;
  } catch (const store::StoreError& error) {
    if (store_answers_) log_.event(LogLevel::error, fmt::format("the store does not answer: {}", error.what()));
    store_answers_ = false;
  }
}

}  // namespace neume::serve
