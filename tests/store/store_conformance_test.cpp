// The laws of store.hpp, on every store there is.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "store/open_store.hpp"
#include "store/redis_server.hpp"
#include "store/temporary_folder.hpp"

namespace neume::store {
namespace {

constexpr std::size_t kAll = 1'000'000;

Event event(const std::string& id, std::int64_t timestamp, bool label = true, const std::string& user = "u") {
  return {id, user, "item of " + id, timestamp, label};
}

std::string numbered(std::string name, std::int64_t number) {
  return name.append(std::to_string(number));
}

std::vector<std::string> ids_of(const std::vector<Event>& events) {
  std::vector<std::string> ids;
  for (const Event& each : events) ids.push_back(each.event_id);
  return ids;
}

using Ids = std::vector<std::string>;

StoreOptions patient(std::size_t max_history = 10'000) {
  StoreOptions options;
  options.max_history = max_history;
  options.timeout_ms = 20'000;  // the tests share the machine with others
  return options;
}

class StoreLaws : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "rocksdb") return;
    if (!RedisServer::is_installed()) GTEST_SKIP() << "no /usr/bin/redis-server";
    redis_ = std::make_unique<RedisServer>();
  }

  std::string where() const { return redis_ ? redis_->url() : (folder_ / "store").string(); }

  /// Another one of several servers, or for RocksDB the same server after a restart.
  Store& open(const StoreOptions& options = patient()) {
    if (!redis_) store_.reset();
    store_ = open_store(where(), options);
    return *store_;
  }

  TemporaryFolder folder_;
  std::unique_ptr<RedisServer> redis_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Stores, StoreLaws, testing::Values("rocksdb", "redis"),
                         [](const auto& suite) { return suite.param; });

TEST_P(StoreLaws, AnEmptyStoreKnowsNothing) {
  Store& store = open();
  EXPECT_TRUE(store.history("u", kAll).empty());
  EXPECT_TRUE(store.items_since(0, kAll).items.empty());
  EXPECT_EQ(store.items_since(0, kAll).cursor, 0u);
  EXPECT_EQ(store.items_since(7, kAll).cursor, 7u);
  EXPECT_NO_THROW(store.check());
  EXPECT_TRUE(store.warnings().empty());
  EXPECT_TRUE(store.items_since(0, kAll).items.empty()) << "check() must leave nothing to be seen";
}

TEST_P(StoreLaws, HistoryIsByTimeThenEventIdWhateverTheOrderOfAppends) {
  Store& store = open();
  std::vector<Event> events{event("b", 5), event("a", 5), event("aa", 5), event("z", -3), event("y", 0)};
  events.push_back(event("first", std::numeric_limits<std::int64_t>::min()));
  events.push_back(event("last", std::numeric_limits<std::int64_t>::max()));
  for (std::int64_t bit = 0; bit < 63; bit += 3) {
    events.push_back(event(numbered("+", bit), std::int64_t{1} << bit));
    events.push_back(event(numbered("-", bit), -(std::int64_t{1} << bit)));
  }
  std::mt19937 shuffle(4);
  std::shuffle(events.begin(), events.end(), shuffle);
  for (const Event& each : events) EXPECT_EQ(store.append(each), Appended::added);
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::pair(a.timestamp, a.event_id) < std::pair(b.timestamp, b.event_id);
  });
  EXPECT_EQ(store.history("u", kAll), events);
  for (const std::size_t limit : {0u, 1u, 2u, 10u}) {
    EXPECT_EQ(store.history("u", limit),
              std::vector<Event>(events.end() - static_cast<std::ptrdiff_t>(limit), events.end()));
  }
}

TEST_P(StoreLaws, AnEventSentAgainStaysAsItWas) {
  Store& store = open();
  EXPECT_EQ(store.append(event("e", 5)), Appended::added);
  EXPECT_EQ(store.append(event("e", 5)), Appended::duplicate);
  EXPECT_EQ(store.append(event("e", 9, false)), Appended::duplicate) << "another label and time";
  Event other = event("e", 5);
  other.item_id = "another item";
  EXPECT_EQ(store.append(other), Appended::duplicate);
  EXPECT_EQ(store.history("u", kAll), std::vector<Event>{event("e", 5)});
  EXPECT_EQ(store.append(event("e", 5, true, "v")), Appended::added) << "another user's event of the same id";
  EXPECT_EQ(store.append(event("n", 1, false)), Appended::added);
  EXPECT_EQ(store.append(event("n", 1, true)), Appended::duplicate) << "first sent with label 0";
}

