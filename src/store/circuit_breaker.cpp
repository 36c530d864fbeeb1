#include "store/circuit_breaker.hpp"

#include "store/store.hpp"

namespace neume::store {

void CircuitBreaker::enter() {
  const std::lock_guard lock(mutex_);
  if (!broken_) return;
  if (Clock::now() < next_try_) throw StoreError(why_);
  next_try_ = Clock::time_point::max();  // this caller tries; the others fail until it knows
}

void CircuitBreaker::succeeded() {
  const std::lock_guard lock(mutex_);
  broken_ = false;
}

void CircuitBreaker::failed(const std::string& why) {
  const std::lock_guard lock(mutex_);
  broken_ = true;
  why_ = why;
  next_try_ = Clock::now() + pause_;
}

}  // namespace neume::store
