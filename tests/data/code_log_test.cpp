// The log of a killed encode: what is whole is kept, what is not is written again.

#include "data/code_log.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "data/fixture_files.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;

constexpr CodeLog::Shape kShape{25, 3, 2, 10};  // three blocks, the last of five items
const std::string kPrint = "0123456789abcdef";

class CodeLogFile : public testing::DataFiles {
 protected:
  static std::vector<Code> codes(std::size_t first, std::size_t items) {
    std::vector<Code> codes(items * 3);
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<Code>(1000 * first + i);
    return codes;
  }

  static void add_block(CodeLog& log) {
    const std::size_t first = log.num_items();
    log.append(codes(first, std::min<std::size_t>(10, 25 - first)), std::vector<std::uint64_t>{first + 1, 1});
  }

  std::string file() const { return path("out.part"); }
  std::size_t size() const { return std::filesystem::file_size(file()); }
};

TEST_F(CodeLogFile, GoesOnAfterTheLastBlock) {
  for (std::size_t run = 0; run < 3; ++run) {
    CodeLog log(file(), kPrint, kShape);
    EXPECT_EQ(log.found(), run == 0 ? CodeLog::Found::nothing : CodeLog::Found::same);
    EXPECT_EQ(log.num_items(), 10 * run);
    add_block(log);
  }
  CodeLog log(file(), kPrint, kShape);
  EXPECT_EQ(log.num_items(), 25u);
  EXPECT_EQ(log.counts()[0], 1u + 11u + 21u);
  EXPECT_EQ(log.counts()[1], 3u);
  std::vector<Code> found(17 * 3);
  log.read(5, found);
  EXPECT_EQ(found[0], 15);
  EXPECT_EQ(found[5 * 3], 10000);
  EXPECT_EQ(found[15 * 3], 20000);
  log.remove();
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(CodeLogFile, ABlockThatIsNotWholeIsWrittenAgain) {
  std::size_t whole = 0;
  {
    CodeLog log(file(), kPrint, kShape);
    add_block(log);
    whole = size();
    add_block(log);
  }
  const std::string bytes = base::read_file(file());
  for (std::size_t cut = whole; cut < bytes.size(); cut += 7) {
    write("out.part", bytes.substr(0, cut));
    EXPECT_EQ(CodeLog(file(), kPrint, kShape).num_items(), 10u) << cut;
    std::string flipped = bytes;
    flipped[cut] = static_cast<char>(flipped[cut] ^ 4);
    write("out.part", flipped);
    CodeLog log(file(), kPrint, kShape);
    EXPECT_EQ(log.num_items(), 10u) << cut;
    EXPECT_EQ(log.counts()[0], 1u);
    add_block(log);
    add_block(log);
    EXPECT_EQ(log.num_items(), 25u);
  }
  write("out.part", bytes.substr(0, whole) + bytes.substr(32, whole - 32));  // block 0 in the place of block 1
  EXPECT_EQ(CodeLog(file(), kPrint, kShape).num_items(), 10u);
}

TEST_F(CodeLogFile, ALogWithoutABlockDisappears) {
  { const CodeLog log(file(), kPrint, kShape); }
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(CodeLogFile, AnotherFingerprintStartsOver) {
  {
    CodeLog log(file(), kPrint, kShape);
    add_block(log);
  }
  CodeLog log(file(), "fedcba9876543210", kShape);
  EXPECT_EQ(log.found(), CodeLog::Found::other);
  EXPECT_EQ(log.num_items(), 0u);
}

TEST_F(CodeLogFile, OnlyOneProcessWrites) {
  const CodeLog log(file(), kPrint, kShape);
  expect_failure<DataError>([&] { CodeLog(file(), kPrint, kShape); }, {file(), "another neume encode"});
}

TEST_F(CodeLogFile, AFolderThatIsNotThereIsNamed) {
  expect_failure<DataError>([&] { CodeLog("/proc/none/out.part", kPrint, kShape); }, {"/proc/none/out.part"});
}

}  // namespace
}  // namespace neume::data
