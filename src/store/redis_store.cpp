#include "store/redis_store.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "store/ordered_bytes.hpp"
#include "store/redis_client.hpp"

namespace neume::store {

namespace {

constexpr std::string_view kFormat = "neume store 1";

enum Script : std::size_t { kAppend, kPutItem, kItemsSince };

// KEYS: the user's event ids (a set), the user's events with the label (a sorted set in which all have score 0, so that
// their bytes order them). ARGV: escaped id, event, how many are kept. The first write can be refused for want of
// memory; the others not, or it would have been.
constexpr const char* kAppendScript = R"(
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 'duplicate' end
redis.call('ZADD', KEYS[2], 0, ARGV[2])
local result = 'added'
local excess = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[3])
if excess > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[2], excess)
  for i = 1, #oldest, 2 do
    if oldest[i] == ARGV[2] then
      result = 'expired'
    else
      local _, id_end = string.find(oldest[i], '\0\1', 9, true)
      redis.call('SREM', KEYS[1], string.sub(oldest[i], 9, id_end))
    end
  end
end
if result == 'added' then redis.call('SADD', KEYS[1], ARGV[1]) end
return result
)";

// KEYS: last cursor, values by item id (a hash), item ids by cursor (a sorted set). ARGV: item id, value. Cursors are
// the clock's microseconds, made to rise: a plain count would give the cursors of items that Redis lost (appendfsync, a
// promoted replica, FLUSHDB) to new ones, which a server that had seen the lost ones would never see.
constexpr const char* kPutItemScript = R"(
local now = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[1]) or 0)
local cursor = string.format('%.0f', math.max(now[1] * 1000000 + now[2], last + 1))
redis.call('SET', KEYS[1], cursor)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[3], cursor, ARGV[1])
return cursor
)";

// KEYS: values by item id, item ids by cursor. ARGV: cursor, how many. Returns item id, cursor, value of each.
constexpr const char* kItemsSinceScript = R"(
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local page = {}
for i = 1, #found, 2 do
  page[#page + 1] = found[i]
  page[#page + 1] = found[i + 1]
  page[#page + 1] = redis.call('HGET', KEYS[1], found[i])
end
return page
)";

std::string event_bytes(const Event& event, const std::string& escaped_id) {
  std::string bytes;
  append_timestamp(bytes, event.timestamp);
  return bytes.append(escaped_id).append(event.item_id);
}

Event parse_event(std::string_view bytes, std::string_view user_id) {
  if (bytes.size() < kNumberBytes) throw StoreError("store: an event in Redis is damaged");
  Event event;
  event.user_id = user_id;
  event.timestamp = read_timestamp(bytes);
  bytes.remove_prefix(kNumberBytes);
  event.event_id = take_escaped(bytes);
  event.item_id = bytes;
  return event;
}

std::uint64_t parse_cursor(std::string_view text) {
  std::uint64_t cursor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw StoreError("store: the place of an item in Redis is damaged");
  }
  return cursor;
}

class RedisStore : public Store {
 public:
  RedisStore(const RedisUrl& url, const StoreOptions& options)
      : max_history_(options.max_history),
        prefix_(options.key_prefix),
        client_(url, std::chrono::milliseconds(options.timeout_ms), {kAppendScript, kPutItemScript, kItemsSinceScript},
                [this](RedisConnection& connection, Deadline deadline) { check_format(connection, deadline); }) {
    try {
      client_.connect();
    } catch (const StoreError&) {
      // It may come later; until then every call says so.
    }
  }

  Appended append(const Event& event) override {
    require_valid(event);
    const std::string id = escaped(event.event_id);
    const RedisReply reply =
        client_.eval(kAppend, {key("ids:" + event.user_id), events_key(event.user_id, event.label)},
                     {id, event_bytes(event, id), std::to_string(max_history_)});
    const std::string_view result = text_of(*reply);
    if (result == "added") return Appended::added;
    if (result == "duplicate") return Appended::duplicate;
    if (result == "expired") return Appended::expired;
    throw InternalError("store: the script of append answers '" + std::string(result) + "'");
  }

  std::vector<Event> history(std::string_view user_id, std::size_t limit) override {
    require_valid_user(user_id);
    limit = std::min(limit, max_history_);
    if (limit == 0) return {};
    const std::string first = std::to_string(-static_cast<std::int64_t>(limit));  // counted from the end
    const RedisReply reply = client_.command({"ZRANGE", events_key(user_id, true), first, "-1"});
    std::vector<Event> events;
    events.reserve(reply->elements);
    for (std::size_t i = 0; i < reply->elements; ++i) {
      events.push_back(parse_event(text_of(*reply->element[i]), user_id));
    }
    return events;
  }

  void put_item(const StoredItem& item) override {
    require_valid(item);
    client_.eval(kPutItem, {key("cursor"), key("items"), key("order")}, {item.item_id, item.value});
  }

  ItemPage items_since(std::uint64_t cursor, std::size_t limit) override {
    limit = std::min<std::size_t>(limit, INT32_MAX);
    const RedisReply reply =
        client_.eval(kItemsSince, {key("items"), key("order")}, {std::to_string(cursor), std::to_string(limit)});
    ItemPage page{{}, cursor};
    for (std::size_t i = 0; i + 2 < reply->elements; i += 3) {
      page.items.push_back({std::string(text_of(*reply->element[i])), std::string(text_of(*reply->element[i + 2]))});
      page.cursor = parse_cursor(text_of(*reply->element[i + 1]));
    }
    return page;
  }

  void check() override { client_.command({"SET", key("probe"), ""}); }

  std::vector<std::string> warnings() override;

 private:
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }

  std::string events_key(std::string_view user_id, bool label) const {
    return key(label ? "events:1:" : "events:0:").append(user_id);
  }

  void check_format(RedisConnection& connection, Deadline deadline) const;

  /// The server's setting; empty where it does not tell.
  std::string setting(const std::string& name);

  const std::size_t max_history_;
  const std::string prefix_;
  RedisClient client_;
};

