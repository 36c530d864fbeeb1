#include "data/streamed_items.hpp"

#include <fmt/format.h>

#include <limits>
#include <type_traits>

#include <neume/error.hpp>

#include "data/id_index.hpp"

namespace neume::data {

namespace {

constexpr std::size_t kFirstSlots = 16;

}  // namespace

std::size_t StreamedItems::size() const {
  return row_numbers_ + integers_.size() + ends_.size();
}

std::int64_t StreamedItems::integer(std::size_t item) const {
  return row_numbers_ > 0 ? static_cast<std::int64_t>(item) : integers_[item];
}

std::string_view StreamedItems::text(std::size_t item) const {
  const std::uint64_t begin = item == 0 ? 0 : ends_[item - 1];
  return {letters_.data() + begin, static_cast<std::size_t>(ends_[item] - begin)};
}

std::string StreamedItems::name(std::size_t item) const {
  return is_text_ ? std::string(text(item)) : fmt::to_string(integer(item));
}

ItemIds StreamedItems::in_memory() const {
  if (is_text_) {
    ItemIds::Texts texts;
    for (std::size_t item = 0; item < size(); ++item) texts.emplace_back(text(item));
    return ItemIds(std::move(texts));
  }
  ItemIds::Integers integers(size());
  for (std::size_t item = 0; item < size(); ++item) integers[item] = integer(item);
  return ItemIds(std::move(integers));
}

void StreamedItems::add(std::string_view id) {
  letters_.append(std::span<const char>(id.data(), id.size()));
  ends_.push_back(letters_.size());
}

template <class Id>
Id StreamedItems::at(std::size_t item) const {
  if constexpr (std::is_same_v<Id, std::int64_t>) {
    return integer(item);
  } else {
    return text(item);
  }
}

std::uint32_t StreamedItems::place(std::int64_t id, std::size_t guess) {
  if (is_text_) return place_same_kind(std::string_view(fmt::format_int(id).c_str()), guess);
  return place_same_kind(id, guess);
}

std::uint32_t StreamedItems::place(std::string_view id, std::size_t guess) {
  if (size() == 0) is_text_ = true;
  if (is_text_) return place_same_kind(id, guess);
  const auto integer = exact_integer(id);
  if (!integer) throw DataError(fmt::format("id \"{}\": expected an integer like the ids before it, found text", id));
  return place_same_kind(*integer, guess);
}

bool StreamedItems::can_hold(std::string_view id) const {
  return size() == 0 || is_text_ || exact_integer(id).has_value();
}

template <class Id>
std::uint32_t StreamedItems::place_same_kind(Id id, std::size_t guess) {
  if (guess < size() && at<Id>(guess) == id) return static_cast<std::uint32_t>(guess);
  const bool is_largest = rising_ && (size() == 0 || at<Id>(size() - 1) < id);
  if (!is_largest || !slots_.empty()) return look_up(id);
  add(id);
  return static_cast<std::uint32_t>(size() - 1);
}

template <class Id>
std::uint32_t StreamedItems::look_up(Id id) {
  make_room<Id>();
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash_of_id(id) & mask;
  while (slots_[slot] != 0 && at<Id>(slots_[slot] - 1) != id) slot = (slot + 1) & mask;
  if (slots_[slot] == 0) {
    rising_ = rising_ && (size() == 0 || at<Id>(size() - 1) < id);
    add(id);
    slots_[slot] = static_cast<std::uint32_t>(size());
  }
  return slots_[slot] - 1;
}

/// Makes the hash table of all items anew where one more would take more than half of it.
template <class Id>
void StreamedItems::make_room() {
  if (2 * (size() + 1) <= slots_.size()) return;
  if (size() >= std::numeric_limits<std::uint32_t>::max() - 1) throw DataError("more than 4 billion items");
  std::size_t wanted = kFirstSlots;
  while (wanted < 2 * (size() + 1)) wanted *= 2;
  slots_.assign(wanted, 0);
  for (std::size_t item = 0; item < size(); ++item) {
    std::size_t slot = hash_of_id(at<Id>(item)) & (wanted - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (wanted - 1);
    slots_[slot] = static_cast<std::uint32_t>(item + 1);
  }
}

}  // namespace neume::data
