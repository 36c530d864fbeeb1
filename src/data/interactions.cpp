#include "data/interactions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <neume/error.hpp>

#include "data/feature_columns.hpp"
#include "data/features.hpp"
#include "data/table_source.hpp"

namespace neume::data {

namespace {

constexpr const char* kUserAdvice = "name the user column with --user-column";
constexpr const char* kItemAdvice = "name the item column with --item-column";
constexpr const char* kTimeAdvice = "name the time column with --timestamp-column";
constexpr double kMicroseconds = 1e6;

/// A column of the query and how its values become ours.
struct TimeColumn {
  enum class Kind { as_is, seconds, moment };
  std::string name;
  std::string expression;
  Kind kind = Kind::as_is;
};

std::optional<TimeColumn> time_column(const TableSource& table, const std::string& wanted) {
  const TableColumn* column = wanted.empty() ? table.find("timestamp") : &table.column(wanted, kTimeAdvice);
  if (column == nullptr) return std::nullopt;
  const std::string quoted = sql_name(column->name);
  const auto as = [&](const char* type) { return fmt::format("CAST({} AS {})", quoted, type); };
  using Kind = TimeColumn::Kind;
  if (column->is_integer() || column->is_wide_integer()) return TimeColumn{column->name, as("BIGINT"), Kind::as_is};
  if (column->is_number()) return TimeColumn{column->name, as("DOUBLE"), Kind::seconds};
  // A time with a zone is stored as microseconds UTC; casting it would ask for the session's zone.
  if (column->type == "TIMESTAMP WITH TIME ZONE") return TimeColumn{column->name, quoted, Kind::moment};
  if (column->type == "DATE" || column->type.starts_with("TIMESTAMP")) {
    return TimeColumn{column->name, as("TIMESTAMP"), Kind::moment};
  }
  throw DataError(fmt::format("{}: column {}: expected a number, a date or a timestamp, found {}; convert it before",
                              table.path(), column->name, column->type));
}

struct LabelColumn {
  std::string name;
  std::string expression;  ///< gives DOUBLE
};

std::optional<LabelColumn> label_column(TableSource& table, const std::string& wanted) {
  const TableColumn* column = table.find(wanted.empty() ? "label" : wanted);
  if (column == nullptr && wanted.empty()) return std::nullopt;
  const std::string name = column == nullptr ? wanted : column->name;
  const std::string expression = column == nullptr ? wanted : sql_name(column->name);
  const TableColumn result = table.describe(expression);
  if (result.type != "BOOLEAN" && !result.is_number()) {
    throw DataError(
        fmt::format("{}: label {}: expected a boolean or 0/1, found {}; give an expression such as "
                    "--label \"rating >= 4\"",
                    table.path(), name, result.type));
  }
  return LabelColumn{name, fmt::format("CAST(({}\n) AS DOUBLE)", expression)};
}

/// The columns of one log, found and typed.
struct LogColumns {
  static constexpr std::size_t kCount = 4;

  IdColumn user;
  IdColumn item;
  std::optional<TimeColumn> time;
  std::optional<LabelColumn> label;

  LogColumns(TableSource& table, const InteractionOptions& options)
      : user(IdColumn::of(table, options.user_column, kUserAdvice)),
        item(IdColumn::of(table, options.item_column, kItemAdvice)),
        time(time_column(table, options.timestamp_column)),
        label(label_column(table, options.label)) {}

  std::string select_list() const {
    return fmt::format("{}, {}, {}, {}", user.expression, item.expression, time ? time->expression : "0",
                       label ? label->expression : "0");
  }
};

/// The log features of a reading: their values so far.
class LogFeatures {
 public:
  LogFeatures(TableSource& table, const LogReading& reading)
      : columns_(table, reading.features->log_features(), !reading.features->knows_log()),
        row_categories_(columns_.counts().categories),
        row_numbers_(columns_.counts().numbers),
        categories_(reading.spill),
        numbers_(reading.spill) {}

  FeatureColumns& columns() { return columns_; }
  const FeatureColumns& columns() const { return columns_; }

  void add_row(std::size_t i) {
    columns_.read_row(i, row_categories_, row_numbers_);
    categories_.append(row_categories_);
    numbers_.append(row_numbers_);
  }

