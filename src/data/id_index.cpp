#include "data/id_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::data {

namespace {

constexpr std::size_t kFirstSlots = 16;

// The lists of an ItemIds by the kind of id. `list_of` writes through the const accessor of a non-const object.
const ItemIds::Integers& ids_of(const ItemIds& ids, std::int64_t) {
  return ids.integers();
}
const ItemIds::Texts& ids_of(const ItemIds& ids, std::string_view) {
  return ids.texts();
}
template <class Id>
auto& list_of(ItemIds& ids, Id kind) {
  using List = std::remove_cvref_t<decltype(ids_of(ids, kind))>;
  return const_cast<List&>(ids_of(ids, kind));
}

/// The slot that holds `id`, or the free slot where it belongs. `slots` has at least one free slot.
template <class Id>
std::size_t slot_of(const std::vector<std::uint32_t>& slots, const ItemIds& ids, Id id) {
  const auto& list = ids_of(ids, id);
  const std::size_t mask = slots.size() - 1;
  std::size_t slot = hash_of_id(id) & mask;
  while (slots[slot] != 0 && list[slots[slot] - 1] != id) slot = (slot + 1) & mask;
  return slot;
}

template <class Id>
std::optional<std::uint32_t> find_same_kind(const std::vector<std::uint32_t>& slots, const ItemIds& ids, Id id) {
  if (slots.empty()) return std::nullopt;
  const std::uint32_t taken = slots[slot_of(slots, ids, id)];
  if (taken == 0) return std::nullopt;
  return taken - 1;
}

}  // namespace

std::size_t hash_of_id(std::int64_t id) {
  return base::mix64(static_cast<std::uint64_t>(id));
}

std::size_t hash_of_id(std::string_view id) {
  return std::hash<std::string_view>{}(id);
}

std::optional<std::int64_t> exact_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || fmt::to_string(value) != text) return std::nullopt;
  return value;
}

IdIndex::IdIndex(const ItemIds& ids) : slots_(std::bit_ceil(std::max(kFirstSlots, 2 * ids.size())), 0) {
  for (std::size_t row = 0; row < ids.size(); ++row) {
    const std::size_t place = find_or_add(ids, row);
    if (place != row) {
      throw DataError(fmt::format("id {} occurs twice: in rows {} and {} (0-based); expected every id once",
                                  ids.name(row), place, row));
    }
  }
}

std::optional<std::uint32_t> IdIndex::find(std::int64_t id) const {
  if (ids_.is_text()) return find_same_kind(slots_, ids_, std::string_view(fmt::format_int(id).c_str()));
  return find_same_kind(slots_, ids_, id);
}

std::optional<std::uint32_t> IdIndex::find(std::string_view id) const {
  if (ids_.is_text()) return find_same_kind(slots_, ids_, id);
  const auto integer = exact_integer(id);
  return integer ? find_same_kind(slots_, ids_, *integer) : std::nullopt;
}

std::optional<std::uint32_t> IdIndex::find(const ItemIds& ids, std::size_t row) const {
  return ids.is_text() ? find(ids.texts()[row]) : find(ids.integers()[row]);
}

std::uint32_t IdIndex::find_or_add(std::int64_t id) {
  if (size() == 0) ids_ = ItemIds(ItemIds::Integers{});
  if (ids_.is_text()) return find_or_add_same_kind(std::string_view(fmt::format_int(id).c_str()));
  return find_or_add_same_kind(id);
}

std::uint32_t IdIndex::find_or_add(std::string_view id) {
  if (size() == 0) ids_ = ItemIds(ItemIds::Texts{});
  if (ids_.is_text()) return find_or_add_same_kind(id);
  const auto integer = exact_integer(id);
  if (!integer) {
    throw DataError(
        fmt::format("id \"{}\": expected an integer like the ids before it, found text; write all ids "
                    "as integers or all as text",
                    id));
  }
  return find_or_add_same_kind(*integer);
}

std::uint32_t IdIndex::find_or_add(const ItemIds& ids, std::size_t row) {
  return ids.is_text() ? find_or_add(ids.texts()[row]) : find_or_add(ids.integers()[row]);
}

bool IdIndex::can_hold(std::string_view id) const {
  return size() == 0 || ids_.is_text() || exact_integer(id).has_value();
}

template <class Id>
std::uint32_t IdIndex::find_or_add_same_kind(Id id) {
  make_room();
  std::uint32_t& slot = slots_[slot_of(slots_, ids_, id)];
  if (slot == 0) {
    list_of(ids_, id).emplace_back(id);
    slot = static_cast<std::uint32_t>(ids_.size());
  }
  return slot - 1;
}

/// Doubles the slots where one more id would take more than half of them.
void IdIndex::make_room() {
  if (2 * (size() + 1) <= slots_.size()) return;
  if (size() >= std::numeric_limits<std::uint32_t>::max() - 1) throw DataError("more than 4 billion ids");
  std::vector<std::uint32_t> larger(std::max(kFirstSlots, 2 * slots_.size()), 0);
  for (std::size_t row = 0; row < size(); ++row) {
    const std::size_t slot = ids_.is_text() ? slot_of(larger, ids_, std::string_view(ids_.texts()[row]))
                                            : slot_of(larger, ids_, ids_.integers()[row]);
    larger[slot] = static_cast<std::uint32_t>(row + 1);
  }
  slots_ = std::move(larger);
}

}  // namespace neume::data
