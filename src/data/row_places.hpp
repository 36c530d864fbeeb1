#pragma once
// Where the items of a catalogue stand in one of its sources.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/spill_vector.hpp"

namespace neume::data {

/// The row of every item in a source whose rows are told one after the other. No memory while row i is item i, else 4
/// bytes an item.
class RowPlaces {
 public:
  explicit RowPlaces(const base::SpillPolicy& policy) : row_after_(policy) {}

  /// Makes rows 0 .. count - 1 the items of the same number.
  void set_identity(std::size_t count);

  /// Tells the item of the next row. Returns the earlier row of the same item where there is one.
  std::optional<std::size_t> add(std::size_t item);

  std::size_t num_rows() const { return num_rows_; }
  /// Whether items rise from row to row.
  bool in_order() const { return in_order_; }
  /// Nothing where the source does not have the item.
  std::optional<std::size_t> row_of(std::size_t item) const;

 private:
  std::size_t num_rows_ = 0;
  bool is_identity_ = true;
  bool in_order_ = true;
  std::size_t last_item_ = 0;
  base::SpillVector<std::uint32_t> row_after_;  // by item: its row + 1, or 0; empty for the identity
};

}  // namespace neume::data
