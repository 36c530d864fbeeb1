// Files: atomic writes, maps, fingerprints.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <neume/error.hpp>

#include "base/file.hpp"

namespace neume::base {
namespace {

namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "neume-file-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::size_t num_files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

TEST_F(FileTest, RoundTrip) {
  const std::string content("a\0b\n\xff", 5);
  write_file(folder_ / "deep/er/file", content);
  EXPECT_EQ(read_file(folder_ / "deep/er/file"), content);
  write_file(folder_ / "deep/er/file", "");
  EXPECT_EQ(read_file(folder_ / "deep/er/file"), "");
  EXPECT_TRUE(MappedFile(folder_ / "deep/er/file").bytes().empty());
}

TEST_F(FileTest, FailureKeepsTheOldFileAndRemovesTheTemporaryOne) {
  const fs::path target = folder_ / "file";
  write_file(target, "old");
  const auto write = [](const Path& temporary) {
    std::ofstream(temporary) << "half of the new";
    throw std::runtime_error("the disk is on fire");
  };
  EXPECT_THROW(write_atomically(target, write), std::runtime_error);
  EXPECT_EQ(read_file(target), "old");
  EXPECT_EQ(num_files(), 1u);
}

TEST_F(FileTest, OldFileIsThereUntilTheNewOneIsWhole) {
  const fs::path target = folder_ / "file";
  write_file(target, "old");
  write_atomically(target, [&](const Path& temporary) {
    std::ofstream(temporary) << "new";
    EXPECT_EQ(temporary.parent_path(), folder_) << "a rename across file systems would not be atomic";
    EXPECT_EQ(read_file(target), "old");
  });
  EXPECT_EQ(read_file(target), "new");
  EXPECT_EQ(num_files(), 1u);
}

TEST_F(FileTest, LeftoversOfKilledProcessesGoAndNothingElse) {
  for (const char* name : {"file.tmp-1", "file.tmp-77", "file.tmp-", "file.tmp-7x", "other.tmp-1", "file", "12"})
    write_file(folder_ / name, "");
  remove_leftovers(folder_, [](std::string_view target) { return target == "file"; });
  EXPECT_EQ(num_files(), 5u);
  EXPECT_FALSE(fs::exists(folder_ / "file.tmp-1") || fs::exists(folder_ / "file.tmp-77"));
  remove_leftovers(folder_ / "nowhere", [](std::string_view) { return true; });
}

TEST_F(FileTest, WhatWriteAtomicallyLeavesBehindIsALeftover) {
  write_atomically(folder_ / "file", [&](const Path& temporary) {
    std::ofstream(temporary) << "new";
    fs::copy(temporary, folder_ / "kept");
    remove_leftovers(folder_, [](std::string_view target) { return target == "file"; });
    EXPECT_FALSE(fs::exists(temporary));
    fs::rename(folder_ / "kept", temporary);
  });
  EXPECT_EQ(read_file(folder_ / "file"), "new");
}

TEST_F(FileTest, AWriterThatWritesNothingIsAnError) {
  EXPECT_THROW(write_atomically(folder_ / "file", [](const Path&) {}), DataError);
  EXPECT_EQ(num_files(), 0u);
}

TEST_F(FileTest, AFolderThatCannotBeMadeIsADataError) {
  write_file(folder_ / "file", "");
  EXPECT_THROW(write_file(folder_ / "file/below", "x"), DataError);
  EXPECT_EQ(num_files(), 1u);
}

TEST_F(FileTest, MissingFilesAndFoldersAreDataErrorsThatNameThePath) {
  for (const fs::path& path : {folder_ / "nowhere", folder_}) {
    try {
      const MappedFile file(path);
      ADD_FAILURE() << path << " was mapped";
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    }
  }
}

TEST_F(FileTest, FingerprintTellsContentsApart) {
  write_file(folder_ / "a", "content");
  write_file(folder_ / "b", "content");
  write_file(folder_ / "c", "Content");
  EXPECT_EQ(fingerprint_of_file(folder_ / "a"), fingerprint_of_file(folder_ / "b"));
  EXPECT_NE(fingerprint_of_file(folder_ / "a"), fingerprint_of_file(folder_ / "c"));
  EXPECT_EQ(fingerprint({}), "2d06800538d394c2") << "XXH3 of nothing, as its specification gives it";
}

TEST_F(FileTest, MovedMapStaysReadable) {
  write_file(folder_ / "a", "content");
  MappedFile first(folder_ / "a");
  const MappedFile second(std::move(first));
  ASSERT_EQ(second.bytes().size(), 7u);
  EXPECT_EQ(static_cast<char>(second.bytes()[0]), 'c');
}

}  // namespace
}  // namespace neume::base
