#pragma once
// Requests that wait for a worker: a bounded queue, first come, first served.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "http/message.hpp"

namespace neume::http {

using Clock = std::chrono::steady_clock;

/// A request on its way through the queue, and then its answer.
struct Work {
  Request request;
  Clock::time_point arrived;  ///< with its last byte
  Response response;
  std::function<void()> answered;  ///< called once, when `response` is there; from any thread
};

/// Safe to use from several threads.
class WorkQueue {
 public:
  explicit WorkQueue(std::size_t capacity) : capacity_(capacity) {}

  /// False where it is full, or closed.
  bool push(std::shared_ptr<Work> work);

  /// Waits for work. Nothing: the queue is closed and empty.
  std::shared_ptr<Work> pop();

  /// The work that pop() gave is answered.
  void finish();

  /// Takes back what no worker has yet. False: one has, or it never was in here.
  bool withdraw(const std::shared_ptr<Work>& work);

  /// Nothing more comes; workers end when it is empty.
  void close();

  std::size_t queued() const;
  std::size_t working() const;

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Work>> waiting_;
  std::size_t working_ = 0;
  bool closed_ = false;
};

}  // namespace neume::http