TEST_P(StoreLaws, HistoryHasLikedEventsAlone) {
  Store& store = open(patient(3));
  for (int i = 0; i < 10; ++i) store.append(event(numbered("n", i), 100 + i, false));
  store.append(event("a", 1));
  store.append(event("b", 2));
  EXPECT_EQ(ids_of(store.history("u", kAll)), (Ids{"a", "b"})) << "events with label 0 take no room of the others";
  EXPECT_EQ(store.append(event("n0", 100, false)), Appended::expired);
  EXPECT_EQ(store.append(event("n9", 109, false)), Appended::duplicate);
}

TEST_P(StoreLaws, AFullHistoryForgetsTheOldest) {
  Store& store = open(patient(3));
  for (const int time : {10, 30, 20}) EXPECT_EQ(store.append(event(numbered("t", time), time)), Appended::added);
  EXPECT_EQ(store.append(event("early", 9)), Appended::expired);
  EXPECT_EQ(store.append(event("t1", 10)), Appended::expired) << "the same time, an id before the oldest's";
  EXPECT_EQ(store.append(event("t25", 25)), Appended::added);
  EXPECT_EQ(ids_of(store.history("u", kAll)), (Ids{"t20", "t25", "t30"}));
  EXPECT_EQ(store.append(event("t10", 10)), Appended::expired) << "forgotten, and not kept again";
  EXPECT_EQ(store.append(event("t20", 20)), Appended::duplicate);
  EXPECT_EQ(store.append(event("t20a", 20)), Appended::added) << "the same time, an id after the oldest's";
  EXPECT_EQ(ids_of(store.history("u", kAll)), (Ids{"t20a", "t25", "t30"}));
  EXPECT_EQ(store.append(event("t10", 99)), Appended::added) << "a forgotten id may be used again";
}

TEST_P(StoreLaws, AHistoryOfOneEvent) {
  Store& store = open(patient(1));
  EXPECT_EQ(store.append(event("b", 2)), Appended::added);
  EXPECT_EQ(store.append(event("a", 1)), Appended::expired);
  EXPECT_EQ(store.append(event("c", 3)), Appended::added);
  EXPECT_EQ(ids_of(store.history("u", kAll)), Ids{"c"});
}

TEST_P(StoreLaws, AnyOrderOfAppendsKeepsTheNewest) {
  Store& store = open(patient(20));
  std::mt19937 random(9);
  std::map<std::pair<std::int64_t, std::string>, bool> seen;
  for (int i = 0; i < 300; ++i) {
    const std::int64_t time = static_cast<std::int64_t>(random() % 100) - 50;
    const std::string id = std::to_string(random() % 1000);
    if (store.append(event(id, time)) == Appended::added) seen[{time, id}] = true;
    Ids newest;
    for (auto it = seen.rbegin(); it != seen.rend() && newest.size() < 20; ++it) newest.push_back(it->first.second);
    std::reverse(newest.begin(), newest.end());
    ASSERT_EQ(ids_of(store.history("u", kAll)), newest) << i;
  }
}

/// Bytes that a key could trip over: separators, escapes, lengths, texts of which one begins with the other.
Ids awkward_ids() {
  const std::string zero(1, '\0'), one(1, '\x01'), high(1, '\xFF');
  return {zero,
          zero + zero,
          zero + one,
          zero + high,
          zero + one + "a",
          "a",
          "a" + zero,
          "a" + one,
          "a" + zero + one,
          "a" + zero + high,
          "ab",
          "a:b",
          "\r\n$5\r\n",
          "1",
          "events:1:u",
          high,
          high + high,
          "\xC3\xA9",
          std::string(kMaxIdBytes, '\xFF'),
          std::string(kMaxIdBytes, '\0')};
}