  /// Puts the values into `log`, numbers standardised.
  void finish(Interactions& log) {
    columns_.learn_scales(numbers_);
    std::vector<Feature> scales;
    for (const Feature& feature : columns_.features()) {
      if (feature.kind == FeatureKind::number) scales.push_back(feature);
    }
    log.categories = std::move(categories_);
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      log.numbers.push_back(scales[i % scales.size()].standardised(numbers_[i]));
    }
  }

 private:
  FeatureColumns columns_;
  std::vector<std::uint32_t> row_categories_;
  std::vector<double> row_numbers_;
  base::SpillVector<std::uint32_t> categories_;
  base::SpillVector<double> numbers_;
};

/// Walks the rows of a log. Users get rows of an index of their own first, so that a log that turns out to be wrong
/// leaves the caller's index as it was.
class LogReader {
 public:
  LogReader(TableSource& table, const LogColumns& columns, const IdIndex& items, OnUnknownItem on_unknown_item,
            const LogReading& reading)
      : table_(table), columns_(columns), items_(items), on_unknown_item_(on_unknown_item), log_(reading.spill) {
    if (reading.features != nullptr && !reading.features->log_features().empty()) features_.emplace(table, reading);
  }

  std::string select_list() const {
    return columns_.select_list() + (features_ ? features_->columns().select_list() : "");
  }

  void add(const QueryRows& rows) {
    if (features_) features_->columns().begin_chunk(rows, LogColumns::kCount);
    const ColumnView user = rows.column(0);
    const ColumnView item = rows.column(1);
    const ColumnView times = rows.column(2);
    const ColumnView labels = rows.column(3);
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      row_ = rows.first_row() + i;
      if (!user.is_valid(i)) fail_null(columns_.user.name, "a user id");
      if (!item.is_valid(i)) fail_null(columns_.item.name, "an item id");
      // Time and label are looked at even where the row is skipped: a broken log is broken whatever the catalogue.
      const std::int64_t time = columns_.time ? time_of(times, i) : 0;
      const std::uint8_t label = columns_.label ? label_of(labels, i) : 0;
      const auto item_row =
          columns_.item.is_text ? items_.find(item.text(i)) : items_.find(item.values<std::int64_t>()[i]);
      if (!item_row) {
        if (on_unknown_item_ == OnUnknownItem::error) fail_unknown(item, i);
        ++log_.num_skipped;
        continue;
      }
      log_.items.push_back(*item_row);
      log_.users.push_back(columns_.user.is_text ? users_.find_or_add(user.text(i))
                                                 : users_.find_or_add(user.values<std::int64_t>()[i]));
      if (columns_.time) log_.timestamps.push_back(time);
      if (columns_.label) log_.labels.push_back(label);
      if (features_) features_->add_row(i);
    }
  }

  /// Ends the reading: users go into the caller's index, what was learnt of features into `set`.
  Interactions finish(IdIndex& users, FeatureSet* set) {
    if (log_.size() + log_.num_skipped == 0) {
      throw DataError(fmt::format("{}: the table is empty: expected at least one row", table_.path()));
    }
    if (log_.size() == 0) {
      throw DataError(
          fmt::format("{}: nothing is left: the items of all {} rows are unknown; are log and semantic IDs of "
                      "the same catalogue, and is {} the item column?",
                      table_.path(), log_.num_skipped, columns_.item.name));
    }
    if (features_) features_->finish(log_);
    if (users.size() == 0) {
      users = std::move(users_);
    } else {
      const std::vector<std::uint32_t> row_of = add_users(users);
      for (auto& user : log_.users) user = row_of[user];
    }
    if (features_ && !set->knows_log()) set->set_log_features(features_->columns().features());
    return std::move(log_);
  }

 private:
  std::string place(const std::string& column) const {
    return fmt::format("{}: column {}: row {} (0-based)", table_.path(), column, row_);
  }

  [[noreturn]] void fail_null(const std::string& column, const char* expected) const {
    throw DataError(fmt::format("{}: expected {}, found null", place(column), expected));
  }

  [[noreturn]] void fail_unknown(const ColumnView& item, std::size_t i) const {
    const std::string id =
        columns_.item.is_text ? std::string(item.text(i)) : std::to_string(item.values<std::int64_t>()[i]);
    throw DataError(
        fmt::format("{}: expected an item of the catalogue, found the unknown item {}; skip such rows with "
                    "--on-unknown-item skip",
                    place(columns_.item.name), id));
  }

