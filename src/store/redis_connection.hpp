#pragma once
// One connection to a Redis server, on which every exchange ends by a deadline. The protocol's words are hiredis's; the
// waiting is ours, because a deadline of a whole exchange is more than its time limit of one read, and because a server
// that goes away must not raise SIGPIPE.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/redis_url.hpp"

struct redisContext;
struct redisReply;

namespace neume::store {

using Deadline = std::chrono::steady_clock::time_point;

/// Words of a command, any bytes.
using RedisCommand = std::vector<std::string>;

struct FreeRedisReply {
  void operator()(redisReply* reply) const;
};
/// What the server said, an error among others. Never null.
using RedisReply = std::unique_ptr<redisReply, FreeRedisReply>;

/// Whether the reply is an error that begins with `kind` ("NOSCRIPT"); any error where it is empty.
bool is_error(const RedisReply& reply, std::string_view kind = {});
/// The bytes of a reply that is one text (or error); empty for others.
std::string_view text_of(const redisReply& reply);

/// Not safe for several threads at once. After an exception it is of no more use.
class RedisConnection {
 public:
  /// Throws StoreError where the server does not accept the connection by the deadline. (A host name is looked up
  /// first, which ends when the system's resolver ends it.)
  RedisConnection(const RedisUrl& url, Deadline deadline);
  ~RedisConnection();
  RedisConnection(RedisConnection&& other) noexcept;
  RedisConnection& operator=(RedisConnection&&) = delete;

  /// Sends all commands at once and waits for a reply to each. Throws StoreError where they have not all come by the
  /// deadline; what the server did is then not known.
  std::vector<RedisReply> exchange(const std::vector<RedisCommand>& commands, Deadline deadline);
  RedisReply exchange(const RedisCommand& command, Deadline deadline);

  /// Whether nothing waits to be read: a server that closed the connection while it was idle has left its end to read.
  bool is_quiet() const;

 private:
  void send(std::string_view bytes, Deadline deadline);
  RedisReply receive(Deadline deadline);
  void wait_for(short event, Deadline deadline) const;

  struct FreeContext {
    void operator()(redisContext* context) const;
  };
  std::unique_ptr<redisContext, FreeContext> context_;
  std::string name_;  ///< "redis at host:port", for messages
};

}  // namespace neume::store
