// Histories: never the target, nothing from the target's time on, the last T, and no hint of the label.

#include "data/histories.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "base/random.hpp"

namespace neume::data {
namespace {

using Items = std::vector<std::uint32_t>;

Items history(const Histories& histories, Histories::Query query, std::size_t limit = 20) {
  Items out;
  histories.append(query, limit, out);
  return out;
}

/// User 0 likes 10, 11, 12, 11 at times 5, 7, 9, 11 (rows out of order) and dislikes 13 at 6; user 1 likes 20.
Interactions timed_log() {
  Interactions log;
  log.users = {0, 0, 0, 1, 0, 0};
  log.items = {11, 10, 13, 20, 12, 11};
  log.timestamps = {11, 5, 6, 1, 9, 7};
  log.labels = {1, 1, 0, 1, 1, 1};
  return log;
}

TEST(Histories, HoldThePositivesStrictlyBeforeTheTarget) {
  const Histories histories(timed_log(), 2, 1);
  EXPECT_EQ(history(histories, {0, 99, 9}), (Items{10, 11}));
  EXPECT_EQ(history(histories, {0, 99, 5}), Items{});
  EXPECT_EQ(history(histories, {0, 99}), (Items{10, 11, 12, 11}));
}

TEST(Histories, NeverHoldTheTarget) {
  const Histories histories(timed_log(), 2, 1);
  EXPECT_EQ(history(histories, {0, 11}), (Items{10, 12}));
  EXPECT_EQ(history(histories, {1, 20}), Items{});
}

TEST(Histories, KeepTheLastOnesOldestFirst) {
  const Histories histories(timed_log(), 2, 1);
  EXPECT_EQ(history(histories, {0, 99}, 2), (Items{12, 11}));
  EXPECT_EQ(history(histories, {0, 11}, 1), Items{12});
}

TEST(Histories, AreEmptyForAnUnknownUser) {
  const Histories histories(timed_log(), 2, 1);
  EXPECT_EQ(history(histories, {7, 99}), Items{});
  EXPECT_FALSE(histories.is_positive(7, 10));
}

TEST(Histories, KnowPositives) {
  const Histories histories(timed_log(), 2, 1);
  EXPECT_TRUE(histories.is_positive(0, 11));
  EXPECT_FALSE(histories.is_positive(0, 13));
  EXPECT_EQ(histories.positives(0).size(), 3u);
}

Interactions timeless_log(bool reversed) {
  Interactions log;
  for (std::uint32_t i = 0; i < 8; ++i) log.items.push_back(reversed ? 7 - i : i);
  log.users.assign(8, 0);
  return log;
}

TEST(Histories, WithoutTimeDoNotDependOnTheOrderOfRows) {
  const Histories a(timeless_log(false), 1, 1), b(timeless_log(true), 1, 1);
  EXPECT_EQ(history(a, {0, 99}), history(b, {0, 99}));
  const Items all = history(a, {0, 99});
  EXPECT_FALSE(std::ranges::is_sorted(all));
  EXPECT_EQ(std::set(all.begin(), all.end()).size(), 8u);
}

TEST(Histories, OfNegativesAreAsLongAsThoseOfPositivesWhenOneIsHidden) {
  const Histories histories(timeless_log(false), 1, 1);
  const std::size_t of_positive = history(histories, {0, 3}).size();
  EXPECT_EQ(of_positive, 7u);
  std::set<Items> distinct;
  for (std::uint32_t negative = 100; negative < 130; ++negative) {
    const Items seen = history(histories, {0, negative, Histories::kAnyTime, true});
    EXPECT_EQ(seen.size(), of_positive);
    distinct.insert(seen);
  }
  EXPECT_GT(distinct.size(), 3u);  // not always the same one
}

/// Rows of 60 users, of whom the last one has none and user 5 has a third of all.
void fill(Interactions& log, bool timed) {
  base::Random random(3);
  for (std::uint32_t i = 0; i < 5000; ++i) {
    log.users.push_back(random.index(3) == 0 ? 5 : static_cast<std::uint32_t>(random.index(59)));
    log.items.push_back(static_cast<std::uint32_t>(random.index(200)));
    if (!timed) continue;
    log.timestamps.push_back(static_cast<std::int64_t>(random.index(300)));
    log.labels.push_back(random.index(2) == 0 ? 1 : 0);
  }
}

TEST(Histories, OfALogOnDiskAreTheSame) {
  const auto folder = std::filesystem::temp_directory_path() / ("neume-histories-" + std::to_string(getpid()));
  for (const bool timed : {false, true}) {
    Interactions in_memory;
    fill(in_memory, timed);
    const Histories expected(in_memory, 60, 1);
    for (const std::size_t limit : {1, 100, 1000, 2000}) {
      Interactions on_disk(base::SpillPolicy{folder, limit});
      fill(on_disk, timed);
      ASSERT_TRUE(on_disk.users.in_file());
      const Histories found(on_disk, 60, 1);
      for (std::uint32_t user = 0; user < 60; ++user) {
        EXPECT_TRUE(std::ranges::equal(found.positives(user), expected.positives(user))) << limit << " " << user;
        EXPECT_EQ(history(found, {user, 999}, 3000), history(expected, {user, 999}, 3000)) << limit << " " << user;
        EXPECT_EQ(history(found, {user, 999, 150}, 30), history(expected, {user, 999, 150}, 30));
      }
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace neume::data
