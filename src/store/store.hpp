#pragma once
// What a server keeps beside its model: what users did since the training, and items that came after it. One interface
// for a store of this machine's own and for one that several servers share; tests/store holds both to the same laws.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <neume/error.hpp>

namespace neume::store {

/// The store is down, slow or full: nothing is known of what was asked for, and asking again later may work. An event
/// or item whose call ended so may or may not have been kept; sending it again is safe.
class StoreError : public Error {
 public:
  using Error::Error;
};

constexpr std::size_t kMaxIdBytes = 512;            ///< of an event, user or item id; they are any bytes, at least one
constexpr std::size_t kMaxItemBytes = 1024 * 1024;  ///< of StoredItem::value

/// A user met an item. Ids are text; an integer is its decimal form.
struct Event {
  std::string event_id;  ///< a second event of the user with the same event_id is the same event, sent again
  std::string user_id;
  std::string item_id;
  std::int64_t timestamp = 0;  ///< in the unit of the training log
  bool label = true;           ///< whether the user liked it

  bool operator==(const Event&) const = default;
};

enum class Appended {
  added,      ///< kept, durable
  duplicate,  ///< the user has an event of that event_id already; it stays as it was
  expired     ///< older than everything that is kept of a user whose history is full: nothing to do
};

/// An item that a model does not know by itself. `value` is the caller's: the store keeps bytes.
struct StoredItem {
  std::string item_id;
  std::string value;

  bool operator==(const StoredItem&) const = default;
};

/// Items in the order in which they were put, and where to go on.
struct ItemPage {
  std::vector<StoredItem> items;
  std::uint64_t cursor = 0;  ///< for the next call; unchanged where there was nothing new
};

/// Throw InvalidArgument, which names the field, where an id is empty or longer than kMaxIdBytes, or a value longer
/// than kMaxItemBytes. The calls of a Store throw the same.
void require_valid(const Event& event);
void require_valid(const StoredItem& item);
void require_valid_user(std::string_view user_id);

/// Safe to call from several threads. Every call ends within the time limit that the store was opened with, if need be
/// in StoreError. What a call that returned has written survives kill -9 and a restart of the machine, as far as the
/// disk (of Redis: its own persistence) keeps what it has acknowledged.
class Store {
 public:
  virtual ~Store() = default;

  /// Keeps the event. Of each user the `max_history` newest events with label 1, and as many with label 0, by
  /// (timestamp, event_id), are kept; idempotent by (user_id, event_id) among these. Atomic beside other threads and
  /// other servers.
  virtual Appended append(const Event& event) = 0;

  /// The user's newest `limit` events with label 1, oldest first by (timestamp, event_id).
  virtual std::vector<Event> history(std::string_view user_id, std::size_t limit) = 0;

  /// Keeps the item; one of the same id is replaced, and is then among the newest for items_since.
  virtual void put_item(const StoredItem& item) = 0;

  /// At most `limit` items that were put after the page that ended at `cursor` (0: from the beginning), each once, with
  /// its present value.
  virtual ItemPage items_since(std::uint64_t cursor, std::size_t limit) = 0;

  /// Asks whether the store answers and can write. Throws StoreError where it does not.
  virtual void check() = 0;

  /// What an operator should know, in a sentence each: "redis: appendfsync is everysec, so the last second of
  /// acknowledged events may be lost with the machine". Empty where all is well.
  virtual std::vector<std::string> warnings() = 0;
};

}  // namespace neume::store
