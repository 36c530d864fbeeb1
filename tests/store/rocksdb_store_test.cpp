// What only the RocksDB store can meet: folders that are none of its own, another server, damage, a full disk.

#include "store/rocksdb_store.hpp"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <random>
#include <string>
#include <thread>

#include "base/file.hpp"
#include "store/temporary_folder.hpp"

namespace neume::store {
namespace {

namespace fs = std::filesystem;

class RocksdbFolder : public testing::Test {
 protected:
  std::unique_ptr<Store> open() const { return open_rocksdb_store(store_, {}); }

  void expect_refused(const std::string& why) const {
    try {
      open();
      FAIL() << "expected a DataError";
    } catch (const DataError& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find(store_.string()), std::string::npos) << message;
      EXPECT_NE(message.find(why), std::string::npos) << message;
    }
  }

  /// Calls edit(content) on the largest file of the store with that extension.
  template <class Edit>
  void edit_file(const std::string& extension, Edit edit) const {
    fs::path largest;
    for (const auto& entry : fs::directory_iterator(store_)) {
      if (entry.path().extension() != extension) continue;
      if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
    }
    ASSERT_FALSE(largest.empty()) << extension;
    std::string content = base::read_file(largest);
    edit(content);
    std::ofstream(largest, std::ios::binary | std::ios::trunc) << content;
  }

  TemporaryFolder folder_;
  const fs::path store_ = folder_ / "a/store";
};

Event numbered_event(int i) {
  return {std::string("event ").append(std::to_string(i)), "u", std::string(500, 'i'), i, true};
}

TEST_F(RocksdbFolder, IsMadeForItsOwnerAlone) {
  open();
  struct stat status {};
  ASSERT_EQ(stat(store_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & (S_IRWXG | S_IRWXO), 0u);
}

TEST_F(RocksdbFolder, OfAnotherServerIsRefused) {
  const auto first = open();
  expect_refused("in use by another server");
  first->append(numbered_event(1));
}

TEST_F(RocksdbFolder, OfOtherFilesIsRefusedAndLeftAlone) {
  fs::create_directories(store_);
  std::ofstream(store_ / "thesis.txt") << "x";
  expect_refused("not empty");
  EXPECT_EQ(std::distance(fs::directory_iterator(store_), fs::directory_iterator()), 1);
}

TEST_F(RocksdbFolder, ThatIsAFileIsRefused) {
  fs::create_directories(store_.parent_path());
  std::ofstream(store_) << "x";
  expect_refused("found a file");
}

TEST_F(RocksdbFolder, OfAnotherProgramsDatabaseIsRefused) {
  fs::create_directories(store_);
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* database = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, store_.string(), &database).ok());
  database->Put(rocksdb::WriteOptions(), "a", "b");
  delete database;
  expect_refused("none of neume's");
}

TEST_F(RocksdbFolder, OfAnotherVersionIsRefused) {
  open();
  rocksdb::DB* database = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), store_.string(), &database).ok());
  database->Put(rocksdb::WriteOptions(), "F", "neume store 2");
  delete database;
  expect_refused("expected 'neume store 1', found 'neume store 2'");
}

TEST_F(RocksdbFolder, AKillWhileItIsMadeDoesNoHarm) {
  fs::create_directories(store_);
  for (const char* name : {"LOCK", "LOG", "IDENTITY", "MANIFEST-000001", "000001.dbtmp"}) std::ofstream(store_ / name);
  EXPECT_EQ(open()->append(numbered_event(1)), Appended::added);
}

TEST_F(RocksdbFolder, ATornRecordAtTheEndOfTheLogWasNotAcknowledged) {
  {
    const auto store = open();
    for (int i = 0; i < 10; ++i) store->append(numbered_event(i));
  }
  edit_file(".log", [](std::string& content) { content.resize(content.size() - 100); });
  const auto store = open();
  EXPECT_EQ(store->history("u", 100).size(), 9u);
  EXPECT_EQ(store->append(numbered_event(9)), Appended::added);
  EXPECT_EQ(store->history("u", 100).size(), 10u);
}

TEST_F(RocksdbFolder, ADamagedLogIsRefusedAndNotCutShort) {
  {
    const auto store = open();
    for (int i = 0; i < 10; ++i) store->append(numbered_event(i));
  }
  edit_file(".log", [](std::string& content) { content[content.size() / 2] ^= 1; });
  expect_refused("damaged");
}

TEST_F(RocksdbFolder, ADamagedTableIsAStoreErrorOfWhoReadsIt) {
  std::mt19937 random(1);
  {
    const auto store = open();
    for (int i = 0; i < 100; ++i) {
      Event event = numbered_event(i);
      for (char& byte : event.item_id) byte = static_cast<char>(random());  // events are most of the table
      store->append(event);
    }
  }
  open();  // what was in the log is now in a table
  edit_file(".sst", [](std::string& content) { content[content.size() / 2] ^= 1; });
  const auto store = open();
  EXPECT_THROW(store->history("u", 100), StoreError);
}

TEST_F(RocksdbFolder, LostFilesAreRefused) {
  open()->append(numbered_event(1));
  open();
  ASSERT_TRUE(fs::remove(store_ / "CURRENT"));
  expect_refused("not a store");
}

/// The process may write files of at most `size_bytes` while this lives: to the store, a full disk.
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

TEST_F(RocksdbFolder, AFullDiskEndsInStoreErrorsAndIsForgotten) {
  auto store = open();
  int added = 0;
  {
    const FileSizeLimit limit(100'000);
    try {
      while (added < 1000) {
        store->append(numbered_event(added));
        ++added;
      }
    } catch (const StoreError& error) {
      EXPECT_NE(std::string(error.what()).find("cannot be written"), std::string::npos) << error.what();
    }
    ASSERT_GT(added, 10);
    ASSERT_LT(added, 1000);
    for (int i = 0; i < 3; ++i) {
      EXPECT_THROW(store->append(numbered_event(added)), StoreError);
      EXPECT_THROW(store->check(), StoreError);
      EXPECT_EQ(store->history("u", 1000).size(), static_cast<std::size_t>(added)) << "reading goes on";
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
    }
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool recovered = false;
  while (!recovered && std::chrono::steady_clock::now() < end) {
    try {
      store->append(numbered_event(added));
      recovered = true;
    } catch (const StoreError&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  ASSERT_TRUE(recovered);
  EXPECT_EQ(store->history("u", 1000).size(), static_cast<std::size_t>(added) + 1);
  store.reset();
  store = open();
  EXPECT_EQ(store->history("u", 1000).size(), static_cast<std::size_t>(added) + 1);
  EXPECT_EQ(store->append(numbered_event(added)), Appended::duplicate);
}

}  // namespace
}  // namespace neume::store
