#pragma once
// What every reader of embeddings asks of its sources and their values, and how it says what it found.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "data/catalogue.hpp"
#include "data/table_source.hpp"

namespace neume::data {

inline constexpr const char* kItemColumnAdvice = "name the id column with --item-column";

/// Throws InvalidArgument where there is no modality, or two have one name.
void check_modality_names(std::span<const ModalitySource> sources);

/// Throws InvalidArgument for a table without a column, or an NPY file with one.
void check_expression(const SourcePath& source);

/// Throws DataError where two NPY files differ in their number of rows: rows are tied to items by their number alone,
/// so both cannot be right.
void check_same_num_rows(const SourcePath& first, std::size_t first_rows, const SourcePath& second,
                         std::size_t second_rows);

/// The first value that is not a finite float; false in a comparison with NaN makes NaN one of them.
template <class T>
std::optional<std::size_t> first_unusable(std::span<const T> values) {
  const T max = std::numeric_limits<float>::max();
  bool all_good = true;  // without an early exit this loop is a vector loop
  for (const T value : values) all_good &= std::abs(value) <= max;
  if (all_good) return std::nullopt;
  const auto found = std::ranges::find_if(values, [&](T value) { return !(std::abs(value) <= max); });
  return static_cast<std::size_t>(found - values.begin());
}

/// "found NaN; expected finite numbers; ..." of a value that first_unusable found.
std::string describe_unusable(double value);

/// What is wrong with a list that should hold `width` finite numbers, its `values` being those of `elements` from
/// `offset` on; empty where nothing is. T is float or double.
template <class T>
std::string complaint_of_list(std::span<const T> values, const ColumnView& elements, std::size_t offset,
                              std::size_t width);

template <class T>
bool all_zero(std::span<const T> values) {
  return std::ranges::all_of(values, [](T value) { return value == 0; });
}

/// Throws the DataError of a modality without a single embedding; `place` is its file, and column.
[[noreturn]] void fail_without_embedding(const std::string& place);

/// SQL that gives FLOAT[] or DOUBLE[], and which of them.
struct ListColumn {
  std::string expression;
  bool is_double = true;
};

/// How a column of embeddings is read. Throws DataError for a column that cannot hold lists of numbers.
ListColumn list_column(const TableSource& table, const TableColumn& column);

/// The length of the first list that is not empty; nothing where there is none.
std::optional<std::size_t> width_of_lists(TableSource& table, const ListColumn& lists);

}  // namespace neume::data
