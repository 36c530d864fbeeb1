#include "store/store.hpp"

namespace neume::store {

namespace {

void require_id(std::string_view name, std::string_view id) {
  if (!id.empty() && id.size() <= kMaxIdBytes) return;
  throw InvalidArgument(std::string(name) + ": expected 1 to " + std::to_string(kMaxIdBytes) + " bytes, found " +
                        std::to_string(id.size()));
}

}  // namespace

void require_valid(const Event& event) {
  require_id("event_id", event.event_id);
  require_id("user_id", event.user_id);
  require_id("item_id", event.item_id);
}

void require_valid(const StoredItem& item) {
  require_id("item_id", item.item_id);
  if (item.value.size() <= kMaxItemBytes) return;
  throw InvalidArgument("the item's value: expected at most " + std::to_string(kMaxItemBytes) + " bytes, found " +
                        std::to_string(item.value.size()));
}

void require_valid_user(std::string_view user_id) {
  require_id("user_id", user_id);
}

}  // namespace neume::store
