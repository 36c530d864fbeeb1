#pragma once
// A folder that goes away with the test: in memory where the machine has a place for that, because stores write every
// event to disk, and the disk is slow when others use it. Tests of what a disk keeps ask for one on disk.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace neume::store {

class TemporaryFolder {
 public:
  enum class Place { in_memory, on_disk };

  explicit TemporaryFolder(Place place = Place::in_memory) {
    if (place == Place::in_memory && make("/dev/shm")) return;
    EXPECT_TRUE(make(std::filesystem::temp_directory_path()));
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  bool make(const std::filesystem::path& parent) {
    std::string pattern = (parent / "neume-store-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return false;
    path_ = pattern;
    return true;
  }

  std::filesystem::path path_;
};

}  // namespace neume::store
