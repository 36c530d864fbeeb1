#pragma once
// The keys of the RocksDB store: a letter for the kind, then texts with their lengths in front, numbers that sort as
// they should, and one text as it is at the end (docs/formats/store.md).

#include <cstdint>
#include <string>
#include <string_view>

#include "store/store.hpp"

namespace neume::store {

inline constexpr std::string_view kFormatKey = "F";
inline constexpr std::string_view kProbeKey = "P";

/// Where an event stands among those of its user and label.
struct EventPlace {
  std::int64_t timestamp = 0;
  std::string event_id;

  bool operator<(const EventPlace& other) const {
    return timestamp != other.timestamp ? timestamp < other.timestamp : event_id < other.event_id;
  }
};

/// What is kept of a user and label, in one record, so that no append has to count or to look for the oldest.
struct EventList {
  std::uint64_t count = 0;
  EventPlace oldest;  ///< meaningless where count is 0

  std::string bytes() const;
  /// Throws StoreError where the bytes are no such record.
  static EventList parse(std::string_view bytes);
};

std::string event_id_key(std::string_view user_id, std::string_view event_id);
std::string event_list_key(std::string_view user_id, bool label);
/// What the keys of all events of a user and label begin with, and nothing else's; the place follows.
std::string events_prefix(std::string_view user_id, bool label);
std::string event_key(std::string_view prefix, const EventPlace& place);
EventPlace parse_event_place(std::string_view key_after_prefix);

std::string item_key(std::string_view item_id);
std::string item_cursor_key(std::uint64_t cursor);
/// The first key after those of all cursors.
std::string end_of_items();

/// The first key after all that begin with `prefix`, which does not end in a byte 255.
std::string end_of_prefix(std::string prefix);

}  // namespace neume::store
