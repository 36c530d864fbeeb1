#include "data/feature_columns.hpp"

#include <fmt/format.h>

#include <cctype>
#include <cmath>
#include <limits>
#include <utility>

#include <neume/error.hpp>

namespace neume::data {

namespace {

bool is_category(const TableColumn& column) {
  return column.is_integer() || column.is_wide_integer() || column.type == "BOOLEAN" || column.type == "VARCHAR" ||
         column.type == "UUID" || column.type.starts_with("ENUM(");
}

bool is_column_name(const std::string& expression) {
  if (std::isdigit(static_cast<unsigned char>(expression[0])) != 0) return false;
  for (const char c : expression) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') return false;
  }
  return true;
}

/// SQL of a feature's expression: a column's name in quotes, anything else as it stands.
std::string sql_of(const TableSource& table, const FeatureSpec& spec) {
  if (const TableColumn* column = table.find(spec.expression)) return sql_name(column->name);
  if (is_column_name(spec.expression)) {
    table.column(spec.expression, fmt::format("name the column of feature {} with --feature", spec.name));
  }
  return spec.expression;
}

TableColumn describe(TableSource& table, const FeatureSpec& spec, const std::string& sql) {
  try {
    return table.describe(sql);
  } catch (const DataError& error) {
    throw DataError(fmt::format("feature {}: {}", spec.name, error.what()));
  }
}

}  // namespace

FeatureColumns::FeatureColumns(TableSource& table, std::vector<Feature> features, bool learn)
    : path_(table.path()), features_(std::move(features)), learn_(learn) {
  for (Feature& feature : features_) find_column(table, feature);
  counts_ = count_inputs(features_);
}

void FeatureColumns::find_column(TableSource& table, Feature& feature) {
  const std::string sql = sql_of(table, feature.spec);
  const TableColumn column = describe(table, feature.spec, sql);
  const bool can_be_category = is_category(column);
  const bool can_be_number = column.is_number();
  if (learn_) {
    if (!can_be_category && !can_be_number) {
      throw DataError(
          fmt::format("{}: feature {}: expected whole numbers, texts, booleans or numbers, found {}; cast "
                      "it: {}=CAST({} AS VARCHAR)",
                      path_, feature.spec.name, column.type, feature.spec.name, feature.spec.expression));
    }
    feature.kind = can_be_category ? FeatureKind::category : FeatureKind::number;
  } else if (feature.kind == FeatureKind::category ? !can_be_category : !can_be_number) {
    throw DataError(fmt::format(
        "{}: feature {}: expected {} as in training, found {}; cast it in both logs", path_, feature.spec.name,
        feature.kind == FeatureKind::category ? "whole numbers, texts or booleans" : "numbers", column.type));
  }
  const bool integer = feature.kind == FeatureKind::category && column.is_integer();
  is_integer_.push_back(integer ? 1 : 0);
  const char* type = feature.kind == FeatureKind::number ? "DOUBLE" : integer ? "BIGINT" : "VARCHAR";
  expressions_.push_back(fmt::format("CAST(({}\n) AS {})", sql, type));
}

std::string FeatureColumns::select_list() const {
  std::string list;
  for (const std::string& expression : expressions_) list += ", " + expression;
  return list;
}

void FeatureColumns::begin_chunk(const QueryRows& rows, std::size_t first_column) {
  columns_.clear();
  for (std::size_t f = 0; f < features_.size(); ++f) columns_.push_back(rows.column(first_column + f));
  first_row_ = rows.first_row();
}

void FeatureColumns::read_row(std::size_t i, std::span<std::uint32_t> categories, std::span<double> numbers) {
  std::size_t c = 0, n = 0;
  for (std::size_t f = 0; f < features_.size(); ++f) {
    if (features_[f].kind == FeatureKind::category) {
      categories[c++] = category(f, i);
    } else {
      numbers[n++] = number(f, i);
    }
  }
}

std::uint32_t FeatureColumns::category(std::size_t feature, std::size_t i) {
  const ColumnView& column = columns_[feature];
  Feature& known = features_[feature];
  if (!column.is_valid(i)) return 0;
  if (is_integer_[feature] != 0) {
    const std::int64_t value = column.values<std::int64_t>()[i];
    return learn_ ? known.learn(value) : known.row_of(value);
  }
  return learn_ ? known.learn(column.text(i)) : known.row_of(column.text(i));
}

double FeatureColumns::number(std::size_t feature, std::size_t i) const {
  const ColumnView& column = columns_[feature];
  if (!column.is_valid(i)) return std::numeric_limits<double>::quiet_NaN();
  const double value = column.values<double>()[i];
  if (std::isinf(value)) {
    throw DataError(fmt::format("{}: feature {}: row {} (0-based): expected a finite number or null, found {}", path_,
                                features_[feature].spec.name, first_row_ + i, value));
  }
  return value;
}

void FeatureColumns::learn_scales(std::span<const double> numbers) {
  if (!learn_) return;
  std::size_t n = 0;
  for (Feature& feature : features_) {
    if (feature.kind == FeatureKind::number)
      feature.learn_scale(numbers.subspan(numbers.empty() ? 0 : n++), counts_.numbers);
  }
}

}  // namespace neume::data
