#pragma once
// Makes the items of the store known to the models: all of them at the start, then those that other servers put there.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "serve/models.hpp"
#include "serve/request_log.hpp"
#include "store/store.hpp"

namespace neume::serve {

class ItemFollower {
 public:
  /// Reads what the store holds, then looks again after every `pause`, on a thread of its own. A store that does not
  /// answer is told to the log once, and asked again; the other way round, once it answers. All three must outlive it.
  ItemFollower(store::Store& store, Models& models, RequestLog& log, std::chrono::milliseconds pause);
  ~ItemFollower();

 private:
  void follow();
  void read_new();

  store::Store& store_;
  Models& models_;
  RequestLog& log_;
  const std::chrono::milliseconds pause_;
  std::uint64_t cursor_ = 0;
  bool store_answers_ = true;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace neume::serve
