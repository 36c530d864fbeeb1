#include "data/embedding_checks.hpp"

#include <fmt/format.h>

#include <neume/error.hpp>

namespace neume::data {

namespace {

std::string name_of_unusable(double value) {
  if (std::isnan(value)) return "found NaN";
  if (std::isinf(value)) return value > 0 ? "found Inf" : "found -Inf";
  return fmt::format("found {}, beyond the range of float", value);
}

}  // namespace

std::string describe_unusable(double value) {
  return name_of_unusable(value) +
         "; expected finite numbers; mend the row, or make it null if the item has no embedding";
}

template <class T>
std::string complaint_of_list(std::span<const T> values, const ColumnView& elements, std::size_t offset,
                              std::size_t width) {
  if (values.empty()) return "expected at least one number, found an empty list";
  if (values.size() != width)
    return fmt::format("expected {} numbers as in the rows before, found {}", width, values.size());
  for (std::size_t j = 0; j < width && elements.may_have_nulls(); ++j)
    if (!elements.is_valid(offset + j)) return fmt::format("expected a number at place {}, found null", j);
  if (const auto bad = first_unusable(values))
    return fmt::format("at place {} {}", *bad, describe_unusable(static_cast<double>(values[*bad])));
  return {};
}

template std::string complaint_of_list(std::span<const float>, const ColumnView&, std::size_t, std::size_t);
template std::string complaint_of_list(std::span<const double>, const ColumnView&, std::size_t, std::size_t);

void fail_without_embedding(const std::string& place) {
  throw DataError(
      fmt::format("{}: no item has an embedding: every row is null, or zero where zero means missing", place));
}

ListColumn list_column(const TableSource& table, const TableColumn& column) {
  const std::string quoted = sql_name(column.name);
  const std::string element = column.type.substr(0, column.type.find('['));
  const bool is_nested = column.type.find('[') != column.type.rfind('[');
  if (column.is_list() && !is_nested && element == "FLOAT") return {fmt::format("CAST({} AS FLOAT[])", quoted), false};
  const bool is_list_of_numbers = column.is_list() && !is_nested && TableColumn{"", element}.is_number();
  if (is_list_of_numbers || column.type == "VARCHAR" || column.type == "JSON" || column.type == "JSON[]") {
    return {fmt::format("TRY_CAST({} AS DOUBLE[])", quoted), true};
  }
  throw DataError(fmt::format("{}: column {}: expected a list of numbers (FLOAT[]), found {}", table.path(),
                              column.name, column.type));
}

std::optional<std::size_t> width_of_lists(TableSource& table, const ListColumn& lists) {
  QueryRows rows = table.query(fmt::format("SELECT len({0}) FROM source WHERE len({0}) > 0 LIMIT 1", lists.expression));
  if (!rows.next()) return std::nullopt;
  return static_cast<std::size_t>(rows.column(0).values<std::int64_t>()[0]);
}

}  // namespace neume::data
