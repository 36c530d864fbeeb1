#include "data/features.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/feature_columns.hpp"
#include "data/safetensors.hpp"
#include "data/table_source.hpp"

namespace neume::data {

namespace {

using nlohmann::json;

constexpr int kFeaturesVersion = 1;
constexpr const char* kItemCategories = "item_categories";
constexpr const char* kItemNumbers = "item_numbers";

bool is_name(const std::string& text) {
  const auto allowed = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) != 0 || c == '_' || c == '-' || c == '.' || byte >= 0x80;
  };
  return !text.empty() && std::ranges::all_of(text, allowed);
}

/// The row behind row 0 that a value's text is hashed into.
std::uint32_t hashed_row(std::string_view text, std::size_t buckets) {
  return static_cast<std::uint32_t>(1 + base::hash64(std::as_bytes(std::span(text))) % buckets);
}

}  // namespace

FeatureSpec FeatureSpec::parse(const std::string& text) {
  const std::size_t equals = text.find('=');
  FeatureSpec spec{text.substr(0, equals), "", equals == std::string::npos ? text : text.substr(equals + 1)};
  if (!is_name(spec.name)) {
    throw InvalidArgument(
        fmt::format("feature \"{}\": expected COLUMN, NAME=EXPRESSION or NAME=FILE:EXPRESSION, with a "
                    "name of letters, digits and _ - .; found the name \"{}\"",
                    text, spec.name));
  }
  // What follows a known file extension and a ':' is the expression; `column.json::VARCHAR` is a cast.
  const auto source = equals == std::string::npos ? std::nullopt : SourcePath::find(spec.expression);
  if (source && !source->expression.starts_with(':')) {
    spec.file = source->path;
    spec.expression = source->expression;
  }
  if (spec.expression.find_first_not_of(" \t\n") == std::string::npos) {
    throw InvalidArgument(fmt::format("feature \"{}\": which column? Write {}={}", text, spec.name,
                                      spec.file.empty() ? "EXPRESSION" : spec.file + ":COLUMN"));
  }
  return spec;
}

std::uint32_t Feature::row_of(std::int64_t value) const {
  if (buckets > 0) return row_of(std::string_view(fmt::format_int(value).c_str()));
  const auto row = values.find(value);
  return row ? *row + 1 : 0;
}

std::uint32_t Feature::row_of(std::string_view value) const {
  if (buckets > 0) return hashed_row(value, buckets);
  const auto row = values.find(value);
  return row ? *row + 1 : 0;
}

std::uint32_t Feature::learn(std::int64_t value) {
  return buckets > 0 ? row_of(value) : values.find_or_add(value) + 1;
}

std::uint32_t Feature::learn(std::string_view value) {
  return buckets > 0 ? row_of(value) : values.find_or_add(value) + 1;
}

void Feature::learn_scale(std::span<const double> numbers, std::size_t stride) {
  double sum = 0.0;
  std::size_t count = 0;
  const auto for_each_number = [&](const auto& act) {
    for (std::size_t i = 0; i < numbers.size(); i += stride) {
      if (!std::isnan(numbers[i])) act(numbers[i]);
    }
  };
  for_each_number([&](double value) {
    sum += value;
    ++count;
  });
  mean = count > 0 ? sum / static_cast<double>(count) : 0.0;
  double squares = 0.0;
  for_each_number([&](double value) { squares += (value - mean) * (value - mean); });
  deviation = count > 0 ? std::sqrt(squares / static_cast<double>(count)) : 0.0;
  // A sum of equal numbers may miss their mean by its rounding; what is left then is no deviation.
  constexpr double kRounding = 1e-12;
  if (!(deviation > kRounding * std::abs(mean))) deviation = 1.0;
}

float Feature::standardised(double value) const {
  return std::isnan(value) ? 0.0f : static_cast<float>((value - mean) / deviation);
}

InputCounts count_inputs(std::span<const Feature> features) {
  InputCounts counts;
  for (const Feature& feature : features) {
    ++(feature.kind == FeatureKind::category ? counts.categories : counts.numbers);
  }
  return counts;
}

FeatureSet::FeatureSet(std::span<const std::string> texts, std::size_t buckets) {
  std::vector<std::string> names;
  for (const std::string& text : texts) {
    Feature feature;
    feature.spec = FeatureSpec::parse(text);
    feature.buckets = buckets;
    if (std::ranges::find(names, feature.spec.name) != names.end()) {
      throw InvalidArgument(fmt::format("two features are called {}; give one another name: NAME={}", feature.spec.name,
                                        feature.spec.expression));
    }
    names.push_back(feature.spec.name);
    (feature.spec.file.empty() ? log_ : items_).push_back(std::move(feature));
  }
  knows_log_ = log_.empty();
}

