// SpillVector: the same content in memory and in a file, nothing left in the folder, and errors instead of signals.

#include "base/spill_vector.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <neume/error.hpp>

namespace neume::base {
namespace {

namespace fs = std::filesystem;

class Spilling : public testing::Test {
 protected:
  Spilling()
      : folder_(fs::temp_directory_path() / ("neume-spill-" + std::to_string(getpid()) + "-" +
                                             testing::UnitTest::GetInstance()->current_test_info()->name())) {}
  ~Spilling() override { fs::remove_all(folder_); }

  SpillPolicy policy(std::size_t max_in_memory) const { return {folder_, max_in_memory}; }

  fs::path folder_;
};

std::vector<std::uint32_t> squares(std::size_t count) {
  std::vector<std::uint32_t> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<std::uint32_t>(i * i);
  return values;
}

TEST_F(Spilling, HoldsTheSameOnBothSidesOfTheLimit) {
  for (const std::size_t limit : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65},
                                  std::size_t{1000}, SpillPolicy::kNever}) {
    for (const std::size_t count : {1, 64, 65, 1000, 1001, 200'000}) {
      SpillVector<std::uint32_t> values(policy(limit));
      for (const std::uint32_t value : squares(count)) values.push_back(value);
      EXPECT_EQ(values, squares(count)) << limit;
      EXPECT_EQ(values.in_file(), count > limit) << count << " " << limit;
    }
  }
}

TEST_F(Spilling, LeavesNothingInTheFolder) {
  SpillVector<std::uint64_t> values(policy(10));
  values.resize(100'000);
  ASSERT_TRUE(values.in_file());
  EXPECT_TRUE(fs::exists(folder_));
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Spilling, ResizeFillsAndKeeps) {
  for (const std::size_t limit : {std::size_t{5}, SpillPolicy::kNever}) {
    SpillVector<std::int64_t> values(policy(limit));
    values.resize(4);
    for (auto& value : values) value = -1;
    values.resize(100'000);
    EXPECT_EQ(values[3], -1);
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), std::int64_t{0}), -4);
    values.resize(2);
    values.resize(4);
    EXPECT_EQ(values, (std::vector<std::int64_t>{-1, -1, 0, 0}));
    values.clear();
    EXPECT_TRUE(values.empty());
    values.append(std::vector<std::int64_t>{1, 2});
    values.assign(3, 7);
    EXPECT_EQ(values, (std::vector<std::int64_t>{7, 7, 7}));
  }
}

TEST_F(Spilling, MovesWithItsPolicy) {
  SpillVector<std::uint32_t> values(policy(10));
  values.append(squares(1000));
  const std::uint32_t* place = values.data();
  SpillVector<std::uint32_t> other(std::move(values));
  EXPECT_EQ(other.data(), place);
  EXPECT_EQ(other, squares(1000));
  EXPECT_EQ(other.policy().max_in_memory, 10u);
  SpillVector<std::uint32_t> third{1, 2, 3};
  third = std::move(other);
  EXPECT_EQ(third, squares(1000));
}

TEST_F(Spilling, AFolderThatCannotBeIsAnErrorThatNamesIt) {
  fs::create_directories(folder_);
  const fs::path file = folder_ / "file";
  std::ofstream(file) << "x";
  SpillVector<std::uint32_t> values(SpillPolicy{file, 3});
  for (std::uint32_t i = 0; i < 3; ++i) values.push_back(i);
  try {
    values.push_back(3);
    FAIL() << "expected a DataError";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find(file.string()), std::string::npos) << error.what();
  }
  EXPECT_EQ(values, (std::vector<std::uint32_t>{0, 1, 2}));
}

/// The process may write files of at most `size_bytes` while this lives: the kernel's answer to one that grows further
/// is the same as on a full disk but for its number.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t size_bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{size_bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(Spilling, NoRoomIsAnErrorAndKeepsWhatThereIs) {
  SpillVector<std::uint64_t> values(policy(10));
  values.assign(100'000, 5);
  {
    const FileSizeLimit limit(1 << 20);
    EXPECT_THROW(values.resize(1'000'000), DataError);
    SpillVector<std::uint64_t> other(policy(10));
    other.assign(10, 3);
    EXPECT_THROW(other.resize(1'000'000), DataError);
    EXPECT_EQ(other, std::vector<std::uint64_t>(10, 3));
  }
  EXPECT_EQ(values, std::vector<std::uint64_t>(100'000, 5));
  values.resize(1'000'000);
  EXPECT_EQ(values[99'999], 5u);
  EXPECT_EQ(values[999'999], 0u);
}

}  // namespace
}  // namespace neume::base
