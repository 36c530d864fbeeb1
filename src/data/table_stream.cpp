#include "data/table_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <neume/error.hpp>

namespace neume::data {

TableStream::TableStream(const SourcePath& source, const std::vector<std::string>& columns,
                         const std::string& item_column, bool zero_is_missing)
    : table_(source, TypeSample::whole_file), zero_is_missing_(zero_is_missing) {
  for (const std::string& name : columns) {
    const TableColumn& found = table_.column(name, "name the column after the ':' of the source");
    columns_.push_back({found.name, list_column(table_, found), 0});
  }
  id_ = IdColumn::of(table_, item_column, kItemColumnAdvice);
  QueryRows any = table_.query("SELECT 1 FROM source LIMIT 1");
  if (!any.next()) throw DataError(fmt::format("{}: the table is empty: expected at least one row", path()));
  for (Column& column : columns_) column.width = width_of_lists(table_, column.list).value_or(0);
}

void TableStream::open(std::size_t first) {
  std::string select_list = id_.expression;
  for (const Column& column : columns_)
    select_list += fmt::format(", {}, {} IS NOT NULL", column.list.expression, sql_name(column.name));
  const std::string offset = first == 0 ? "" : fmt::format(" OFFSET {}", first);
  rows_.reset();
  rows_.reset(new QueryRows(table_.query(fmt::format("SELECT {}\nFROM source{}", select_list, offset))));
  first_of_query_ = end_row_ = first;
}

bool TableStream::advance_chunk() {
  if (!rows_) open(0);
  if (!rows_->next()) return false;
  RowChunk rows = rows_->take();
  const std::size_t first_row = first_of_query_ + rows.first_row();
  const ColumnView ids = rows.column(0);
  Chunk chunk{std::move(rows), ids, {}, first_row};
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const ColumnView lists = chunk.rows.column(1 + 2 * c);
    chunk.columns.push_back({lists, chunk.rows.column(2 + 2 * c), lists.elements()});
  }
  end_row_ = chunk.first_row + chunk.rows.num_rows();
  chunks_.push_back(std::move(chunk));
  return true;
}

void TableStream::advance(std::size_t first, std::size_t end) {
  if (!rows_ && first < end) open(first);
  while (!chunks_.empty() && chunks_.front().first_row + chunks_.front().rows.num_rows() <= first) chunks_.pop_front();
  while (end_row_ < end && first < end) {
    if (!advance_chunk())
      throw DataError(fmt::format("{}: it ends at row {} now: it was changed while it was read", path(), end_row_));
    if (end_row_ <= first) chunks_.pop_back();
  }
}

const TableStream::Chunk& TableStream::chunk_of(std::size_t row) const {
  const auto behind = std::ranges::upper_bound(chunks_, row, {}, &Chunk::first_row);
  if (behind == chunks_.begin() || row >= end_row_)
    throw InternalError(fmt::format("{}: row {} is not at hand", path(), row));
  return *std::prev(behind);
}

void TableStream::check_id(const Chunk& chunk, std::size_t row) const {
  if (!chunk.ids.is_valid(row - chunk.first_row)) fail_null_id(row);
}

void TableStream::fail_null_id(std::size_t row) const {
  throw DataError(fmt::format("{}: column {}: row {} (0-based): expected an id, found null", path(), id_.name, row));
}

std::int64_t TableStream::id_integer(std::size_t row) const {
  const Chunk& chunk = chunk_of(row);
  check_id(chunk, row);
  return chunk.ids.values<std::int64_t>()[row - chunk.first_row];
}

std::string_view TableStream::id_text(std::size_t row) const {
  const Chunk& chunk = chunk_of(row);
  check_id(chunk, row);
  return chunk.ids.text(row - chunk.first_row);
}

template <class T>
bool TableStream::read_list(const Column& column, const ColumnChunk& chunk, std::size_t place, std::span<float> out,
                            std::string& complaint) const {
  const auto [offset, length] = chunk.lists.list(place);
  const std::span<const T> values(chunk.elements.values<T>() + offset, length);
  complaint = complaint_of_list(values, chunk.elements, offset, column.width);
  if (!complaint.empty() || (zero_is_missing_ && all_zero(values))) return false;
  std::ranges::transform(values, out.begin(), [](T value) { return static_cast<float>(value); });
  return true;
}

bool TableStream::read(std::size_t index, std::size_t row, std::span<float> out) const {
  const Chunk& chunk = chunk_of(row);
  const Column& column = columns_[index];
  const ColumnChunk& values = chunk.columns[index];
  const std::size_t place = row - chunk.first_row;
  if (!values.present.values<bool>()[place]) return false;
  std::string complaint = "expected a list of numbers, found text that is none";
  bool has = false;
  if (values.lists.is_valid(place)) {
    has = column.list.is_double ? read_list<double>(column, values, place, out, complaint)
                                : read_list<float>(column, values, place, out, complaint);
    if (complaint.empty()) return has;
  }
  const std::string item = id_.is_text ? std::string(id_text(row)) : fmt::to_string(id_integer(row));
  throw DataError(
      fmt::format("{}: column {}: row {} (0-based), item {}: {}", path(), column.name, row, item, complaint));
}

}  // namespace neume::data
