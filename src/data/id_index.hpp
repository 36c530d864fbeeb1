#pragma once
// From an id as the user wrote it (integer or text) to a dense row number.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <neume/item_ids.hpp>

namespace neume::data {

/// Rows of ids, numbered in the order in which they were added. All integers or all text, decided by the first id.
class IdIndex {
 public:
  IdIndex() = default;

  /// Throws DataError naming the first id that occurs twice.
  explicit IdIndex(const ItemIds& ids);

  std::size_t size() const { return ids_.size(); }
  const ItemIds& ids() const { return ids_; }

  /// Row of an id, or nothing. A text id is compared with an integer index by its decimal form, and the other way.
  std::optional<std::uint32_t> find(std::int64_t id) const;
  std::optional<std::uint32_t> find(std::string_view id) const;

  /// Row of an id, added at the end where it is new.
  std::uint32_t find_or_add(std::int64_t id);
  std::uint32_t find_or_add(std::string_view id);

 private:
  ItemIds ids_;
  std::unordered_map<std::int64_t, std::uint32_t> by_integer_;
  std::unordered_map<std::string, std::uint32_t> by_text_;
};

}  // namespace neume::data
