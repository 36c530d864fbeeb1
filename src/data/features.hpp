#pragma once
// Further inputs of a ranker: columns of the logs or of a table of items, as rows of embedding tables or as numbers.
//
// A feature is learnt from the training log (or the table of items) and applied as it is to every other log. Whole
// numbers, booleans and texts are categories: row 1, 2, ... of a table in order of first appearance (or 1 + hash mod
// buckets), row 0 for missing and unknown values. Other numbers are standardised; missing ones become 0.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/id_index.hpp"

namespace neume::data {

/// The inputs that a sample carries, in their order: those of the logs, then those of the items.
struct FeatureLayout {
  /// A categorical feature: its values are rows of a table. Row 0 stands for missing and unknown values.
  struct Category {
    std::string name;
    std::size_t rows = 0;
  };
  std::vector<Category> categories;
  std::vector<std::string> numbers;  ///< standardised by the training log's mean and deviation; missing values are 0

  bool empty() const { return categories.empty() && numbers.empty(); }
};

/// Where a feature's values come from: `COLUMN` or `NAME=EXPRESSION` of the logs, `NAME=FILE:EXPRESSION` of the items.
struct FeatureSpec {
  std::string name;
  std::string file;        ///< a table of items; empty: the logs
  std::string expression;  ///< a column or SQL over the columns

  /// Throws InvalidArgument for an empty name, one with other characters than letters, digits and _ - ., no expression.
  static FeatureSpec parse(const std::string& text);
};

enum class FeatureKind { category, number };

/// A feature and what was learnt of its values.
struct Feature {
  FeatureSpec spec;
  FeatureKind kind = FeatureKind::category;
  std::size_t buckets = 0;  ///< 0: a row for every value of training
  IdIndex values;           ///< row of a category less 1; empty where hashed
  double mean = 0.0;
  double deviation = 1.0;

  /// Rows of a category's table, row 0 included.
  std::size_t rows() const { return 1 + (buckets > 0 ? buckets : values.size()); }

  /// Row of a value; 0 where it is unknown.
  std::uint32_t row_of(std::int64_t value) const;
  std::uint32_t row_of(std::string_view value) const;
  /// Row of a value, which is learnt where it is new.
  std::uint32_t learn(std::int64_t value);
  std::uint32_t learn(std::string_view value);

  /// Mean and deviation (population; 1 where all values are equal) of the values that are not NaN.
  /// `values` holds one every `stride`.
  void learn_scale(std::span<const double> values, std::size_t stride);
  /// (value - mean) / deviation; 0 for NaN, which stands for missing.
  float standardised(double value) const;
};

/// How many inputs of either kind some features make.
struct InputCounts {
  std::size_t categories = 0;
  std::size_t numbers = 0;
};
InputCounts count_inputs(std::span<const Feature> features);

/// The features of one ranker: those of the logs, whose values every log carries (Interactions::categories, numbers),
/// and those of the items with their values.
class FeatureSet {
 public:
  FeatureSet() = default;
  /// Nothing is learnt yet: read_interactions() does it for the log features, read_items() for the others. `buckets`:
  /// rows that categories are hashed into; 0: none. Throws InvalidArgument as FeatureSpec::parse, and for a name twice.
  FeatureSet(std::span<const std::string> texts, std::size_t buckets);

  bool empty() const { return log_.empty() && items_.empty(); }
  const std::vector<Feature>& log_features() const { return log_; }
  const std::vector<Feature>& item_features() const { return items_; }
  bool knows_log() const { return knows_log_; }
  /// Puts what a reading of the training log has learnt in place.
  void set_log_features(std::vector<Feature> learnt);

  /// Reads and learns the values of item features for the catalogue `items`. Statistics are those of the catalogue's
  /// items. Throws DataError for a missing file or column, an expression that does not parse or whose type is no
  /// feature, a null or repeated item id, an infinite number, a table without any item of the catalogue.
  void read_items(const IdIndex& items, const std::string& item_column);

  /// Valid once everything is learnt.
  const FeatureLayout& layout() const { return layout_; }
  InputCounts log_inputs() const { return count_inputs(log_); }

  /// Appends the log's share of a sample about which no log tells: row 0, 0.0.
  void append_unknown_log(std::vector<std::uint32_t>& categories, std::vector<float>& numbers) const;
  /// Appends the items' share of a sample.
  void append_item(std::size_t item, std::vector<std::uint32_t>& categories, std::vector<float>& numbers) const;

  /// features.json, and features.safetensors where there are item features (docs/formats/ranker.md).
  void save(const std::filesystem::path& json, const std::filesystem::path& item_values) const;
  /// Throws DataError with the path for files that are missing, broken, or of another catalogue than `num_items` rows.
  static FeatureSet load(const std::filesystem::path& json, const std::filesystem::path& item_values,
                         std::size_t num_items);

  /// Hash of all that was learnt, item values included.
  std::string fingerprint() const;

 private:
  std::string to_json() const;
  void update_layout();

  std::vector<Feature> log_;
  std::vector<Feature> items_;
  bool knows_log_ = false;
  std::vector<std::uint32_t> item_categories_;  // items x categorical item features
  std::vector<float> item_numbers_;             // items x numeric item features
  FeatureLayout layout_;
};

}  // namespace neume::data
