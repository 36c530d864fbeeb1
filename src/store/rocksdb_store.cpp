#include "store/rocksdb_store.hpp"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <system_error>

#include "store/ordered_bytes.hpp"
#include "store/rocksdb_keys.hpp"

namespace neume::store {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using rocksdb::Slice;
using rocksdb::Status;

constexpr std::string_view kFormat = "neume store 1";
constexpr std::size_t kUserLocks = 256;
constexpr std::size_t kWriteBufferBytes = 8 << 20;
/// Between two attempts to go on after the disk failed.
constexpr auto kMendPause = std::chrono::milliseconds(250);

Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}

std::string_view view(const Slice& bytes) {
  return {bytes.data(), bytes.size()};
}

/// Memory stays below some 60 MB whatever lies on disk: three write buffers, the cache, and what open files need.
rocksdb::Options database_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 3;
  options.max_open_files = 128;
  options.max_background_jobs = 2;
  options.max_log_file_size = 1 << 20;
  options.keep_log_file_num = 2;
  options.info_log_level = rocksdb::WARN_LEVEL;
  // A log whose last record is torn ends there, as after a power cut; any other damage is an error, not the quiet end
  // of what was acknowledged.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(32 << 20);
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));  // most event ids that are looked up are new
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

[[noreturn]] void refuse_folder(const fs::path& folder, const std::string& why) {
  throw DataError("store " + folder.string() + ": " + why);
}

/// Whether RocksDB makes such a file before a new database is one: a server that was killed then may have left it.
bool belongs_to_unborn_database(const std::string& name) {
  return name == "LOCK" || name == "IDENTITY" || name.starts_with("LOG") || name.starts_with("MANIFEST-") ||
         name.starts_with("OPTIONS-") || name.ends_with(".dbtmp");
}

/// RocksDB would make a new database among whatever lies in the folder, even beside the files of a lost one.
void prepare_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    refuse_folder(folder, "cannot be made: " + std::generic_category().message(errno));
  }
  if (!fs::is_directory(folder, error)) refuse_folder(folder, "expected a folder, found a file");
  if (fs::exists(folder / "CURRENT", error)) return;
  fs::directory_iterator entries(folder, error);
  if (error) refuse_folder(folder, "cannot be read: " + error.message());
  for (const auto& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (!belongs_to_unborn_database(name)) {
      refuse_folder(folder, "is not a store and not empty (" + name + "); name a folder of its own");
    }
  }
}

[[noreturn]] void refuse_database(const fs::path& folder, const Status& status) {
  const std::string text = status.ToString();
  if (status.IsIOError() &&
      (text.find("lock hold by") != std::string::npos || text.find("While lock file") != std::string::npos)) {
    refuse_folder(folder, "is in use by another server; one server a folder, or a Redis for several");
  }
  if (status.IsCorruption() || status.IsInvalidArgument()) {
    refuse_folder(folder, "is damaged (" + text + "); restore a copy, or name a new folder");
  }
  refuse_folder(folder, "cannot be opened: " + text);
}

/// Whether the disk takes a file such as opening the database writes.
bool can_be_written(const fs::path& folder) {
  const std::string name = (folder / "neume-probe").string();
  const int file = ::open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return false;
  unlink(name.c_str());
  const bool written = posix_fallocate(file, 0, kWriteBufferBytes) == 0 && fsync(file) == 0;
  close(file);
  return written;
}

/// The keys in [begin, end) as they were when it was made, and their values.
class KeyRange {
 public:
  KeyRange(rocksdb::DB& database, std::string begin, std::string end)
      : begin_(std::move(begin)), end_(std::move(end)), begin_bytes_(begin_), end_bytes_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &begin_bytes_;
    options.iterate_upper_bound = &end_bytes_;
    place_.reset(database.NewIterator(options));
  }
  KeyRange(const KeyRange&) = delete;
  KeyRange& operator=(const KeyRange&) = delete;

  rocksdb::Iterator* operator->() const { return place_.get(); }

 private:
  const std::string begin_, end_;
  const Slice begin_bytes_, end_bytes_;
  std::unique_ptr<rocksdb::Iterator> place_;
};

class RocksdbStore : public Store {
 public:
  RocksdbStore(fs::path folder, const StoreOptions& options)
      : folder_(std::move(folder)), max_history_(options.max_history) {
    prepare_folder(folder_);
    sync_.sync = true;
    open();
  }

