#pragma once
// The server's log: a JSON object a line, on standard error. It holds no user, no history and no token.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "http/message.hpp"
#include "serve/log_level.hpp"

namespace neume::serve {

/// A thread of its own writes, so that nobody who is answered waits for whoever reads the log; lines beyond a few
/// thousand that wait are dropped, and counted.
class RequestLog {
 public:
  using Write = std::function<void(const std::string& line)>;  ///< of a line with its end

  /// Lines below `level` are left out.
  RequestLog(LogLevel level, Write write);
  /// On standard error.
  explicit RequestLog(LogLevel level);
  /// Writes what waits.
  ~RequestLog();

  /// An answer: info below 400, error for 500, else warn.
  void request(const http::Request& request, const http::Response& response, const http::Timing& timing);

  /// Something that happened; `request_id` may be empty.
  void event(LogLevel level, std::string_view what, std::string_view request_id = {});

  std::size_t dropped() const;

 private:
  void add(std::string line);
  void write_lines();

  const LogLevel level_;
  const Write write_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::size_t dropped_ = 0;
  bool is_over_ = false;
  std::thread writer_;
};

}  // namespace neume::serve
