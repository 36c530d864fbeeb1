// Whole reads and writes, and files without a name.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>

#include "base/descriptor.hpp"

namespace neume::base {
namespace {

namespace fs = std::filesystem;

class DescriptorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "neume-descriptor-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    descriptor_ = open_unlinked(folder_ / "deep");
    ASSERT_GE(descriptor_, 0);
  }
  void TearDown() override {
    close(descriptor_);
    fs::remove_all(folder_);
  }

  fs::path folder_;
  int descriptor_ = -1;
};

TEST_F(DescriptorTest, AnUnlinkedFileHasNoNameAndKeepsWhatIsWritten) {
  const std::string text = "abcdef";
  ASSERT_TRUE(write_at(descriptor_, 3, std::as_bytes(std::span(text))));
  EXPECT_TRUE(fs::is_empty(folder_ / "deep"));
  std::array<char, 4> found{};
  ASSERT_EQ(read_at(descriptor_, 4, std::as_writable_bytes(std::span(found))), found.size());
  EXPECT_EQ(std::string(found.data(), found.size()), "bcde");
}

TEST_F(DescriptorTest, AReadEndsWhereTheFileEnds) {
  const std::string text = "abc";
  ASSERT_TRUE(write_at(descriptor_, 0, std::as_bytes(std::span(text))));
  std::array<std::byte, 4> found{};
  EXPECT_EQ(read_at(descriptor_, 1, found), 2u);
  EXPECT_EQ(read_at(descriptor_, 7, found), 0u);
}

TEST_F(DescriptorTest, FailuresAreTold) {
  std::array<std::byte, 4> bytes{};
  EXPECT_EQ(read_at(-1, 0, bytes), std::nullopt);
  EXPECT_FALSE(write_at(-1, 0, bytes));
  EXPECT_EQ(open_unlinked("/dev/null/below"), -1);
}

}  // namespace
}  // namespace neume::base