  Appended append(const Event& event) override {
    require_valid(event);
    const auto in_use = use_database();
    const std::lock_guard lock(lock_of(event.user_id));
    const std::string id_key = event_id_key(event.user_id, event.event_id);
    if (get(id_key).has_value()) return Appended::duplicate;
    const std::string list_key = event_list_key(event.user_id, event.label);
    const std::string prefix = events_prefix(event.user_id, event.label);
    const EventPlace place{event.timestamp, event.event_id};
    EventList list;
    if (const auto kept = get(list_key)) list = EventList::parse(*kept);

    rocksdb::WriteBatch batch;
    if (list.count >= max_history_ && !make_room(event.user_id, prefix, place, list, batch)) return Appended::expired;
    list.oldest = list.count == 0 ? place : std::min(list.oldest, place);
    ++list.count;
    batch.Put(event_key(prefix, place), event.item_id);
    batch.Put(id_key, Slice());
    batch.Put(list_key, list.bytes());
    write_synced(batch);
    return Appended::added;
  }

  std::vector<Event> history(std::string_view user_id, std::size_t limit) override {
    require_valid_user(user_id);
    const auto in_use = use_database();
    const auto kept = get(event_list_key(user_id, true));
    if (!kept) return {};
    const EventList list = EventList::parse(*kept);
    const std::string prefix = events_prefix(user_id, true);
    // Before the oldest lie only events that were deleted: traces that RocksDB would have to step over.
    const KeyRange events = range(event_key(prefix, list.oldest), end_of_prefix(prefix));
    const auto event_here = [&] {
      EventPlace place = parse_event_place(view(events->key()).substr(prefix.size()));
      return Event{std::move(place.event_id), std::string(user_id), events->value().ToString(), place.timestamp, true};
    };
    limit = std::min(limit, max_history_);
    std::vector<Event> newest;
    newest.reserve(std::min<std::size_t>(limit, list.count));
    if (limit >= list.count / 8) {  // a step back costs up to ten times one forth (docs/decisions/0015)
      for (events->SeekToFirst(); events->Valid(); events->Next()) newest.push_back(event_here());
      if (newest.size() > limit) newest.erase(newest.begin(), newest.end() - static_cast<std::ptrdiff_t>(limit));
    } else {
      for (events->SeekToLast(); events->Valid() && newest.size() < limit; events->Prev()) {
        newest.push_back(event_here());
      }
      std::reverse(newest.begin(), newest.end());
    }
    require_read(events->status());
    return newest;
  }

  /// One at a time: a reader that has seen a cursor must have seen every smaller one.
  void put_item(const StoredItem& item) override {
    require_valid(item);
    const auto in_use = use_database();
    const std::lock_guard lock(items_lock_);
    const std::string key = item_key(item.item_id);
    rocksdb::WriteBatch batch;
    if (const auto replaced = get(key)) batch.Delete(item_cursor_key(cursor_in(*replaced)));
    std::string cursor;
    append_number(cursor, last_cursor_ + 1);
    batch.Put(item_cursor_key(last_cursor_ + 1), escaped(item.item_id).append(item.value));
    batch.Put(key, cursor);
    ++last_cursor_;  // before the write, which may have been kept even where it fails
    write_synced(batch);
  }

  ItemPage items_since(std::uint64_t cursor, std::size_t limit) override {
    ItemPage page{{}, cursor};
    if (cursor == UINT64_MAX) return page;
    const auto in_use = use_database();
    const KeyRange items = range(item_cursor_key(cursor + 1), end_of_items());
    for (items->SeekToFirst(); items->Valid() && page.items.size() < limit; items->Next()) {
      std::string_view value = view(items->value());
      std::string item_id = take_escaped(value);
      page.items.push_back({std::move(item_id), std::string(value)});
      page.cursor = cursor_in(view(items->key()).substr(1));
    }
    require_read(items->status());
    return page;
  }

  void check() override {
    const auto in_use = use_database();
    rocksdb::WriteBatch batch;
    batch.Put(slice(kProbeKey), Slice());
    write_synced(batch);
  }

  std::vector<std::string> warnings() override { return {}; }

 private:
  std::mutex& lock_of(std::string_view user_id) {
    return user_locks_[std::hash<std::string_view>()(user_id) % kUserLocks];
  }

  static std::uint64_t cursor_in(std::string_view bytes) {
    if (bytes.size() != kNumberBytes) throw StoreError("store: the place of an item is damaged");
    return read_number(bytes);
  }

  /// Takes the oldest events off `list` until one more has room. False where `place` itself would be the oldest.
  bool make_room(std::string_view user_id, std::string_view prefix, const EventPlace& place, EventList& list,
                 rocksdb::WriteBatch& batch) const {
    if (place < list.oldest) return false;
    const KeyRange events = range(event_key(prefix, list.oldest), end_of_prefix(std::string(prefix)));
    events->SeekToFirst();
    while (list.count >= max_history_) {
      if (place < list.oldest) return false;
      batch.Delete(event_key(prefix, list.oldest));
      batch.Delete(event_id_key(user_id, list.oldest.event_id));
      if (--list.count == 0) break;
      events->Next();
      if (!events->Valid()) {
        require_read(events->status());
        throw failure("a user has fewer events than were counted");
      }
      list.oldest = parse_event_place(view(events->key()).substr(prefix.size()));
    }
    return true;
  }

