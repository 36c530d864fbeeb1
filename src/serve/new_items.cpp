#include "serve/new_items.hpp"

#include <algorithm>
#include <mutex>

#include "base/file.hpp"

namespace neume::serve {

std::size_t NewItems::CodesHash::operator()(const std::vector<Code>& codes) const {
  return base::hash64(std::as_bytes(std::span(codes)));
}

void NewItems::add(const std::string& item_id, std::vector<Code> codes) {
  const std::unique_lock lock(mutex_);
  items_[item_id] = &*codes_.insert(std::move(codes)).first;
}

std::span<const Code> NewItems::find(std::string_view item_id) const {
  const std::shared_lock lock(mutex_);
  const auto found = items_.find(item_id);
  return found == items_.end() ? std::span<const Code>() : std::span<const Code>(*found->second);
}

std::size_t NewItems::size() const {
  const std::shared_lock lock(mutex_);
  return items_.size();
}

std::vector<std::string> NewItems::ids() const {
  std::vector<std::string> ids;
  {
    const std::shared_lock lock(mutex_);
    ids.reserve(items_.size());
    for (const auto& [id, codes] : items_) ids.push_back(id);
  }
  std::ranges::sort(ids);
  return ids;
}

}  // namespace neume::serve
