#pragma once
// A handler for tests. /now answers on the network thread, /echo says what it got, /work waits until the test lets it
// go on, /throw throws, /large answers with many bytes.

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "http/message.hpp"

namespace neume::http {

class EchoHandler : public Handler {
 public:
  std::optional<Response> answer_at_once(const Request& request) override {
    if (request.path == "/now") return Response{200, "now"};
    if (request.path == "/throw-now") throw std::runtime_error("secret at once");
    if (request.authorization == "wrong") return error_response(401, "wrong token");
    return std::nullopt;
  }

  Response answer(const Request& request) override {
    if (request.path == "/throw") throw std::runtime_error("secret");
    if (request.path == "/throw-number") throw 7;
    if (request.path == "/large") return {200, std::string(large_bytes, 'x')};
    if (request.path == "/none") return {204, ""};
    if (request.path == "/header") return {200, "", "text/plain", {{"X-Echo", request.query + "\r\nInjected: yes"}}};
    if (request.path == "/work") {
      std::unique_lock lock(mutex_);
      ++working_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
    }
    return {200, request.method + " " + request.path + " " + request.query + " " + request.body};
  }

  void observe(const Request& request, const Response& response, const Timing& timing) override {
    const std::lock_guard lock(mutex_);
    seen_.push_back({request.request_id, response.status, timing});
  }

  void failed(const Request&, std::string_view what) override {
    const std::lock_guard lock(mutex_);
    failures_.emplace_back(what);
  }

  /// Waits until `count` requests of /work have begun.
  void await_working(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return working_ >= count; });
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  struct Seen {
    std::string request_id;
    int status;
    Timing timing;
  };
  std::vector<Seen> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  std::vector<std::string> failures() {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

  std::size_t large_bytes = 24 << 20;  ///< more than the sockets of both sides buffer

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t working_ = 0;
  bool open_ = false;
  std::vector<Seen> seen_;
  std::vector<std::string> failures_;
};

}  // namespace neume::http
