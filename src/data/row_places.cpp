#include "data/row_places.hpp"

namespace neume::data {

void RowPlaces::set_identity(std::size_t count) {
  num_rows_ = count;
}

std::optional<std::size_t> RowPlaces::add(std::size_t item) {
  const std::size_t row = num_rows_;
  if (is_identity_ && item != row) {
    row_after_.resize(row);
    for (std::size_t i = 0; i < row; ++i) row_after_[i] = static_cast<std::uint32_t>(i + 1);
    is_identity_ = false;
  }
  if (!is_identity_) {
    if (item >= row_after_.size()) row_after_.resize(item + 1);
    if (row_after_[item] != 0) return row_after_[item] - 1;
    row_after_[item] = static_cast<std::uint32_t>(row + 1);
  }
  in_order_ = in_order_ && (row == 0 || item > last_item_);
  last_item_ = item;
  ++num_rows_;
  return std::nullopt;
}

std::optional<std::size_t> RowPlaces::row_of(std::size_t item) const {
  if (is_identity_) return item < num_rows_ ? std::optional(item) : std::nullopt;
  if (item >= row_after_.size() || row_after_[item] == 0) return std::nullopt;
  return row_after_[item] - 1;
}

}  // namespace neume::data