void FeatureSet::set_log_features(std::vector<Feature> learnt) {
  log_ = std::move(learnt);
  knows_log_ = true;
  update_layout();
}

namespace {

/// One item feature with its values, one an item.
struct ItemColumn {
  Feature feature;
  std::vector<std::uint32_t> rows;  // of a category
  std::vector<double> numbers;      // NaN where missing
};

ItemColumn read_item_column(TableSource& table, const Feature& feature, const IdIndex& items, const IdColumn& id) {
  FeatureColumns columns(table, {feature}, true);
  ItemColumn result;
  result.rows.assign(columns.counts().categories * items.size(), 0);
  result.numbers.assign(columns.counts().numbers * items.size(), std::numeric_limits<double>::quiet_NaN());
  constexpr std::size_t kNoRow = ~std::size_t{0};
  std::vector<std::size_t> row_of_item(items.size(), kNoRow);
  bool any = false;
  QueryRows rows = table.select(id.expression + columns.select_list());
  while (rows.next()) {
    columns.begin_chunk(rows, 1);
    const ColumnView ids = rows.column(0);
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      const std::size_t row = rows.first_row() + i;
      if (!ids.is_valid(i)) {
        throw DataError(fmt::format("{}: column {}: row {} (0-based): expected an item id, found null", table.path(),
                                    id.name, row));
      }
      const auto item = id.is_text ? items.find(ids.text(i)) : items.find(ids.values<std::int64_t>()[i]);
      if (!item) continue;
      if (row_of_item[*item] != kNoRow) {
        throw DataError(
            fmt::format("{}: column {}: item {} occurs twice: in rows {} and {} (0-based); expected every "
                        "item once",
                        table.path(), id.name, items.ids().name(*item), row_of_item[*item], row));
      }
      row_of_item[*item] = row;
      any = true;
      columns.read_row(i, std::span(result.rows).subspan(result.rows.empty() ? 0 : *item),
                       std::span(result.numbers).subspan(result.numbers.empty() ? 0 : *item));
    }
  }
  if (!any) {
    throw DataError(fmt::format("{}: feature {}: no row is of an item of the catalogue; is {} the item column?",
                                table.path(), feature.spec.name, id.name));
  }
  columns.learn_scales(result.numbers);
  result.feature = columns.features()[0];
  return result;
}

}  // namespace

void FeatureSet::read_items(const IdIndex& items, const std::string& item_column) {
  std::vector<ItemColumn> columns;
  for (const Feature& feature : items_) {
    columns.push_back(read_table(SourcePath::parse(feature.spec.file), [&](TableSource& table) {
      const IdColumn id = IdColumn::of(table, item_column, "name the item column with --item-column");
      return read_item_column(table, feature, items, id);
    }));
  }
  item_categories_.clear();
  item_numbers_.clear();
  for (std::size_t item = 0; item < items.size(); ++item) {
    for (const ItemColumn& column : columns) {
      if (column.feature.kind == FeatureKind::category) {
        item_categories_.push_back(column.rows[item]);
      } else {
        item_numbers_.push_back(column.feature.standardised(column.numbers[item]));
      }
    }
  }
  for (std::size_t f = 0; f < columns.size(); ++f) items_[f] = std::move(columns[f].feature);
  update_layout();
}

void FeatureSet::update_layout() {
  layout_ = {};
  for (const auto* features : {&log_, &items_}) {
    for (const Feature& feature : *features) {
      if (feature.kind == FeatureKind::category) {
        layout_.categories.push_back({feature.spec.name, feature.rows()});
      } else {
        layout_.numbers.push_back(feature.spec.name);
      }
    }
  }
}

void FeatureSet::append_unknown_log(std::vector<std::uint32_t>& categories, std::vector<float>& numbers) const {
  const InputCounts counts = log_inputs();
  categories.insert(categories.end(), counts.categories, 0);
  numbers.insert(numbers.end(), counts.numbers, 0.0f);
}

void FeatureSet::append_item(std::size_t item, std::vector<std::uint32_t>& categories,
                             std::vector<float>& numbers) const {
  const InputCounts counts = count_inputs(items_);
  const auto category = std::span(item_categories_).subspan(item * counts.categories, counts.categories);
  const auto number = std::span(item_numbers_).subspan(item * counts.numbers, counts.numbers);
  categories.insert(categories.end(), category.begin(), category.end());
  numbers.insert(numbers.end(), number.begin(), number.end());
}