  std::int64_t time_of(const ColumnView& column, std::size_t i) const {
    const TimeColumn& time = *columns_.time;
    if (!column.is_valid(i)) fail_null(time.name, "a time");
    if (time.kind == TimeColumn::Kind::seconds) {
      const double value = column.values<double>()[i];
      const double microseconds = std::nearbyint(value * kMicroseconds);
      if (!(std::abs(microseconds) < 0x1p63)) {
        throw DataError(fmt::format("{}: expected a time in seconds, found {}; write the times as integers",
                                    place(time.name), value));
      }
      return static_cast<std::int64_t>(microseconds);
    }
    const std::int64_t value = column.values<std::int64_t>()[i];
    constexpr std::int64_t kInfinity = std::numeric_limits<std::int64_t>::max();
    if (time.kind == TimeColumn::Kind::moment && (value == kInfinity || value == -kInfinity)) {
      throw DataError(fmt::format("{}: expected a date or time, found infinity", place(time.name)));
    }
    return value;
  }

  std::uint8_t label_of(const ColumnView& column, std::size_t i) const {
    if (!column.is_valid(i)) fail_null(columns_.label->name, "a label");
    const double value = column.values<double>()[i];
    if (value != 0.0 && value != 1.0) {
      throw DataError(
          fmt::format("{}: expected a boolean or 0/1, found {}; give an expression such as --label \"{} >= 4\"",
                      place(columns_.label->name), value, columns_.label->name));
    }
    return static_cast<std::uint8_t>(value);
  }

  /// Adds the log's users to the caller's index; returns their rows there.
  std::vector<std::uint32_t> add_users(IdIndex& users) const {
    const ItemIds& found = users_.ids();
    std::vector<std::uint32_t> row_of(found.size());
    if (found.is_text()) {
      for (const auto& id : found.texts()) {
        if (users.can_hold(id)) continue;
        throw DataError(fmt::format("{}: column {}: expected integer user ids as read before, found \"{}\"",
                                    table_.path(), columns_.user.name, id));
      }
    }
    for (std::size_t i = 0; i < row_of.size(); ++i) row_of[i] = users.find_or_add(found, i);
    return row_of;
  }

  const TableSource& table_;
  const LogColumns& columns_;
  const IdIndex& items_;
  OnUnknownItem on_unknown_item_;
  IdIndex users_;
  Interactions log_;
  std::optional<LogFeatures> features_;
  std::size_t row_ = 0;
};

}  // namespace

Interactions read_interactions(const std::string& source, const IdIndex& items, IdIndex& users,
                               const InteractionOptions& options, const LogReading& reading) {
  const SourcePath path = SourcePath::parse(source);
  if (!path.expression.empty()) {
    throw InvalidArgument(fmt::format("{}: a log is a whole table, found the column :{}; name columns with options",
                                      path.path, path.expression));
  }
  return read_table(path, [&](TableSource& table) {
    const LogColumns columns(table, options);
    LogReader reader(table, columns, items, options.on_unknown_item, reading);
    QueryRows rows = table.select(reader.select_list());
    while (rows.next()) reader.add(rows);
    return reader.finish(users, reading.features);
  });
}

namespace {

/// Walks the rows of a label table.
class LabelReader {
 public:
  LabelReader(const TableSource& table, const IdColumn& id, const IdIndex& items)
      : table_(table), id_(id), items_(items) {
    labels_.of_item.assign(items.size(), ItemLabels::kNone);
    row_of_item_.assign(items.size(), kNoRow);
  }

  void add(const QueryRows& rows) {
    const ColumnView id = rows.column(0);
    const ColumnView label = rows.column(1);
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      const std::size_t row = rows.first_row() + i;
      if (!id.is_valid(i)) {
        throw DataError(fmt::format("{}: column {}: row {} (0-based): expected an item id, found null", table_.path(),
                                    id_.name, row));
      }
      const auto item = id_.is_text ? items_.find(id.text(i)) : items_.find(id.values<std::int64_t>()[i]);
      if (!item) continue;
      if (row_of_item_[*item] != kNoRow) {
        throw DataError(
            fmt::format("{}: column {}: item {} occurs twice: in rows {} and {} (0-based); expected every "
                        "item once",
                        table_.path(), id_.name, items_.ids().name(*item), row_of_item_[*item], row));
      }
      row_of_item_[*item] = row;
      if (label.is_valid(i)) labels_.of_item[*item] = names_.find_or_add(label.text(i));
    }
    num_rows_ = rows.first_row() + rows.num_rows();
  }

