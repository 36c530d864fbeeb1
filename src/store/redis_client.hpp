#pragma once
// A Redis server for several threads: idle connections that are used again, login, scripts, and no long waits for a
// server that is down.

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "store/circuit_breaker.hpp"
#include "store/redis_connection.hpp"
#include "store/redis_url.hpp"

namespace neume::store {

class RedisClient {
 public:
  /// What is done first on every new connection; an exception makes it unusable.
  using Greeting = std::function<void(RedisConnection&, Deadline)>;

  /// `scripts` are Lua; eval() names them by their number. Does not connect.
  RedisClient(RedisUrl url, std::chrono::milliseconds timeout, std::vector<std::string> scripts, Greeting greeting);

  /// Makes a connection and keeps it. Throws StoreError where the server cannot be reached, DataError where it refuses
  /// the login or the database, and what the greeting throws.
  void connect();

  /// Each: one exchange within the time limit. Throws StoreError where the server cannot be reached, is slow, or
  /// answers with an error.
  RedisReply command(const RedisCommand& command);
  RedisReply eval(std::size_t script, const std::vector<std::string>& keys, const std::vector<std::string>& arguments);

 private:
  /// A connection that is logged in and has the scripts, and their names on the server.
  struct Session {
    RedisConnection connection;
    std::vector<std::string> script_names;
  };

  Session open_session(Deadline deadline) const;
  void log_in(RedisConnection& connection, Deadline deadline) const;
  Session take_session(Deadline deadline);
  void keep(Session session);
  RedisReply talk(const std::function<RedisReply(Session&, Deadline)>& exchange);

  const RedisUrl url_;
  const std::chrono::milliseconds timeout_;
  const std::vector<std::string> scripts_;
  const Greeting greeting_;
  CircuitBreaker breaker_;
  std::mutex mutex_;
  std::vector<Session> idle_;
};

}  // namespace neume::store