namespace {

json feature_to_json(const Feature& feature) {
  json out{{"name", feature.spec.name}, {"expression", feature.spec.expression}};
  if (!feature.spec.file.empty()) out["file"] = feature.spec.file;
  if (feature.kind == FeatureKind::number) {
    out.update({{"kind", "number"}, {"mean", feature.mean}, {"deviation", feature.deviation}});
    return out;
  }
  out["kind"] = "category";
  const ItemIds& values = feature.values.ids();
  if (feature.buckets > 0) {
    out["buckets"] = feature.buckets;
  } else if (values.size() == 0) {
    out["values"] = json::array();
  } else if (values.is_text()) {
    out["values"] = values.texts();
  } else {
    out["values"] = values.integers();
  }
  return out;
}

Feature feature_from_json(const json& in) {
  Feature feature;
  in.at("name").get_to(feature.spec.name);
  in.at("expression").get_to(feature.spec.expression);
  feature.spec.file = in.value("file", "");
  if (in.at("kind") == "number") {
    feature.kind = FeatureKind::number;
    in.at("mean").get_to(feature.mean);
    in.at("deviation").get_to(feature.deviation);
    if (!(feature.deviation > 0)) throw DataError("a deviation is not positive");
    return feature;
  }
  if (in.at("kind") != "category") throw DataError(fmt::format("unknown kind {}", in.at("kind").dump()));
  if (in.contains("buckets")) {
    in.at("buckets").get_to(feature.buckets);
    if (feature.buckets == 0) throw DataError("0 buckets");
    return feature;
  }
  const json& values = in.at("values");
  if (!values.empty()) {
    feature.values = values[0].is_string() ? IdIndex(ItemIds(values.get<ItemIds::Texts>()))
                                           : IdIndex(ItemIds(values.get<ItemIds::Integers>()));
  }
  return feature;
}

/// A matrix of one row an item; empty where there is no such tensor because there are no columns.
template <class T>
std::vector<T> read_item_values(const SafetensorsFile& file, const char* name, std::size_t rows, std::size_t cols) {
  std::vector<T> values(rows * cols);
  if (cols == 0) return values;
  if (file.shape(name) != std::vector<std::size_t>{rows, cols}) {
    throw DataError(fmt::format("tensor {}: expected {} x {}, found another shape", name, rows, cols));
  }
  file.read(name, std::span<T>(values));
  return values;
}

}  // namespace

std::string FeatureSet::to_json() const {
  json out{
      {"format", "neume-features"}, {"version", kFeaturesVersion}, {"log", json::array()}, {"items", json::array()}};
  for (const Feature& feature : log_) out["log"].push_back(feature_to_json(feature));
  for (const Feature& feature : items_) out["items"].push_back(feature_to_json(feature));
  return out.dump(1) + "\n";
}

void FeatureSet::save(const std::filesystem::path& json_path, const std::filesystem::path& item_values) const {
  base::write_file(json_path, to_json());
  if (items_.empty()) return;
  const InputCounts counts = count_inputs(items_);
  std::vector<TensorView> tensors;
  if (counts.categories > 0) {
    tensors.push_back(
        tensor_of(kItemCategories, {item_categories_.size() / counts.categories, counts.categories}, item_categories_));
  }
  if (counts.numbers > 0) {
    tensors.push_back(tensor_of(kItemNumbers, {item_numbers_.size() / counts.numbers, counts.numbers}, item_numbers_));
  }
  write_safetensors(item_values, tensors, {});
}

FeatureSet FeatureSet::load(const std::filesystem::path& json_path, const std::filesystem::path& item_values,
                            std::size_t num_items) {
  FeatureSet set;
  try {
    const json in = json::parse(base::read_file(json_path));
    if (in.at("format") != "neume-features" || in.at("version") != kFeaturesVersion) {
      throw DataError(fmt::format("expected neume-features of version {}, found {} of version {}", kFeaturesVersion,
                                  in.at("format").dump(), in.at("version").dump()));
    }
    for (const json& feature : in.at("log")) set.log_.push_back(feature_from_json(feature));
    for (const json& feature : in.at("items")) set.items_.push_back(feature_from_json(feature));
  } catch (const std::exception& error) {
    throw DataError(fmt::format("{}: not the features of a ranker: {}; train again", json_path.string(), error.what()));
  }
  set.knows_log_ = true;
  set.update_layout();
  if (set.items_.empty()) return set;
  const SafetensorsFile file(item_values);
  const InputCounts counts = count_inputs(set.items_);
  try {
    set.item_categories_ = read_item_values<std::uint32_t>(file, kItemCategories, num_items, counts.categories);
    set.item_numbers_ = read_item_values<float>(file, kItemNumbers, num_items, counts.numbers);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", item_values.string(), error.what()));
  }
  return set;
}

std::string FeatureSet::fingerprint() const {
  const std::string parts = to_json() + base::fingerprint(std::as_bytes(std::span(item_categories_))) +
                            base::fingerprint(std::as_bytes(std::span(item_numbers_)));
  return base::fingerprint(std::as_bytes(std::span(parts)));
}

}  // namespace neume::data