  ItemLabels finish() {
    if (num_rows_ == 0)
      throw DataError(fmt::format("{}: the table is empty: expected at least one row", table_.path()));
    if (names_.size() == 0) {
      throw DataError(fmt::format("{}: no item of the catalogue has a label here; is {} the item column?",
                                  table_.path(), id_.name));
    }
    labels_.names = names_.ids().texts();
    return std::move(labels_);
  }

 private:
  static constexpr std::size_t kNoRow = std::numeric_limits<std::size_t>::max();

  const TableSource& table_;
  const IdColumn& id_;
  const IdIndex& items_;
  IdIndex names_;
  ItemLabels labels_;
  std::vector<std::size_t> row_of_item_;
  std::size_t num_rows_ = 0;
};

/// Reads one text an item. `to_text` makes SQL that gives it from the SQL of the source's expression.
template <class ToText>
ItemLabels read_text_of_items(const std::string& source, const IdIndex& items, const std::string& item_column,
                              const ToText& to_text) {
  const SourcePath path = SourcePath::parse(source);
  if (path.expression.empty()) {
    throw InvalidArgument(fmt::format("{}: which column holds the labels? Write {}:COLUMN (or any SQL expression)",
                                      path.path, path.path));
  }
  return read_table(path, [&](TableSource& table) {
    const IdColumn id = IdColumn::of(table, item_column, kItemAdvice);
    const TableColumn* column = table.find(path.expression);
    const std::string expression = column == nullptr ? path.expression : sql_name(column->name);
    LabelReader reader(table, id, items);
    QueryRows rows = table.select(fmt::format("{}, {}", id.expression, to_text(table, expression)));
    while (rows.next()) reader.add(rows);
    return reader.finish();
  });
}

constexpr char kBetweenTags = '\x1f';  // what stands between the tags of a list while it is one text

std::vector<std::string> split_tags(const std::string& text) {
  const bool is_list = text.find(kBetweenTags) != std::string::npos;
  std::vector<std::string> tags;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.size(), text.find(is_list ? kBetweenTags : ',', begin));
    const std::size_t first = text.find_first_not_of(" \t", begin);
    if (first < end) tags.push_back(text.substr(first, text.find_last_not_of(" \t", end - 1) + 1 - first));
    begin = end + 1;
  }
  return tags;
}

}  // namespace

ItemLabels read_item_labels(const std::string& source, const IdIndex& items, const std::string& item_column) {
  return read_text_of_items(source, items, item_column, [](TableSource&, const std::string& expression) {
    return fmt::format("CAST(({}\n) AS VARCHAR)", expression);
  });
}

ItemTags read_item_tags(const std::string& source, const IdIndex& items, const std::string& item_column) {
  // A list ends with a separator, so that a single tag with a comma in it stays whole.
  const ItemLabels joined =
      read_text_of_items(source, items, item_column, [](TableSource& table, const std::string& expression) {
        if (!table.describe(expression).is_list()) return fmt::format("CAST(({}\n) AS VARCHAR)", expression);
        return fmt::format("array_to_string(CAST(({}\n) AS VARCHAR[]), chr(31)) || chr(31)", expression);
      });
  IdIndex names;
  std::vector<std::vector<std::uint32_t>> tags_of_text(joined.names.size());
  for (std::size_t t = 0; t < joined.names.size(); ++t) {
    for (const std::string& tag : split_tags(joined.names[t])) {
      const auto index = names.find_or_add(tag);
      if (std::ranges::count(tags_of_text[t], index) == 0) tags_of_text[t].push_back(index);
    }
  }
  ItemTags tags;
  tags.offsets.push_back(0);
  for (const std::uint32_t text : joined.of_item) {
    if (text != ItemLabels::kNone)
      tags.tags.insert(tags.tags.end(), tags_of_text[text].begin(), tags_of_text[text].end());
    tags.offsets.push_back(tags.tags.size());
  }
  tags.names = names.ids().size() == 0 ? std::vector<std::string>{} : names.ids().texts();
  return tags;
}

}  // namespace neume::data
