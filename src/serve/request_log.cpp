#include "serve/request_log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

namespace neume::serve {

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kMaxWaiting = 4096;

/// "2026-11-22T18:57:03.123Z".
std::string time_text() {
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto second = std::chrono::time_point_cast<std::chrono::seconds>(now);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(second)),
                     (now - second).count() % 1000);
}

OrderedJson opening(LogLevel level) {
  return {{"time", time_text()}, {"level", kLogLevelNames[static_cast<std::size_t>(level)]}};
}

std::string line_of(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

/// Milliseconds with three decimals.
double milliseconds(double seconds) {
  return std::round(seconds * 1e6) / 1e3;
}

}  // namespace

RequestLog::RequestLog(LogLevel level, Write write)
    : level_(level), write_(std::move(write)), writer_([this] { write_lines(); }) {}

RequestLog::RequestLog(LogLevel level)
    : RequestLog(level, [](const std::string& line) { std::fwrite(line.data(), 1, line.size(), stderr); }) {}

RequestLog::~RequestLog() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_one();
  writer_.join();
}

void RequestLog::request(const http::Request& request, const http::Response& response, const http::Timing& timing) {
  const LogLevel level = response.status < 400    ? LogLevel::info
                         : response.status == 500 ? LogLevel::error
                                                  : LogLevel::warn;
  if (level < level_) return;
  OrderedJson json = opening(level);
  json["request_id"] = request.request_id;
  json["method"] = request.method;
  json["route"] = response.route.empty() ? "none" : response.route;  // the path itself may hold an id
  json["status"] = response.status;
  json["queue_ms"] = milliseconds(timing.queue_seconds);
  json["compute_ms"] = milliseconds(timing.compute_seconds);
  add(line_of(json));
}

void RequestLog::event(LogLevel level, std::string_view what, std::string_view request_id) {
  if (level < level_) return;
  OrderedJson json = opening(level);
  if (!request_id.empty()) json["request_id"] = request_id;
  json["message"] = what;
  add(line_of(json));
}

std::size_t RequestLog::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void RequestLog::add(std::string line) {
  {
    const std::lock_guard lock(mutex_);
    if (lines_.size() == kMaxWaiting) {
      ++dropped_;
      return;
    }
    lines_.push_back(std::move(line));
  }
  changed_.notify_one();
}

void RequestLog::write_lines() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_over_ || !lines_.empty(); });
    if (lines_.empty()) return;
    const std::string line = std::move(lines_.front());
    lines_.pop_front();
    lock.unlock();
    write_(line);
    lock.lock();
  }
}

}  // namespace neume::serve
