#include "store/rocksdb_keys.hpp"

#include "store/ordered_bytes.hpp"

namespace neume::store {

namespace {

/// 2 bytes of length are enough: kMaxIdBytes.
std::string user_key(char kind, std::string_view user_id) {
  std::string key(1, kind);
  key.reserve(1 + 2 + user_id.size() + 1 + kNumberBytes + kMaxIdBytes);
  key.push_back(static_cast<char>(user_id.size() >> 8));
  key.push_back(static_cast<char>(user_id.size()));
  return key.append(user_id);
}

std::string bytes_of(const EventPlace& place) {
  std::string bytes;
  append_timestamp(bytes, place.timestamp);
  return bytes.append(place.event_id);
}

}  // namespace

std::string EventList::bytes() const {
  std::string result;
  append_number(result, count);
  return result.append(bytes_of(oldest));
}

EventList EventList::parse(std::string_view bytes) {
  if (bytes.size() < kNumberBytes) throw StoreError("store: the record of a user's events is damaged");
  return {read_number(bytes), parse_event_place(bytes.substr(kNumberBytes))};
}

std::string event_id_key(std::string_view user_id, std::string_view event_id) {
  return user_key('D', user_id).append(event_id);
}

std::string event_list_key(std::string_view user_id, bool label) {
  return user_key('L', user_id).append(1, label ? '1' : '0');
}

std::string events_prefix(std::string_view user_id, bool label) {
  return user_key('E', user_id).append(1, label ? '1' : '0');
}

std::string event_key(std::string_view prefix, const EventPlace& place) {
  return std::string(prefix).append(bytes_of(place));
}

EventPlace parse_event_place(std::string_view key_after_prefix) {
  if (key_after_prefix.size() <= kNumberBytes) throw StoreError("store: the key of an event is damaged");
  return {read_timestamp(key_after_prefix), std::string(key_after_prefix.substr(kNumberBytes))};
}

std::string item_key(std::string_view item_id) {
  return std::string("I").append(item_id);
}

std::string item_cursor_key(std::uint64_t cursor) {
  std::string key("O");
  append_number(key, cursor);
  return key;
}

std::string end_of_items() {
  return end_of_prefix("O");
}

std::string end_of_prefix(std::string prefix) {
  ++prefix.back();
  return prefix;
}

}  // namespace neume::store
