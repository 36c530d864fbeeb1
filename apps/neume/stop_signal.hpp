#pragma once
// SIGTERM and SIGINT for a program that ends in good order.

#include <future>
#include <mutex>
#include <thread>

namespace neume::app {

/// Made before any other thread, which inherits that it takes neither signal. The first of the two ends wait(); before
/// ready() was called there is nothing to end in good order, so it ends the program, and so does a second one.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();

  void ready();
  void wait();

 private:
  void listen();

  std::mutex mutex_;
  bool is_ready_ = false;
  bool is_over_ = false;
  std::promise<void> stop_;
  std::thread listener_;
};

}  // namespace neume::app
