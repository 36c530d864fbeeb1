// The stores as a server uses them: appended events a second by number of threads, what an append costs a user whose
// history is full, and how long a user's history takes to come. Reads back what it wrote before it reports a time.
//
//   store_bench [--store FOLDER|redis://...] [--seconds 3] [--events 10000]
//
// FOLDER is made; Redis keys begin with "neume-bench:". The disk's own answer is measured too: an append of 100 bytes
// to a file and fdatasync, by one thread.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "store/open_store.hpp"

namespace {

using namespace neume;
using Clock = std::chrono::steady_clock;

struct Settings {
  std::string store = "store_bench.store";
  double seconds = 3;
  std::size_t events = 10'000;
};

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--store") settings.store = argv[i + 1];
    if (name == "--seconds") settings.seconds = std::atof(argv[i + 1]);
    if (name == "--events") settings.events = static_cast<std::size_t>(std::atof(argv[i + 1]));
  }
  return settings;
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(fmt::format("store_bench: wrong answer: {}", what));
}

/// What one call took, in milliseconds, of calls that were made one after the other.
struct Latencies {
  std::vector<double> ms;

  double at(double share) {
    std::sort(ms.begin(), ms.end());
    return ms[std::min(ms.size() - 1, static_cast<std::size_t>(share * static_cast<double>(ms.size())))];
  }
  void print(const std::string& what) {
    fmt::print("{:<44} p50 {:8.3f} ms  p99 {:8.3f} ms  max {:8.3f} ms  ({} calls)\n", what, at(0.5), at(0.99), at(1),
               ms.size());
  }
};

template <class Work>
Latencies measure(double seconds, Work work) {
  Latencies latencies;
  for (const auto begin = Clock::now(); seconds_since(begin) < seconds;) {
    const auto call = Clock::now();
    work();
    latencies.ms.push_back(seconds_since(call) * 1e3);
  }
  return latencies;
}

store::Event event_of(const std::string& user, std::size_t i) {
  return {fmt::format("event-{}", i), user, fmt::format("item-{}", i * 7919 % 100'000),
          1'700'000'000 + static_cast<std::int64_t>(i), true};
}

void measure_disk(double seconds) {
  const auto path = std::filesystem::current_path() / fmt::format("store_bench.disk-{}", getpid());
  const int file = open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  require(file >= 0, "a file in the working folder");
  unlink(path.c_str());
  const std::string bytes(100, 'x');
  measure(seconds, [&] {
    require(write(file, bytes.data(), bytes.size()) == 100 && fdatasync(file) == 0, "fdatasync");
  }).print("disk: write and fdatasync");
  close(file);
}

/// Each thread on users of its own, as requests of many users come.
void measure_appends(store::Store& store, int num_threads, double seconds, int run) {
  std::atomic<std::size_t> total = 0;
  const auto begin = Clock::now();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < num_threads; ++thread) {
    threads.emplace_back([&, thread] {
      std::size_t count = 0;
      for (; seconds_since(begin) < seconds; ++count) {
        const std::string user = fmt::format("run{}-thread{}-user{}", run, thread, count % 100);
        require(store.append(event_of(user, count)) == store::Appended::added, "append");
      }
      total += count;
      for (std::size_t u = 0; u < 100; ++u) {
        const auto events = store.history(fmt::format("run{}-thread{}-user{}", run, thread, u), 100'000);
        require(events.size() == count / 100 + (u < count % 100 ? 1 : 0), "the history of a user");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  fmt::print("appends, {:2} threads {:>30.0f} events/s\n", num_threads, static_cast<double>(total) / seconds);
}

void fill(store::Store& store, const std::string& user, std::size_t count) {
  constexpr std::size_t kThreads = 16;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t i = thread; i < count; i += kThreads) store.append(event_of(user, i));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void measure_histories(store::Store& store, const Settings& settings) {
  for (std::size_t length = 100; length <= settings.events; length *= 10) {
    const std::string user = fmt::format("reader{}", length);
    fill(store, user, length);
    const auto events = store.history(user, length);
    require(events.size() == length && events.front() == event_of(user, 0), "a long history");
    measure(settings.seconds, [&] {
      require(store.history(user, length).size() == length, "history");
    }).print(fmt::format("history of {} events", length));
  }
  const std::string full = fmt::format("reader{}", settings.events);
  measure(settings.seconds, [&] {
    require(store.history(full, 100).size() == 100, "history");
  }).print(fmt::format("the newest 100 of {} events", settings.events));
  measure(settings.seconds, [&] {
    require(store.history("nobody", 100).empty(), "history");
  }).print("history of an unknown user");
  std::size_t next = settings.events;
  measure(settings.seconds, [&] {
    store.append(event_of(full, next++));
  }).print(fmt::format("append to a full history of {}", settings.events));
  require(store.history(full, 1).front() == event_of(full, next - 1), "the newest of a full history");
  next = 0;
  measure(settings.seconds, [&] {
    store.append(event_of(fmt::format("new-user{}", next++), 0));
  }).print("append to an empty history");
}

}  // namespace

int main(int argc, char** argv) try {
  const Settings settings = parse(argc, argv);
  store::StoreOptions options;
  options.max_history = settings.events;
  options.timeout_ms = 20'000;
  options.key_prefix = fmt::format("neume-bench:{}:", getpid());
  const auto store = store::open_store(settings.store, options);
  measure_disk(settings.seconds);
  int run = 0;
  for (const int threads : {1, 4, 16}) measure_appends(*store, threads, settings.seconds, run++);
  measure_histories(*store, settings);
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
