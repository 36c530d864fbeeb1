#pragma once
// The history's side of a request: what no candidate changes, computed once.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/buffer.hpp"
#include "rank/distinct_rows.hpp"
#include "rank/request_scorer.hpp"
#include "rank/request_tables.hpp"

namespace neume::rank {

/// Memory that is asked for again and again: grows, never shrinks, and keeps nothing.
inline float* reserve(base::Buffer<float>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer = base::Buffer<float>(size + size / 4);
  return buffer.data();
}

/// The distinct IDs of a history in a unit's source ("entries"), with how often each occurs.
struct UnitHistory {
  DistinctRows entries;                      ///< table rows of a family; item rows
  std::vector<std::uint32_t> entry_of_slot;  ///< or kNone, where an item has none
  std::vector<float> counts;
  std::size_t stride = 0;         ///< size(), rounded up to whole vectors
  base::Buffer<float> wide;       ///< size() x [projected | embedding]
  base::Buffer<float> projected;  ///< hidden x stride
  base::Buffer<float> weighted;   ///< size() x width: embeddings times counts

  std::size_t size() const { return entries.size(); }
};

class RequestHistory {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  /// Collapses the history by item, then by ID in every unit, and projects the entries.
  void build(const RequestTables& tables, std::span<const RequestItem> history);

  std::size_t size() const { return slot_of_place_.size(); }
  const UnitHistory& unit(std::size_t u) const { return units_[u]; }

  /// Distinct items.
  std::size_t num_slots() const { return slots_.size(); }
  std::uint32_t slot_of_place(std::size_t place) const { return slot_of_place_[place]; }

 private:
  void collapse_items(const RequestTables& tables, std::span<const RequestItem> history);
  void collapse_ids(const RequestTables& tables, std::span<const RequestItem> history, std::size_t u);
  static void project(const RequestTables& tables, const RequestUnit& unit, UnitHistory& of_unit);

  DistinctRows slots_;
  std::vector<std::uint32_t> slot_of_place_;
  std::vector<std::uint32_t> first_place_;  // of a slot
  std::vector<float> slot_counts_;
  std::vector<std::uint32_t> code_rows_;  // slots x codes of an item: table rows
  std::vector<UnitHistory> units_;
};

/// Table rows of an item's codes in all families (ItemCodes::rows_of).
inline void rows_of(const ItemCodes& codes, const RequestItem& item, std::uint32_t* rows) {
  if (item.row == RequestItem::kNoRow) return codes.rows_of(item.codes, rows);
  codes.rows_of(item.row, rows);
}

/// Columns of `rows` x `cols` numbers, one after the other: out[c * out_stride + r] = in[r * in_stride + c].
void transpose(nn::Strided<const float> in, std::size_t rows, std::size_t cols, nn::Strided<float> out);

}  // namespace neume::rank