/// Writes the version where there is none, so that a server that cannot write is found out too.
void RedisStore::check_format(RedisConnection& connection, Deadline deadline) const {
  const std::string name = key("format");
  const auto replies = connection.exchange({{"SET", name, std::string(kFormat), "NX"}, {"GET", name}}, deadline);
  for (const RedisReply& reply : replies) {
    if (is_error(reply)) throw StoreError("redis cannot keep anything: " + std::string(text_of(*reply)));
  }
  const std::string_view found = text_of(*replies.back());
  if (found == kFormat) return;
  throw DataError("redis: the store under " + prefix_ + " was made by another version: expected '" +
                  std::string(kFormat) + "', found '" + std::string(found) + "'; use another prefix or database");
}

std::string RedisStore::setting(const std::string& name) {
  try {
    const RedisReply reply = client_.command({"CONFIG", "GET", name});
    return reply->elements == 2 ? std::string(text_of(*reply->element[1])) : std::string();
  } catch (const StoreError&) {
    return {};
  }
}

std::vector<std::string> RedisStore::warnings() {
  const std::string log = setting("appendonly"), sync = setting("appendfsync");
  const std::string memory = setting("maxmemory"), policy = setting("maxmemory-policy");
  if (log.empty() || sync.empty() || memory.empty() || policy.empty()) {
    return {"redis: its settings cannot be read, so it is not known whether acknowledged events survive a restart"};
  }
  std::vector<std::string> warnings;
  if (log != "yes") {
    warnings.push_back("redis: appendonly is " + log + ", so a restart loses all events since its last snapshot");
  } else if (sync != "always") {
    warnings.push_back("redis: appendfsync is " + sync + ", so the last " +
                       (sync == "everysec" ? "second" : "half minute") +
                       " of acknowledged events may be lost with the machine");
  }
  // volatile-*: removes keys with a time to live alone, and ours have none.
  if (memory != "0" && policy.starts_with("allkeys-")) {
    warnings.push_back("redis: maxmemory-policy is " + policy + ", so it throws histories away when memory is full");
  }
  return warnings;
}

}  // namespace

std::unique_ptr<Store> open_redis_store(const RedisUrl& url, const StoreOptions& options) {
  return std::make_unique<RedisStore>(url, options);
}

}  // namespace neume::store
