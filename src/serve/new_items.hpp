#pragma once
// Items that came after a model's training: their codes by id, written by one thread while many read.

#include <cstddef>
#include <functional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <neume/semantic_ids.hpp>

namespace neume::serve {

/// Safe to use from several threads.
class NewItems {
 public:
  /// An id that is there already has these codes from now on.
  void add(const std::string& item_id, std::vector<Code> codes);

  /// The item's codes, or nothing. They stay where they are as long as this lives, also when the item gets others.
  std::span<const Code> find(std::string_view item_id) const;

  std::size_t size() const;

  /// Ids of all of them, in order.
  std::vector<std::string> ids() const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct CodesHash {
    std::size_t operator()(const std::vector<Code>& codes) const;
  };

  mutable std::shared_mutex mutex_;
  std::unordered_set<std::vector<Code>, CodesHash> codes_;  // one a distinct ID: an item that comes again takes no more
  std::unordered_map<std::string, const std::vector<Code>*, TextHash, std::equal_to<>> items_;
};

}  // namespace neume::serve
