// kill -9 of a process that writes to the RocksDB store from several threads: whatever it was told is kept is there
// afterwards, once. NEUME_TEST_KILLS: how often (20).

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "store/open_store.hpp"
#include "store/temporary_folder.hpp"

namespace neume::store {
namespace {

constexpr int kWriters = 6;
constexpr int kUsers = 3;  // fewer than writers: some share a user
constexpr std::size_t kMaxHistory = 400;
constexpr const char* kFolder = "NEUME_TEST_STORE_FOLDER";
constexpr const char* kRound = "NEUME_TEST_STORE_ROUND";

StoreOptions bounded() {
  StoreOptions options;
  options.max_history = kMaxHistory;
  return options;
}

std::string user_of(int writer) {
  return std::string("u").append(std::to_string(writer % kUsers));
}

/// What the process that is killed does: appends events and puts items for ever, and writes a
/// line "<user> <time> <event_id>" or "item <id>" to its output for each that was acknowledged.
void write_until_killed(const std::string& folder, const std::string& round) {
  const auto store = open_store(folder, bounded());
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0;; ++i) {
        const std::string id = round + "-" + std::to_string(writer) + "-" + std::to_string(i);
        const std::int64_t time = std::stoll(round) * 1'000'000 + i;
        std::string line;
        if (i % 10 == 9) {
          store->put_item({id, id});
          line = "item " + id + "\n";
        } else if (store->append({id, user_of(writer), "item of " + id, time, true}) == Appended::added) {
          line = user_of(writer) + " " + std::to_string(time) + " " + id + "\n";
        }
        if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(1);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
}

struct Acknowledged {
  std::map<std::string, std::set<std::pair<std::int64_t, std::string>>> events;  // by user: time, event id
  std::set<std::string> items;

  void add(const std::string& line) {
    const auto first = line.find(' '), second = line.find(' ', first + 1);
    if (line.starts_with("item ")) {
      items.insert(line.substr(first + 1));
    } else if (line.starts_with("u") && second != std::string::npos) {  // the rest is GoogleTest's talk
      events[line.substr(0, first)].emplace(std::stoll(line.substr(first + 1, second - first - 1)),
                                            line.substr(second + 1));
    }
  }
};

class StoreUnderKills : public testing::Test {
 protected:
  /// Starts the writer, kills it `after`, and adds what it had acknowledged.
  void write_and_kill(int round, std::chrono::milliseconds after, Acknowledged& acknowledged) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    setenv(kFolder, (folder_ / "store").c_str(), 1);
    setenv(kRound, std::to_string(round).c_str(), 1);
    const pid_t child = fork();
    if (child == 0) {
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      close(ends[1]);
      execl("/proc/self/exe", "writer", "--gtest_filter=StoreUnderKills.*", nullptr);
      _exit(127);
    }
    close(ends[1]);
    std::thread killer([&] {
      std::this_thread::sleep_for(after);
      kill(child, SIGKILL);
    });
    std::string text;
    char buffer[4096];
    for (ssize_t count; (count = read(ends[0], buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(count));
    }
    killer.join();
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer failed: " << text;
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      acknowledged.add(text.substr(begin, end - begin));
    }
  }

  void expect_all_kept(const Acknowledged& acknowledged) {
    const auto store = open_store((folder_ / "store").string(), bounded());
    for (const auto& [user, events] : acknowledged.events) {
      const auto kept = store->history(user, 1'000'000);
      ASSERT_LE(kept.size(), kMaxHistory);
      std::set<std::pair<std::int64_t, std::string>> places;
      for (const Event& event : kept) {
        EXPECT_TRUE(places.emplace(event.timestamp, event.event_id).second) << "doubled: " << event.event_id;
        EXPECT_EQ(event.item_id, "item of " + event.event_id);
        EXPECT_EQ(store->append(event), Appended::duplicate);
      }
      ASSERT_FALSE(places.empty());
      for (const auto& place : events) {
        EXPECT_TRUE(places.contains(place) || (kept.size() == kMaxHistory && place < *places.begin()))
            << user << " lost " << place.second;
      }
    }
    std::set<std::string> items;
    for (const StoredItem& item : store->items_since(0, 10'000'000).items) {
      EXPECT_TRUE(items.insert(item.item_id).second) << "doubled: " << item.item_id;
      EXPECT_EQ(item.value, item.item_id);
    }
    for (const std::string& item : acknowledged.items) EXPECT_TRUE(items.contains(item)) << "lost item " << item;
  }

  TemporaryFolder folder_{TemporaryFolder::Place::on_disk};
};

TEST_F(StoreUnderKills, EveryAcknowledgedEventIsThereOnce) {
  if (const char* folder = std::getenv(kFolder)) return write_until_killed(folder, std::getenv(kRound));
  const char* wanted = std::getenv("NEUME_TEST_KILLS");
  const int kills = wanted == nullptr ? 20 : std::atoi(wanted);
  std::mt19937 random(20);
  Acknowledged acknowledged;
  for (int round = 1; round <= kills; ++round) {
    write_and_kill(round, std::chrono::milliseconds(20 + random() % 600), acknowledged);
    expect_all_kept(acknowledged);
    if (HasFailure()) return;
  }
  std::size_t num_events = 0;
  for (const auto& [user, events] : acknowledged.events) num_events += events.size();
  EXPECT_GT(num_events, static_cast<std::size_t>(kills)) << "the writer was killed before it wrote";
  RecordProperty("events", static_cast<int>(num_events));
  RecordProperty("items", static_cast<int>(acknowledged.items.size()));
}

}  // namespace
}  // namespace neume::store