TEST_P(StoreLaws, IdsAreAnyBytes) {
  const Ids ids = awkward_ids();
  Ids sorted = ids;
  std::sort(sorted.begin(), sorted.end());
  for (const std::size_t kept : {4, 10'000}) {
    Store& store = open(patient(kept));
    for (const std::string& user : ids) {
      for (const std::string& id : ids) store.append({id, user, user, 7, true});
    }
    const std::size_t expected = std::min(kept, ids.size());
    for (const std::string& user : ids) {
      const auto events = store.history(user, kAll);
      ASSERT_EQ(ids_of(events), Ids(sorted.end() - static_cast<std::ptrdiff_t>(expected), sorted.end()));
      for (const Event& each : events) ASSERT_TRUE(each.user_id == user && each.item_id == user);
    }
  }
}

TEST_P(StoreLaws, ItemIdsAreAnyBytes) {
  Store& store = open();
  std::vector<StoredItem> items;
  for (const std::string& id : awkward_ids()) items.push_back({id, id + std::string("\0value", 6) + id});
  for (const StoredItem& item : items) store.put_item(item);
  store.append(event("e", 1));
  EXPECT_EQ(store.items_since(0, kAll).items, items);
  Event of_awkward_item = event("f", 2);
  of_awkward_item.item_id = items[4].item_id;
  store.append(of_awkward_item);
  EXPECT_EQ(store.history("u", 1), std::vector<Event>{of_awkward_item});
}

TEST_P(StoreLaws, IdsThatAreEmptyOrTooLongAreRefused) {
  Store& store = open();
  for (const std::string& bad : {std::string(), std::string(kMaxIdBytes + 1, 'x')}) {
    EXPECT_THROW(store.append({bad, "u", "i", 1, true}), InvalidArgument);
    EXPECT_THROW(store.append({"e", bad, "i", 1, true}), InvalidArgument);
    EXPECT_THROW(store.append({"e", "u", bad, 1, true}), InvalidArgument);
    EXPECT_THROW(store.history(bad, 1), InvalidArgument);
    EXPECT_THROW(store.put_item({bad, "v"}), InvalidArgument);
  }
  EXPECT_THROW(store.put_item({"i", std::string(kMaxItemBytes + 1, 'x')}), InvalidArgument);
  EXPECT_NO_THROW(store.put_item({"i", std::string(kMaxItemBytes, 'x')}));
  EXPECT_EQ(store.items_since(0, 1).items[0].value.size(), kMaxItemBytes);
}

TEST_P(StoreLaws, ItemsComeInTheirOrderPageByPage) {
  Store& store = open();
  for (int i = 0; i < 25; ++i) store.put_item({numbered("item", i * 7 % 25), std::to_string(i)});
  std::uint64_t cursor = 0;
  Ids values;
  while (true) {
    const ItemPage page = store.items_since(cursor, 4);
    EXPECT_LE(page.items.size(), 4u);
    if (page.items.empty()) {
      EXPECT_EQ(page.cursor, cursor);
      break;
    }
    EXPECT_GT(page.cursor, cursor);
    cursor = page.cursor;
    for (const StoredItem& item : page.items) values.push_back(item.value);
  }
  ASSERT_EQ(values.size(), 25u);
  for (int i = 0; i < 25; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], std::to_string(i));
  EXPECT_TRUE(store.items_since(0, 0).items.empty());
  EXPECT_EQ(store.items_since(0, 0).cursor, 0u);
  EXPECT_TRUE(store.items_since(std::numeric_limits<std::uint64_t>::max(), 1).items.empty());
}

TEST_P(StoreLaws, AReplacedItemIsAmongTheNewest) {
  Store& store = open();
  for (const std::string id : {"a", "b", "c"}) store.put_item({id, "1"});
  const ItemPage first = store.items_since(0, 2);
  EXPECT_EQ(first.items, (std::vector<StoredItem>{{"a", "1"}, {"b", "1"}}));
  store.put_item({"a", "2"});
  store.put_item({"c", "2"});
  const ItemPage second = store.items_since(first.cursor, kAll);
  EXPECT_EQ(second.items, (std::vector<StoredItem>{{"a", "2"}, {"c", "2"}}));
  EXPECT_TRUE(store.items_since(second.cursor, kAll).items.empty());
  EXPECT_EQ(store.items_since(0, kAll).items, (std::vector<StoredItem>{{"b", "1"}, {"a", "2"}, {"c", "2"}}));
  store.put_item({"c", "2"});
  EXPECT_EQ(store.items_since(second.cursor, kAll).items, (std::vector<StoredItem>{{"c", "2"}})) << "put once more";
}

TEST_P(StoreLaws, EverythingIsThereAfterOpeningAgain) {
  open(patient(5));
  for (int i = 0; i < 8; ++i) store_->append(event(numbered("e", i), i));
  for (const std::string id : {"a", "b", "a"}) store_->put_item({id, id});
  const auto events = store_->history("u", kAll);
  const ItemPage items = store_->items_since(0, kAll);
  Store& store = open(patient(5));
  EXPECT_EQ(store.history("u", kAll), events);
  EXPECT_EQ(store.append(event("e7", 7)), Appended::duplicate);
  EXPECT_EQ(store.append(event("e1", 1)), Appended::expired);
  EXPECT_EQ(store.append(event("e8", 8)), Appended::added);
  EXPECT_EQ(ids_of(store.history("u", kAll)), (Ids{"e4", "e5", "e6", "e7", "e8"}));
  EXPECT_EQ(store.items_since(0, kAll).items, items.items);
  store.put_item({"z", "z"});
  EXPECT_EQ(store.items_since(items.cursor, kAll).items, (std::vector<StoredItem>{{"z", "z"}}));
}

