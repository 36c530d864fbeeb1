// What only the Redis store can meet: a server that is down, slow, closed to us, or set up to lose things.

#include "store/redis_store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "store/redis_connection.hpp"
#include "store/redis_server.hpp"

namespace neume::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Event numbered_event(int i) {
  return {std::string("event ").append(std::to_string(i)), "u", "item", i, true};
}

template <class Work>
double ms_of(Work work) {
  const auto begin = steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
}

/// Until `work` throws no StoreError, for at most 20 s.
template <class Work>
bool works_again(Work work) {
  for (const auto end = steady_clock::now() + std::chrono::seconds(20); steady_clock::now() < end;) {
    try {
      work();
      return true;
    } catch (const StoreError&) {
      std::this_thread::sleep_for(milliseconds(10));
    }
  }
  return false;
}

class RedisOnly : public testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::is_installed()) GTEST_SKIP() << "no /usr/bin/redis-server";
  }

  static std::unique_ptr<Store> open(const RedisServer& server, std::size_t timeout_ms = 20'000,
                                     const std::string& login = "") {
    StoreOptions options;
    options.timeout_ms = timeout_ms;
    return open_store(server.url(login), options);
  }

  static std::string admin(const RedisServer& server, const RedisCommand& command) {
    const auto deadline = steady_clock::now() + std::chrono::seconds(20);
    RedisConnection connection(RedisUrl::parse(server.url()), deadline);
    return std::string(text_of(*connection.exchange(command, deadline)));
  }
};

TEST_F(RedisOnly, AStoppedServerIsAStoreErrorAndComesBack) {
  RedisServer server;
  const auto store = open(server);
  for (int i = 0; i < 20; ++i) store->append(numbered_event(i));
  server.stop();
  EXPECT_THROW(store->append(numbered_event(20)), StoreError);
  EXPECT_THROW(store->history("u", 5), StoreError);
  EXPECT_THROW(store->put_item({"i", "v"}), StoreError);
  EXPECT_THROW(store->items_since(0, 5), StoreError);
  EXPECT_THROW(store->check(), StoreError);
  EXPECT_NO_THROW(store->warnings());
  server.start();
  ASSERT_TRUE(works_again([&] { store->check(); }));
  EXPECT_EQ(store->history("u", 100).size(), 20u) << "every acknowledged event is there after kill -9";
  EXPECT_EQ(store->append(numbered_event(19)), Appended::duplicate);
  EXPECT_EQ(store->append(numbered_event(20)), Appended::added);
}

TEST_F(RedisOnly, AFrozenServerCostsOneTimeLimitAndNotEveryCallerOne) {
  RedisServer server;
  const auto store = open(server, 300);
  ASSERT_TRUE(works_again([&] { store->append(numbered_event(1)); }));
  server.freeze();
  EXPECT_THROW(store->history("u", 1), StoreError);
  const double many_ms = ms_of([&] {
    for (int i = 0; i < 1000; ++i) EXPECT_THROW(store->history("u", 1), StoreError);
  });
  EXPECT_LT(many_ms, 3000) << "one time limit each would be 300,000 ms";
  server.thaw();
  EXPECT_TRUE(works_again([&] { EXPECT_EQ(store->history("u", 1).size(), 1u); }));
}

