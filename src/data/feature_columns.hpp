#pragma once
// Features as columns of a query: finds their SQL and kind in a table, and reads their values row by row.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/features.hpp"
#include "data/table_source.hpp"

namespace neume::data {

/// The features of one table while it is read. Learns (kinds, rows of categories) in copies of its own, so that a
/// reading that fails leaves the caller's features as they were.
class FeatureColumns {
 public:
  /// `learn`: the features' kinds and values come from this table; otherwise they are applied as they are. Throws
  /// DataError for a missing column, an expression that does not parse, a type that is no feature or is not that of
  /// training.
  FeatureColumns(TableSource& table, std::vector<Feature> features, bool learn);

  /// SQL of the columns, each with a comma before it, to be put behind other columns of a SELECT.
  std::string select_list() const;
  InputCounts counts() const { return counts_; }

  /// Goes on to a chunk of rows, in which the features' columns begin at `first_column`.
  void begin_chunk(const QueryRows& rows, std::size_t first_column);
  /// Values of row `i` of the chunk: rows of tables, and numbers as they are, NaN where missing (a null or a NaN).
  /// Throws DataError for an infinite number.
  void read_row(std::size_t i, std::span<std::uint32_t> categories, std::span<double> numbers);

  /// Learns the scale of the numbers, `rows x counts().numbers`, where this reading learns at all.
  void learn_scales(std::span<const double> numbers);
  const std::vector<Feature>& features() const { return features_; }

 private:
  void find_column(TableSource& table, Feature& feature);
  std::uint32_t category(std::size_t feature, std::size_t i);
  double number(std::size_t feature, std::size_t i) const;

  std::string path_;
  std::vector<Feature> features_;
  bool learn_;
  std::vector<std::string> expressions_;
  std::vector<std::uint8_t> is_integer_;  // whether a category's column gives BIGINT instead of VARCHAR
  InputCounts counts_;
  std::vector<ColumnView> columns_;
  std::size_t first_row_ = 0;
};

}  // namespace neume::data