TEST_P(StoreLaws, OpenedWithASmallerBoundItKeepsFewer) {
  open();
  for (int i = 0; i < 10; ++i) store_->append(event(numbered("e", i), 10 * i));
  Store& store = open(patient(3));
  EXPECT_EQ(ids_of(store.history("u", kAll)), (Ids{"e7", "e8", "e9"}));
  EXPECT_EQ(store.append(event("between", 65)), Appended::expired);
  EXPECT_EQ(store.append(event("new", 75)), Appended::added);
  EXPECT_EQ(ids_of(store.history("u", kAll)), (Ids{"new", "e8", "e9"}));
  Store& larger = open();
  EXPECT_EQ(ids_of(larger.history("u", kAll)), (Ids{"new", "e8", "e9"})) << "the others are gone";
}

/// Calls work(thread) on `count` threads at once.
template <class Work>
void on_threads(int count, Work work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
}

TEST_P(StoreLaws, EventsOfManyThreadsAreEachAddedOnce) {
  Store& store = open();
  constexpr int kThreads = 8, kEvents = 100;
  std::atomic<int> added = 0, duplicates = 0;
  on_threads(kThreads, [&](int thread) {
    for (int i = 0; i < kEvents; ++i) {
      const int shared = (i + thread * 13) % kEvents;  // the same events, each thread in an order of its own
      const auto result = store.append(event(numbered("s", shared), shared, true, "shared"));
      (result == Appended::added ? added : duplicates) += 1;
      const auto own = store.append(event(numbered("o", i), i, true, numbered("own", thread)));
      EXPECT_EQ(own, Appended::added);
    }
  });
  EXPECT_EQ(added, kEvents);
  EXPECT_EQ(duplicates, kEvents * (kThreads - 1));
  EXPECT_EQ(store.history("shared", kAll).size(), static_cast<std::size_t>(kEvents));
  for (int thread = 0; thread < kThreads; ++thread) {
    EXPECT_EQ(store.history(numbered("own", thread), kAll).size(), static_cast<std::size_t>(kEvents));
  }
}

TEST_P(StoreLaws, AFullHistoryUnderManyThreadsKeepsTheNewest) {
  Store& store = open(patient(16));
  constexpr int kThreads = 8, kEvents = 80;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      const auto events = store.history("u", kAll);
      EXPECT_LE(events.size(), 16u);
      EXPECT_TRUE(std::is_sorted(events.begin(), events.end(),
                                 [](const Event& a, const Event& b) { return a.timestamp < b.timestamp; }));
    }
  });
  on_threads(kThreads, [&](int thread) {
    for (int i = 0; i < kEvents; ++i) {
      const int time = i * kThreads + thread;
      store.append(event(std::to_string(time), time));
    }
  });
  done = true;
  reader.join();
  const auto events = store.history("u", kAll);
  ASSERT_EQ(events.size(), 16u);
  for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(events[i].timestamp, kThreads * kEvents - 16 + static_cast<int>(i));
}

TEST_P(StoreLaws, AFollowerSeesEveryItemThatThreadsPut) {
  Store& store = open();
  constexpr int kThreads = 4, kItems = 60;
  std::atomic<bool> done = false;
  std::map<std::string, int> seen;
  std::thread follower([&] {
    std::uint64_t cursor = 0;
    for (bool last = false; !last;) {
      last = done;
      for (ItemPage page = store.items_since(cursor, 7); !page.items.empty(); page = store.items_since(cursor, 7)) {
        cursor = page.cursor;
        for (const StoredItem& item : page.items) ++seen[item.item_id];
      }
    }
  });
  on_threads(kThreads, [&](int thread) {
    for (int i = 0; i < kItems; ++i) store.put_item({std::to_string(thread * kItems + i), "v"});
  });
  done = true;
  follower.join();
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kThreads * kItems));
  for (const auto& [id, times] : seen) EXPECT_EQ(times, 1) << id;
}

}  // namespace
}  // namespace neume::store
