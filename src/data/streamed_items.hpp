#pragma once
// The ids of a catalogue that may be larger than memory: a list of ids, and the way from an id to its item.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <neume/item_ids.hpp>

#include "base/spill_vector.hpp"

namespace neume::data {

/// Items 0, 1, 2, ... and their ids, all integers or all text, decided by the first. 8 bytes an integer id, 8 and its
/// letters a text id, and 8 to 16 bytes an item of a hash table that is made only where it is needed: not for row
/// numbers, not while ids rise, not where a guess is right. All of it moves to unlinked files as `policy` says.
class StreamedItems {
 public:
  explicit StreamedItems(const base::SpillPolicy& policy) : integers_(policy), letters_(policy), ends_(policy) {
    slots_ = base::SpillVector<std::uint32_t>(policy);
  }

  /// Makes the items those of an NPY file, which need no memory: ids 0 .. count - 1. Only where there are none yet, and
  /// no id may be placed after it.
  void set_row_numbers(std::size_t count) { row_numbers_ = count; }

  std::size_t size() const;
  bool is_text() const { return is_text_; }
  std::int64_t integer(std::size_t item) const;
  std::string_view text(std::size_t item) const;
  /// The id of one item as text.
  std::string name(std::size_t item) const;
  ItemIds in_memory() const;

  /// The item of an id, added at the end where it is new; `guess` is looked at first. Integers and text are compared as
  /// IdIndex compares them. Throws DataError where text is no decimal number among integers (see can_hold).
  std::uint32_t place(std::int64_t id, std::size_t guess);
  std::uint32_t place(std::string_view id, std::size_t guess);
  /// False where place(id) would throw.
  bool can_hold(std::string_view id) const;

 private:
  template <class Id>
  Id at(std::size_t item) const;
  template <class Id>
  std::uint32_t place_same_kind(Id id, std::size_t guess);
  template <class Id>
  std::uint32_t look_up(Id id);
  template <class Id>
  void make_room();
  void add(std::int64_t id) { integers_.push_back(id); }
  void add(std::string_view id);

  std::size_t row_numbers_ = 0;
  bool is_text_ = false;
  bool rising_ = true;  // every id is larger than the one before it
  base::SpillVector<std::int64_t> integers_;
  base::SpillVector<char> letters_;
  base::SpillVector<std::uint64_t> ends_;
  base::SpillVector<std::uint32_t> slots_;  // item + 1, or 0 = free; empty until it is needed, then of all items
};

}  // namespace neume::data
