#pragma once
// A store whose calls are counted and timed.

#include <atomic>
#include <functional>
#include <string>

#include "serve/metrics.hpp"
#include "store/store.hpp"

namespace neume::serve {

class MeasuredStore : public store::Store {
 public:
  /// Both must outlive it.
  MeasuredStore(store::Store& store, Metrics& metrics) : store_(store), metrics_(metrics) {}

  store::Appended append(const store::Event& event) override;
  std::vector<store::Event> history(std::string_view user_id, std::size_t limit) override;
  void put_item(const store::StoredItem& item) override;
  store::ItemPage items_since(std::uint64_t cursor, std::size_t limit) override;
  void check() override;
  std::vector<std::string> warnings() override;

  /// Whether the last call was answered.
  bool answers() const { return answers_; }

 private:
  template <class Call>
  auto measure(const char* name, Call&& call);

  store::Store& store_;
  Metrics& metrics_;
  std::atomic<bool> answers_ = true;
};

}  // namespace neume::serve
