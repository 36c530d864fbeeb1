// Threads: every piece of work once, failures reported, nested calls allowed.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/parallel.hpp"

namespace neume::base {
namespace {

class Parallel : public ::testing::Test {
 protected:
  void TearDown() override { set_num_threads(0); }
};

TEST_F(Parallel, StretchesCallEveryNumberOnce) {
  for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
    set_num_threads(threads);
    for (const std::size_t count : {0u, 1u, 2u, 5u, 100u}) {
      std::vector<std::atomic<int>> calls(count);
      parallel_stretches(count, [&](std::size_t i) { ++calls[i]; });
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(calls[i], 1) << i << " of " << count << ", " << threads;
    }
    const auto fails = [](std::size_t i) {
      if (i == 7) throw std::runtime_error("7");
    };
    EXPECT_THROW(parallel_stretches(9, fails), std::runtime_error);
  }
  set_num_threads(0);
}

TEST_F(Parallel, CallsEveryIndexOnce) {
  for (const std::size_t threads : {1, 2, 5}) {
    set_num_threads(threads);
    for (const std::size_t count : {0, 1, 2, 3, 1000}) {
      std::vector<std::atomic<int>> calls(count);
      parallel_for(count, [&](std::size_t i) { ++calls[i]; });
      for (const auto& number : calls) EXPECT_EQ(number, 1);
    }
  }
}

TEST_F(Parallel, ForwardsTheExceptionAndStaysUsable) {
  for (const std::size_t threads : {1, 3}) {
    set_num_threads(threads);
    const auto fail_at_7 = [](std::size_t i) {
      if (i == 7) throw std::runtime_error("seven");
    };
    try {
      parallel_for(100, fail_at_7);
      ADD_FAILURE() << "nothing was thrown with " << threads << " threads";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "seven");
    }
    std::atomic<int> calls = 0;
    parallel_for(10, [&](std::size_t) { ++calls; });
    EXPECT_EQ(calls, 10);
  }
}

TEST_F(Parallel, StopsSoonAfterAFailure) {
  set_num_threads(1);
  int calls = 0;
  const auto fail_at_once = [&](std::size_t) {
    ++calls;
    throw std::runtime_error("first");
  };
  EXPECT_THROW(parallel_for(1000, fail_at_once), std::runtime_error);
  EXPECT_EQ(calls, 1);
}

TEST_F(Parallel, UsesAtMostTheThreadsAskedFor) {
  set_num_threads(2);
  EXPECT_EQ(num_threads(), 2u);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  parallel_for(200, [&](std::size_t) {
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_LE(ids.size(), 2u);
  set_num_threads(0);
  EXPECT_GE(num_threads(), 1u);
}

TEST_F(Parallel, MayBeNested) {
  set_num_threads(2);
  std::atomic<int> calls = 0;
  parallel_for(4, [&](std::size_t) { parallel_for(5, [&](std::size_t) { ++calls; }); });
  EXPECT_EQ(calls, 20);
}

TEST_F(Parallel, ChunksCoverTheRows) {
  EXPECT_EQ(num_chunks(0, 8), 0u);
  EXPECT_EQ(num_chunks(1, 8), 1u);
  EXPECT_EQ(num_chunks(8, 8), 1u);
  EXPECT_EQ(num_chunks(9, 8), 2u);
}

TEST_F(Parallel, LimitHoldsForItsThreadAlone) {
  set_num_threads(4);
  std::size_t elsewhere = 0, inside = 0, after = 0;
  const ThreadLimit outer(3);
  std::thread([&] {
    elsewhere = num_threads();
    {
      const ThreadLimit limit(2);
      std::mutex mutex;
      std::set<std::thread::id> used;
      parallel_for(200, [&](std::size_t) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
        const std::lock_guard lock(mutex);
        used.insert(std::this_thread::get_id());
      });
      inside = num_threads();
      EXPECT_LE(used.size(), 2u);
    }
    after = num_threads();
  }).join();
  EXPECT_EQ(elsewhere, 4u);
  EXPECT_EQ(inside, 2u);
  EXPECT_EQ(after, 4u);
  EXPECT_EQ(num_threads(), 3u);
  const ThreadLimit at_least_one(0);
  EXPECT_EQ(num_threads(), 1u);
}

}  // namespace
}  // namespace neume::base
