#pragma once
// From an id as the user wrote it (integer or text) to a dense row number.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <neume/item_ids.hpp>

namespace neume::data {

/// The integer whose decimal form is exactly `text` ("7", "-3"; not "07", "+7", "7 "), or nothing.
std::optional<std::int64_t> exact_integer(std::string_view text);

/// Where a hash table of ids looks first.
std::size_t hash_of_id(std::int64_t id);
std::size_t hash_of_id(std::string_view id);

/// Rows of ids, numbered in the order in which they were added. All integers or all text, decided by the first id.
/// Looking up is thread-safe while nobody adds. A hash table of row numbers: 8 to 16 bytes an id beside the ids.
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
  std::optional<std::uint32_t> find(const ItemIds& ids, std::size_t row) const;  ///< of ids' row `row`

  /// Row of an id, added at the end where it is new. Throws DataError where `id` is text that is no decimal number and
  /// the index holds integers.
  std::uint32_t find_or_add(std::int64_t id);
  std::uint32_t find_or_add(std::string_view id);
  std::uint32_t find_or_add(const ItemIds& ids, std::size_t row);

  /// False where find_or_add(id) would throw.
  bool can_hold(std::string_view id) const;

 private:
  template <class Id>
  std::uint32_t find_or_add_same_kind(Id id);
  void make_room();

  ItemIds ids_;
  std::vector<std::uint32_t> slots_;  // row + 1, or 0 = free; a power of two of them, at most half of them taken
};

}  // namespace neume::data
