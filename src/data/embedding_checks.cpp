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

}  // namespace neume::data
