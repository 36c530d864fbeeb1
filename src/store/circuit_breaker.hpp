#pragma once
// Keeps callers from waiting, one after the other, for a server that is down: after a failure calls fail at once for a
// while, then one of them tries, and the others go on failing until it has an answer.

#include <chrono>
#include <mutex>
#include <string>

namespace neume::store {

/// Safe for several threads.
class CircuitBreaker {
 public:
  explicit CircuitBreaker(std::chrono::milliseconds pause) : pause_(pause) {}

  /// Throws StoreError with the last failure's message where the caller should not try. Else the caller tries, and then
  /// calls succeeded() or failed().
  void enter();
  void succeeded();
  void failed(const std::string& why);

 private:
  using Clock = std::chrono::steady_clock;

  const std::chrono::milliseconds pause_;
  std::mutex mutex_;
  bool broken_ = false;
  Clock::time_point next_try_{};
  std::string why_;
};

}  // namespace neume::store