TEST_F(RedisOnly, CallersAtTheSameTimeWaitBesideEachOther) {
  RedisServer server;
  const auto store = open(server, 300);
  server.freeze();
  std::vector<std::thread> callers;
  std::atomic<int> failures = 0;
  const double all_ms = ms_of([&] {
    for (int i = 0; i < 8; ++i) {
      callers.emplace_back([&, i] {
        try {
          store->append(numbered_event(i));
        } catch (const StoreError&) {
          ++failures;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
  });
  EXPECT_EQ(failures, 8);
  EXPECT_LT(all_ms, 2000);
  server.thaw();
}

TEST_F(RedisOnly, OneThatIsNotThereYetIsNoErrorOfOpening) {
  RedisServer server;
  server.stop();
  const auto store = open(server);
  EXPECT_THROW(store->check(), StoreError);
  server.start();
  EXPECT_TRUE(works_again([&] { store->append(numbered_event(1)); }));
}

TEST_F(RedisOnly, ConcurrentCallersOutliveRestarts) {
  RedisServer server;
  const auto store = open(server, 5000);
  std::atomic<bool> done = false;
  std::atomic<int> acknowledged = 0;
  std::vector<std::thread> writers;
  for (int thread = 0; thread < 4; ++thread) {
    writers.emplace_back([&, thread] {
      for (int i = 0; !done;) {
        try {
          store->append({std::to_string(i), std::string("u").append(std::to_string(thread)), "item", i, true});
          ++acknowledged;
          ++i;
        } catch (const StoreError&) {
          std::this_thread::sleep_for(milliseconds(5));
        }
      }
    });
  }
  for (int restart = 0; restart < 3; ++restart) {
    std::this_thread::sleep_for(milliseconds(100));
    server.stop();
    std::this_thread::sleep_for(milliseconds(100));
    server.start();
  }
  const int before = acknowledged;
  EXPECT_TRUE(works_again([&] {
    if (acknowledged == before) throw StoreError("not yet");
  }));
  done = true;
  for (std::thread& writer : writers) writer.join();
  std::size_t kept = 0;
  for (const char* user : {"u0", "u1", "u2", "u3"}) kept += store->history(user, 10'000).size();
  EXPECT_GE(kept, static_cast<std::size_t>(acknowledged));
  EXPECT_LE(kept, static_cast<std::size_t>(acknowledged) + 4) << "at most the last of each writer was not acknowledged";
}

TEST_F(RedisOnly, LoginIsChecked) {
  RedisServer server({"--requirepass", "secret"});
  EXPECT_THROW(open(server), DataError);
  EXPECT_THROW(open(server, 20'000, ":wrong@"), DataError);
  EXPECT_THROW(open(server, 20'000, "nobody:secret@"), DataError);
  EXPECT_EQ(open(server, 20'000, ":secret@")->append(numbered_event(1)), Appended::added);
  EXPECT_EQ(open(server, 20'000, "default:secret@")->append(numbered_event(1)), Appended::duplicate);
}

TEST_F(RedisOnly, DatabasesAndPrefixesAreApart) {
  RedisServer server;
  const auto first = open_store(server.url() + "/0", {});
  StoreOptions other_prefix;
  other_prefix.key_prefix = "other:";
  for (const std::string database : {"/3", "/0"}) {
    const auto other = open_store(server.url() + database, other_prefix);
    EXPECT_EQ(other->append(numbered_event(1)), Appended::added);
    other->put_item({"i", "v"});
  }
  EXPECT_TRUE(first->history("u", 10).empty());
  EXPECT_TRUE(first->items_since(0, 10).items.empty());
  EXPECT_EQ(open_store(server.url() + "/3", {})->append(numbered_event(1)), Appended::added);
  EXPECT_THROW(open_store(server.url() + "/99", {}), DataError);
}

TEST_F(RedisOnly, AnotherVersionIsRefused) {
  RedisServer server;
  admin(server, {"SET", "neume:format", "neume store 2"});
  EXPECT_THROW(open(server), DataError);
}

TEST_F(RedisOnly, AnErrorOfOneCommandIsNoneOfTheConnection) {
  RedisServer server;
  const auto store = open(server);
  admin(server, {"SET", "neume:items", "not a hash"});
  EXPECT_THROW(store->put_item({"i", "v"}), StoreError);
  EXPECT_NO_THROW(store->append(numbered_event(1)));
}

TEST_F(RedisOnly, ItemsAfterALossAreSeenByWhoHadReadFurther) {
  RedisServer server;
  const auto store = open(server);
  for (const std::string id : {"a", "b", "c"}) store->put_item({id, "v"});
  const std::uint64_t cursor = store->items_since(0, 10).cursor;
  admin(server, {"FLUSHALL"});
  store->put_item({"d", "v"});
  EXPECT_EQ(store->items_since(cursor, 10).items, (std::vector<StoredItem>{{"d", "v"}}));
}

TEST_F(RedisOnly, ForgottenScriptsAreSentAgain) {
  RedisServer server;
  const auto store = open(server);
  store->append(numbered_event(1));
  EXPECT_EQ(admin(server, {"SCRIPT", "FLUSH"}), "OK");
  EXPECT_EQ(store->append(numbered_event(1)), Appended::duplicate);
  EXPECT_EQ(store->append(numbered_event(2)), Appended::added);
}

TEST_F(RedisOnly, FullMemoryIsAStoreErrorAndKeepsTheLaws) {
  RedisServer server;
  const auto store = open(server);
  store->append(numbered_event(1));
  admin(server, {"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_THROW(store->append(numbered_event(2)), StoreError);
  EXPECT_THROW(store->put_item({"i", "v"}), StoreError);
  EXPECT_THROW(store->check(), StoreError);
  EXPECT_EQ(store->history("u", 10).size(), 1u);
  admin(server, {"CONFIG", "SET", "maxmemory", "0"});
  EXPECT_EQ(store->append(numbered_event(2)), Appended::added) << "nothing was half kept";
  EXPECT_EQ(store->history("u", 10).size(), 2u);
}

TEST_F(RedisOnly, SettingsThatLoseThingsAreToldOf) {
  RedisServer server;
  const auto store = open(server);
  EXPECT_TRUE(store->warnings().empty());
  const auto warned = [&](const std::string& name, const std::string& value, const std::string& of) {
    admin(server, {"CONFIG", "SET", name, value});
    const auto warnings = store->warnings();
    return warnings.size() == 1 && warnings[0].find(of) != std::string::npos;
  };
  EXPECT_TRUE(warned("appendfsync", "everysec", "last second"));
  EXPECT_TRUE(warned("appendfsync", "no", "half minute"));
  EXPECT_TRUE(warned("appendonly", "no", "appendonly is no"));
  admin(server, {"CONFIG", "SET", "appendfsync", "always"});
  admin(server, {"CONFIG", "SET", "appendonly", "yes"});
  admin(server, {"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"});
  EXPECT_TRUE(store->warnings().empty()) << "without a limit nothing is thrown away";
  EXPECT_TRUE(warned("maxmemory", "1gb", "allkeys-lru"));
}

}  // namespace
}  // namespace neume::store
