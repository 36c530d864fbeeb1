#pragma once
// Listening logs: who met which item, when, and whether it was liked.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <neume/options.hpp>

#include "base/spill_vector.hpp"
#include "data/id_index.hpp"

namespace neume::data {

class FeatureSet;

enum class OnUnknownItem { error, skip };
inline constexpr ChoiceNames<2> kOnUnknownItemNames{"error", "skip"};

/// How the columns of a log are called. `label` is any SQL expression over its columns.
struct InteractionOptions {
  std::string user_column = "user_id";
  std::string item_column = "item_id";
  std::string timestamp_column;  ///< empty: `timestamp` if the table has it, else no time
  std::string label;             ///< empty: `label` if the table has it, else every row is a positive
  OnUnknownItem on_unknown_item = OnUnknownItem::error;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.text("item-column", item_column, "column of the item id");
    describe_but_items(visit);
  }

  /// All but the item column, for those who name it once for logs and items.
  template <class Visitor>
  void describe_but_items(Visitor&& visit) {
    visit.text("user-column", user_column, "column of the user id");
    visit.text("timestamp-column", timestamp_column,
               "column of the time (number, date or timestamp); default: timestamp if there is one");
    visit.text("label", label,
               "SQL expression that is true for a positive, e.g. \"rating >= 4\"; default: label if there is one");
    visit.choice("on-unknown-item", on_unknown_item, kOnUnknownItemNames,
                 "what to do with a row whose item has no semantic ID row");
  }
};

/// Rows of a log in file order, ids replaced by dense rows. A long log lies on disk (base::SpillVector).
struct Interactions {
  Interactions() = default;
  /// Each column follows `policy`.
  explicit Interactions(const base::SpillPolicy& policy)
      : users(policy), items(policy), timestamps(policy), labels(policy), categories(policy), numbers(policy) {}

  base::SpillVector<std::uint32_t> users;  ///< row in the user index
  base::SpillVector<std::uint32_t> items;  ///< row in the item index
  /// Empty where the log has no time; otherwise one a row. Integers stand as they are; dates and timestamps are
  /// microseconds since 1970-01-01 UTC; fractional numbers are taken as seconds and rounded to microseconds, which
  /// keeps their order to that precision. Logs that are used together should write time in one way.
  base::SpillVector<std::int64_t> timestamps;
  base::SpillVector<std::uint8_t> labels;  ///< empty where the log has no labels; otherwise 0 or 1
  /// Values of the features that were read with the log (data/features.hpp), row by row: rows of tables, and
  /// standardised numbers. Empty where none were asked for.
  base::SpillVector<std::uint32_t> categories;
  base::SpillVector<float> numbers;
  std::size_t num_skipped = 0;  ///< rows left out because their item is unknown

  std::size_t size() const { return users.size(); }
  bool has_time() const { return !timestamps.empty(); }
  bool has_labels() const { return !labels.empty(); }
};

/// What else a reading is told.
struct LogReading {
  base::SpillPolicy spill;  ///< a log with more rows than this lies in files; the default keeps every log in memory
  /// Whose log features to read; a set that knows none yet learns them from the rows of this log that are kept, one
  /// that does is applied as it is. nullptr: none.
  FeatureSet* features = nullptr;
};

/// Reads a log (Parquet, CSV, TSV, JSON; globs allowed). New users are added to `users`, in order of appearance in rows
/// that are kept. Throws DataError for a missing file or column, a null id, time or label (with its row, 0-based), a
/// label expression that is not boolean or 0/1 or does not parse, an unknown item (with its row and id, unless
/// skipped), an empty table, a table of which nothing is left, no room where the log is kept, a feature's column that
/// is missing, of a wrong type or infinite; `users` and the features are then as they were. Throws InvalidArgument for
/// a source that is no table or names a column. Memory or disk: 17 bytes a row, 4 a category, 12 a number; memory:
/// about 20 bytes a user.
Interactions read_interactions(const std::string& source, const IdIndex& items, IdIndex& users,
                               const InteractionOptions& options, const LogReading& reading = {});

/// A label a catalogue item, for judging semantic IDs.
struct ItemLabels {
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  std::vector<std::string> names;      ///< distinct labels, in order of first appearance
  std::vector<std::uint32_t> of_item;  ///< index into names, or kNone where the table has no row or a null label
};

/// Reads SOURCE = `file:EXPRESSION` (a column or any SQL expression over the table's columns, cast to text). Rows of
/// items that are not in `items` are passed over. Throws DataError for a missing file or column, an expression that
/// does not parse, a null id, an item that occurs twice, an empty table, a table that gives no item a label;
/// InvalidArgument where the source has no expression.
ItemLabels read_item_labels(const std::string& source, const IdIndex& items,
                            const std::string& item_column = "item_id");

/// Any number of tags a catalogue item, for telling what codes mean.
struct ItemTags {
  std::vector<std::string> names;    ///< distinct tags, in order of first appearance
  std::vector<std::size_t> offsets;  ///< N + 1: the tags of item i are tags[offsets[i] .. offsets[i + 1])
  std::vector<std::uint32_t> tags;   ///< indices into names, each at most once an item
};

/// Reads SOURCE = `file:EXPRESSION`, where the expression is a list of texts or one text with commas between tags.
/// Blanks around a tag are taken away, empty tags left out, upper and lower case kept. Errors as read_item_labels.
ItemTags read_item_tags(const std::string& source, const IdIndex& items, const std::string& item_column = "item_id");

}  // namespace neume::data