  std::optional<std::string> get(const std::string& key) const {
    std::string value;
    const Status status = database_->Get(rocksdb::ReadOptions(), key, &value);
    if (status.IsNotFound()) return std::nullopt;
    require_read(status);
    return value;
  }

  KeyRange range(std::string begin, std::string end) const { return {*database_, std::move(begin), std::move(end)}; }

  void require_read(const Status& status) const {
    if (!status.ok()) throw failure("cannot be read: " + status.ToString());
  }

  StoreError failure(const std::string& what) const { return StoreError("store " + folder_.string() + ": " + what); }

  void write_synced(rocksdb::WriteBatch& batch) {
    const Status status = hand_over(batch);
    if (status.ok()) return;
    broken_ = true;
    throw failure("cannot be written: " + status.ToString());
  }

  /// Not inlined, so that write_synced() is in the stacks of ThreadSanitizer, in which RocksDB leaves no trace
  /// (cmake/tsan.supp).
  [[gnu::noinline]] Status hand_over(rocksdb::WriteBatch& batch) { return database_->Write(sync_, &batch); }

  /// Keeps the database from being opened again while a call uses it. Throws StoreError where it is not open.
  std::shared_lock<std::shared_mutex> use_database() {
    if (broken_) mend();
    if (opening_) throw failure("is being opened again after an error");
    std::shared_lock in_use(database_lock_);
    if (!database_) throw failure("could not be opened again after an error: " + why_closed_);
    return in_use;
  }

  /// After an error on writing, RocksDB writes no more; some errors it never forgives, and whether a write that failed
  /// is in its log is not known. So the database is opened anew, which reads the log: once the disk can be written
  /// again, for reading goes on meanwhile.
  void mend() {
    const std::unique_lock attempt(mend_lock_, std::try_to_lock);
    if (!attempt || !broken_ || Clock::now() < next_attempt_) return;
    next_attempt_ = Clock::now() + kMendPause;
    if (!can_be_written(folder_)) return;
    opening_ = true;  // calls that come now fail at once: waiting readers could keep the lock from us for ever
    {
      const std::unique_lock alone(database_lock_);
      try {
        database_.reset();
        open();
        broken_ = false;
      } catch (const Error& error) {
        database_.reset();
        why_closed_ = error.what();
      }
    }
    opening_ = false;
  }

  void open() {
    rocksdb::DB* opened = nullptr;
    const Status status = rocksdb::DB::Open(database_options(), folder_.string(), &opened);
    if (!status.ok()) refuse_database(folder_, status);
    database_.reset(opened);
    check_format();
    find_last_cursor();
  }

  void check_format() {
    const auto found = get(std::string(kFormatKey));
    if (found == kFormat) return;
    if (found) {
      refuse_folder(folder_, "was made by another version: expected '" + std::string(kFormat) + "', found '" + *found +
                                 "'; name a new folder");
    }
    const std::unique_ptr<rocksdb::Iterator> all(database_->NewIterator(rocksdb::ReadOptions()));
    all->SeekToFirst();
    if (all->Valid()) refuse_folder(folder_, "holds a RocksDB that is none of neume's; name a new folder");
    require_read(all->status());
    rocksdb::WriteBatch batch;
    batch.Put(slice(kFormatKey), slice(kFormat));
    write_synced(batch);
  }

  void find_last_cursor() {
    const KeyRange items = range(item_cursor_key(0), end_of_items());
    items->SeekToLast();
    if (items->Valid()) last_cursor_ = cursor_in(view(items->key()).substr(1));
    require_read(items->status());
  }

  const fs::path folder_;
  const std::size_t max_history_;
  rocksdb::WriteOptions sync_;
  std::unique_ptr<rocksdb::DB> database_;
  std::array<std::mutex, kUserLocks> user_locks_;  ///< held from the look at a user's events to the write
  std::mutex items_lock_;
  std::uint64_t last_cursor_ = 0;

  std::shared_mutex database_lock_;   ///< shared by every call; alone, to open it again
  std::atomic<bool> broken_ = false;  ///< a write has failed since it was opened
  std::atomic<bool> opening_ = false;
  std::mutex mend_lock_;
  Clock::time_point next_attempt_{};  ///< by the holder of mend_lock_
  std::string why_closed_;            ///< where database_ is null
};

}  // namespace

std::unique_ptr<Store> open_rocksdb_store(const fs::path& folder, const StoreOptions& options) {
  try {
    return std::make_unique<RocksdbStore>(folder, options);
  } catch (const StoreError& error) {
    throw DataError(error.what());  // at this point it is the folder that is at fault
  }
}

}  // namespace neume::store
