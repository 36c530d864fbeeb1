#include "rank/request_history.hpp"

#include <algorithm>

#include "kernels/embedding_rows.hpp"
#include "kernels/row_sums.hpp"
#include "kernels/shared_attention.hpp"

namespace neume::rank {

namespace {
constexpr std::size_t kPrefetchAhead = 16;
constexpr std::size_t kTransposedRows = 16;  // at a time: a cache line of each column
}  // namespace

void transpose(nn::Strided<const float> in, std::size_t rows, std::size_t cols, nn::Strided<float> out) {
  for (std::size_t begin = 0; begin < rows; begin += kTransposedRows) {
    const std::size_t end = std::min(begin + kTransposedRows, rows);
    for (std::size_t c = 0; c < cols; ++c) {
      float* column = out.row(c);
      for (std::size_t r = begin; r < end; ++r) column[r] = in.row(r)[c];
    }
  }
}

void RequestHistory::build(const RequestTables& tables, std::span<const RequestItem> history) {
  collapse_items(tables, history);
  units_.resize(tables.units.size());
  for (std::size_t u = 0; u < units_.size(); ++u) {
    collapse_ids(tables, history, u);
    project(tables, tables.units[u], units_[u]);
  }
}

void RequestHistory::collapse_items(const RequestTables& tables, std::span<const RequestItem> history) {
  const auto num_items = static_cast<std::uint32_t>(tables.codes.num_items());
  slots_.clear(1, history.size());
  slot_of_place_.resize(history.size());
  first_place_.clear();
  slot_counts_.clear();
  for (std::size_t place = 0; place < history.size(); ++place) {
    // An item without a row is one of its own here; its codes meet their equals later.
    const std::uint32_t row = history[place].row;
    const std::uint32_t key = row != RequestItem::kNoRow ? row : num_items + static_cast<std::uint32_t>(place);
    const std::uint32_t slot = slots_.add(&key);
    slot_of_place_[place] = slot;
    if (slot == first_place_.size()) {
      first_place_.push_back(static_cast<std::uint32_t>(place));
      slot_counts_.push_back(0.0f);
    }
    slot_counts_[slot] += 1.0f;
  }
  const std::size_t stride = tables.codes.stride();
  code_rows_.resize(slots_.size() * stride);
  for (std::size_t slot = 0; slot < slots_.size() && stride > 0; ++slot) {
    if (slot + kPrefetchAhead < slots_.size()) {
      const std::uint32_t ahead = history[first_place_[slot + kPrefetchAhead]].row;
      if (ahead != RequestItem::kNoRow) tables.codes.prefetch(ahead);
    }
    rows_of(tables.codes, history[first_place_[slot]], code_rows_.data() + slot * stride);
  }
}

void RequestHistory::collapse_ids(const RequestTables& tables, std::span<const RequestItem> history, std::size_t u) {
  const RequestUnit& unit = tables.units[u];
  UnitHistory& of_unit = units_[u];
  const bool items = unit.source.is_items();
  const std::size_t first_column = items ? 0 : tables.codes.families()[unit.source.family].first_column;
  of_unit.entries.clear(unit.shape.layers, slots_.size());
  of_unit.entry_of_slot.assign(slots_.size(), kNone);
  of_unit.counts.clear();
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    const std::uint32_t* rows =
        items ? &history[first_place_[slot]].row : code_rows_.data() + slot * tables.codes.stride() + first_column;
    static_assert(RequestItem::kNoRow == ItemCodes::kNoRow);
    if (*rows == ItemCodes::kNoRow) continue;
    const std::uint32_t entry = of_unit.entries.add(rows);
    of_unit.entry_of_slot[slot] = entry;
    if (entry == of_unit.counts.size()) of_unit.counts.push_back(0.0f);
    of_unit.counts[entry] += slot_counts_[slot];
  }
}

void RequestHistory::project(const RequestTables& tables, const RequestUnit& unit, UnitHistory& of_unit) {
  const std::size_t size = of_unit.size(), hidden = unit.shape.hidden, width = unit.shape.width;
  const std::size_t row_size = unit.shape.row_size();
  of_unit.stride = (size + kernels::kPairGrain - 1) / kernels::kPairGrain * kernels::kPairGrain;
  float* wide = reserve(of_unit.wide, size * row_size);
  if (unit.source.is_items()) {
    kernels::copy_embeddings<float>({tables.items.data, width, of_unit.entries.data(), size}, wide + hidden, row_size);
    kernels::matmul<float>({size, hidden, width}, {wide + hidden, row_size}, {unit.item_weights.data(), hidden},
                           {wide, row_size}, tables.spec.arithmetic);
  } else {
    kernels::sum_rows_of(
        {unit.table.data(), row_size, row_size, of_unit.entries.data(), unit.shape.layers, size, wide, row_size});
  }
  float* projected = reserve(of_unit.projected, hidden * of_unit.stride);
  float* weighted = reserve(of_unit.weighted, size * width);
  std::fill_n(projected, hidden * of_unit.stride, 0.0f);
  transpose({wide, row_size}, size, hidden, {projected, of_unit.stride});
  for (std::size_t j = 0; j < size; ++j) {
    const float* embedding = wide + j * row_size + hidden;
    for (std::size_t c = 0; c < width; ++c) weighted[j * width + c] = of_unit.counts[j] * embedding[c];
  }
}

}  // namespace neume::rank
