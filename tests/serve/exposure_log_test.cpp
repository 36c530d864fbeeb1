// Logs of what was shown: every row in one file, names that sort, and no more memory than was allowed.

#include "serve/exposure_log.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <neume/error.hpp>

#include "data/duckdb_table.hpp"

namespace neume::serve {
namespace {

namespace fs = std::filesystem;

class ExposureLogTest : public testing::Test {
 protected:
  ExposureLogTest() : folder_(fs::temp_directory_path() / ("neume-exposures-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
  }
  ~ExposureLogTest() override { fs::remove_all(folder_); }

  RotatingLogOptions options() const {
    RotatingLogOptions options;
    options.folder = folder_ / "log";
    return options;
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_ / "log")) found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
  }

  /// The first column of a query over all files, as text.
  std::vector<std::string> ask(const std::string& select) const {
    data::Database database("test");
    auto rows = database.query("SELECT CAST(x AS VARCHAR) FROM (" + select + ") t(x)");
    std::vector<std::string> texts;
    while (rows.next()) {
      for (std::size_t i = 0; i < rows.num_rows(); ++i) texts.emplace_back(rows.column(0).text(i));
    }
    return texts;
  }
  std::string all() const { return "'" + (folder_ / "log" / "*.parquet").string() + "'"; }

  fs::path folder_;
};

Exposure exposure(std::int64_t number, std::vector<std::string> items = {"a", "b"}) {
  return {number, "request " + std::to_string(number), "e", "v", "0123456789abcdef", "user", std::move(items)};
}

TEST_F(ExposureLogTest, RowsComeBack) {
  {
    ExposureLog log(options());
    log.record(exposure(1, {"it's", "ü", ""}));
    log.record(exposure(-2, {}));
    log.flush();
    EXPECT_EQ(files().size(), 1u);
    EXPECT_EQ(log.dropped(), 0u);
    EXPECT_EQ(log.problem(), "");
  }
  ASSERT_EQ(files().size(), 1u);
  EXPECT_EQ(ask("SELECT time_ms || request_id || experiment || variant || model_version || user_id FROM " + all()),
            (std::vector<std::string>{"1request 1ev0123456789abcdefuser", "-2request -2ev0123456789abcdefuser"}));
  EXPECT_EQ(ask("SELECT unnest(item_ids) FROM " + all()), (std::vector<std::string>{"it's", "ü", ""}));
  EXPECT_EQ(ask("SELECT len(item_ids) FROM " + all()), (std::vector<std::string>{"3", "0"}));
}

TEST_F(ExposureLogTest, FilesHaveTheRowsTheyMayAndNamesThatSort) {
  RotatingLogOptions small = options();
  small.rows_a_file = 1000;
  {
    ExposureLog log(small);
    for (std::int64_t i = 0; i < 4500; ++i) log.record(exposure(i));
  }
  const auto written = files();
  ASSERT_EQ(written.size(), 5u);
  const auto times = ask("SELECT time_ms FROM read_parquet(" + all() + ")");  // in the order of the names
  ASSERT_EQ(times.size(), 4500u);
  for (std::size_t i = 0; i < times.size(); ++i) EXPECT_EQ(times[i], std::to_string(i));
  for (const fs::path& file : written) {
    EXPECT_NE(file.string().find("-" + std::to_string(getpid()) + "-"), std::string::npos);
    EXPECT_TRUE(file.filename().string().starts_with("exposures-2"));
  }
}

TEST_F(ExposureLogTest, AFileIsWrittenWhenItsTimeHasCome) {
  RotatingLogOptions quick = options();
  quick.seconds_a_file = 0.05;
  ExposureLog log(quick);
  for (std::int64_t i = 0; i < 3; ++i) log.record(exposure(i));
  for (int wait = 0; wait < 200 && files().empty(); ++wait) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(ask("SELECT count(*) FROM " + all()), (std::vector<std::string>{"3"}));
}

TEST_F(ExposureLogTest, ManyThreadsLoseNothing) {
  RotatingLogOptions small = options();
  small.rows_a_file = 700;
  {
    ExposureLog log(small);
    std::vector<std::thread> threads;
    for (std::int64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&log, t] {
        for (std::int64_t i = 0; i < 2000; ++i) log.record(exposure(t * 2000 + i));
      });
    }
    log.flush();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(log.dropped(), 0u);
  }
  EXPECT_EQ(ask("SELECT count(DISTINCT time_ms) FROM " + all()), (std::vector<std::string>{"8000"}));
  EXPECT_EQ(ask("SELECT count(*) FROM " + all()), (std::vector<std::string>{"8000"}));
}

TEST_F(ExposureLogTest, WhatDoesNotFitIsDroppedAndCounted) {
  RotatingLogOptions small = options();
  small.rows_in_memory = 10;
  small.seconds_a_file = 3600.0;
  {
    ExposureLog log(small);
    for (std::int64_t i = 0; i < 25; ++i) log.record(exposure(i));
    EXPECT_EQ(log.dropped(), 15u);
    log.flush();
    log.record(exposure(99));
    EXPECT_EQ(log.dropped(), 15u);
  }
  EXPECT_EQ(ask("SELECT count(*) FROM " + all()), (std::vector<std::string>{"11"}));
  small.rows_in_memory = 1000;
  small.bytes_in_memory = 5000;
  ExposureLog log(small);
  log.record(exposure(1, std::vector<std::string>(1000, "item")));
  EXPECT_EQ(log.dropped(), 1u);
}

TEST_F(ExposureLogTest, RowsWaitWhileTheDiskFails) {
  RotatingLogOptions small = options();
  small.rows_a_file = 5;
  {
    ExposureLog log(small);
    fs::remove_all(folder_ / "log");
    fs::create_directories(folder_);
    std::FILE* file = std::fopen((folder_ / "log").c_str(), "w");  // a file where the folder should be
    std::fclose(file);
    for (std::int64_t i = 0; i < 7; ++i) log.record(exposure(i));
    EXPECT_THROW(log.flush(), DataError);
    EXPECT_NE(log.problem(), "");
    EXPECT_EQ(log.dropped(), 0u);
    fs::remove(folder_ / "log");
    log.flush();
    EXPECT_EQ(log.problem(), "");
  }
  EXPECT_EQ(ask("SELECT time_ms FROM " + all()), (std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6"}));
}

TEST_F(ExposureLogTest, AFolderThatCannotBeWrittenIsTold) {
  RotatingLogOptions wrong = options();
  wrong.folder = "/proc/neume-exposures";
  EXPECT_THROW(ExposureLog{wrong}, DataError);
}

TEST_F(ExposureLogTest, EventsHaveALogOfTheirOwn) {
  {
    EventLog log(options());
    log.record({5, "id", "user", "item", 77, false});
    log.record({6, "id 2", "user", "item", 78, true});
  }
  EXPECT_TRUE(files().at(0).filename().string().starts_with("events-2"));
  EXPECT_EQ(ask("SELECT time_ms || event_id || user_id || item_id || timestamp || label FROM " + all()),
            (std::vector<std::string>{"5iduseritem77false", "6id 2useritem78true"}));
}

}  // namespace
}  // namespace neume::serve
