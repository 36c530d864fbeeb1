#include "serve/measured_store.hpp"

#include <chrono>

namespace neume::serve {

template <class Call>
auto MeasuredStore::measure(const char* name, Call&& call) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const auto count = [&](bool is_error) {
    answers_ = !is_error;
    metrics_.count_store_call(name, std::chrono::duration<double>(Clock::now() - begin).count(), is_error);
  };
  try {
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      count(false);
    } else {
      auto result = call();
      count(false);
      return result;
    }
  } catch (const store::StoreError&) {
    count(true);
    throw;
  }
}

store::Appended MeasuredStore::append(const store::Event& event) {
  return measure("append", [&] { return store_.append(event); });
}

std::vector<store::Event> MeasuredStore::history(std::string_view user_id, std::size_t limit) {
  return measure("history", [&] { return store_.history(user_id, limit); });
}

void MeasuredStore::put_item(const store::StoredItem& item) {
  measure("put_item", [&] { store_.put_item(item); });
}

store::ItemPage MeasuredStore::items_since(std::uint64_t cursor, std::size_t limit) {
  return measure("items_since", [&] { return store_.items_since(cursor, limit); });
}

void MeasuredStore::check() {
  measure("check", [&] { store_.check(); });
}

std::vector<std::string> MeasuredStore::warnings() {
  return measure("warnings", [&] { return store_.warnings(); });
}

}  // namespace neume::serve
