#include "store/circuit_breaker.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "store/store.hpp"

namespace neume::store {
namespace {

using std::chrono::milliseconds;

TEST(CircuitBreaker, FailsAtOnceAfterAFailureUntilOneCallerTries) {
  CircuitBreaker breaker(milliseconds(200));
  breaker.enter();
  breaker.enter();
  breaker.failed("it is down");
  try {
    breaker.enter();
    FAIL() << "expected a StoreError";
  } catch (const StoreError& error) {
    EXPECT_EQ(std::string(error.what()), "it is down");
  }
  std::this_thread::sleep_for(milliseconds(210));
  EXPECT_NO_THROW(breaker.enter());
  std::this_thread::sleep_for(milliseconds(210));
  EXPECT_THROW(breaker.enter(), StoreError) << "one is still trying";
  breaker.failed("still down");
  EXPECT_THROW(breaker.enter(), StoreError);
  std::this_thread::sleep_for(milliseconds(210));
  EXPECT_NO_THROW(breaker.enter());
  breaker.succeeded();
  EXPECT_NO_THROW(breaker.enter());
  EXPECT_NO_THROW(breaker.enter());
}

}  // namespace
}  // namespace neume::store
