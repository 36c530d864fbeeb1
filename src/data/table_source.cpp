#include "data/table_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/parallel.hpp"

namespace neume::data {

namespace {

struct Extension {
  std::string_view text;
  FileKind kind;
  bool may_be_compressed;
};

constexpr std::array<Extension, 8> kExtensions{{{".npy", FileKind::npy, false},
                                                {".parquet", FileKind::parquet, false},
                                                {".csv", FileKind::csv, true},
                                                {".tsv", FileKind::tsv, true},
                                                {".txt", FileKind::csv, true},
                                                {".json", FileKind::json, true},
                                                {".jsonl", FileKind::json, true},
                                                {".ndjson", FileKind::json, true}}};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

/// Where an extension that starts at `begin` ends, if one does and the path ends there or a ':' follows.
std::optional<std::size_t> end_of_extension(std::string_view text, std::size_t begin, const Extension& extension) {
  if (text.substr(begin, extension.text.size()) != extension.text) return std::nullopt;
  std::size_t end = begin + extension.text.size();
  if (extension.may_be_compressed && text.substr(end, 3) == ".gz") end += 3;
  if (end == text.size() || text[end] == ':') return end;
  return std::nullopt;
}

std::string relation(const SourcePath& source, TypeSample sample) {
  const std::string path = sql_text(source.path);
  const char* size = sample == TypeSample::whole_file ? ", sample_size = -1" : "";
  switch (source.kind) {
    case FileKind::parquet:
      return fmt::format("read_parquet({}, binary_as_string = true)", path);
    case FileKind::csv:
      return fmt::format("read_csv({}, header = true{})", path, size);
    case FileKind::tsv:
      return fmt::format("read_csv({}, header = true, delim = '\\t'{})", path, size);
    case FileKind::json:
      return fmt::format("read_json({}{})", path, size);
    case FileKind::npy:
      break;
  }
  throw InvalidArgument(fmt::format("{}: expected a table (Parquet, CSV, TSV, JSON), found an NPY file", source.path));
}

void check_exists(const std::string& path) {
  const bool has_wildcard = path.find_first_of("*?[") != std::string::npos;
  std::error_code status;
  if (has_wildcard || std::filesystem::is_regular_file(path, status)) return;
  if (std::filesystem::exists(path, status)) {
    throw DataError(fmt::format("{}: expected a file, found a folder or a device", path));
  }
  throw DataError(fmt::format("{}: no such file; check the path", path));
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::string names_of(const std::vector<TableColumn>& columns) {
  std::string list;
  for (const auto& column : columns) list += (list.empty() ? "" : ", ") + column.name;
  return list;
}

std::vector<TableColumn> read_columns(Database& database, const std::string& statement) {
  std::vector<TableColumn> columns;
  QueryRows rows = database.query(statement);
  while (rows.next()) {
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      columns.push_back({std::string(rows.column(0).text(i)), std::string(rows.column(1).text(i))});
    }
  }
  return columns;
}

}  // namespace

std::optional<SourcePath> SourcePath::find(const std::string& source) {
  const std::string text = lower(source);
  for (std::size_t begin = text.find('.'); begin != std::string::npos; begin = text.find('.', begin + 1)) {
    for (const Extension& extension : kExtensions) {
      const auto end = end_of_extension(text, begin, extension);
      if (!end) continue;
      const bool has_expression = *end < source.size();
      return SourcePath{source.substr(0, *end), has_expression ? source.substr(*end + 1) : "", extension.kind};
    }
  }
  return std::nullopt;
}

SourcePath SourcePath::parse(const std::string& source) {
  if (const auto found = find(source)) return *found;
  throw InvalidArgument(
      fmt::format("{}: expected a file that ends in .npy, .parquet, .csv, .tsv, .txt, .json, .jsonl "
                  "or .ndjson (text files also with .gz)",
                  source));
}

bool TableColumn::is_integer() const {
  return is_one_of(type, {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"});
}
bool TableColumn::is_wide_integer() const {
  return is_one_of(type, {"UBIGINT", "HUGEINT", "UHUGEINT"});
}
bool TableColumn::is_number() const {
  return is_integer() || is_wide_integer() || is_one_of(type, {"FLOAT", "DOUBLE"}) || type.starts_with("DECIMAL(");
}
bool TableColumn::is_list() const {
  return type.ends_with(']');
}

TableSource::TableSource(const SourcePath& source, TypeSample sample) : path_(source.path) {
  const std::string table = relation(source, sample);
  check_exists(path_);
  database_ = std::make_unique<Database>(path_);
  database_->execute(fmt::format("CREATE VIEW source AS SELECT * FROM {}", table));
  columns_ = read_columns(*database_, "DESCRIBE source");
}

const TableColumn* TableSource::find(const std::string& name) const {
  const auto by_name = [&](const TableColumn& column) { return lower(column.name) == lower(name); };
  const auto found = std::find_if(columns_.begin(), columns_.end(), by_name);
  return found == columns_.end() ? nullptr : &*found;
}

const TableColumn& TableSource::column(const std::string& name, const std::string& advice) const {
  if (const TableColumn* found = find(name)) return *found;
  throw DataError(
      fmt::format("{}: expected a column {}, found the columns {}; {}", path_, name, names_of(columns_), advice));
}

QueryRows TableSource::select(const std::string& select_list) {
  return database_->query(fmt::format("SELECT {}\nFROM source", select_list));
}

void TableSource::limit_memory(std::size_t size_bytes) {
  // A list column of a Parquet file that DuckDB wrote has pages of up to 100 MiB, and a thread holds several buffers of
  // that size: with two threads a limit of 430 MiB was too little, 400 MiB are enough for one.
  constexpr std::size_t kBytesAThread = std::size_t{448} << 20;
  const std::size_t threads = std::clamp<std::size_t>(size_bytes / kBytesAThread, 1, base::num_threads());
  database_->execute(fmt::format("SET memory_limit = '{}B'", size_bytes));
  database_->execute(fmt::format("SET threads = {}", threads));
}

TableColumn TableSource::describe(const std::string& expression) {
  return read_columns(*database_, fmt::format("DESCRIBE SELECT ({}\n) AS value FROM source", expression)).at(0);
}

IdColumn IdColumn::of(TableSource& table, const std::string& name, const std::string& advice) {
  const TableColumn& column = table.column(name, advice);
  const std::string quoted = sql_name(column.name);
  IdColumn id{column.name, fmt::format("CAST({} AS BIGINT)", quoted), false};
  if (column.is_integer()) return id;
  if (column.is_wide_integer()) {
    QueryRows rows = table.select(
        fmt::format("coalesce(max({0}) <= 9223372036854775807 AND min({0}) >= -9223372036854775808, true)", quoted));
    rows.next();
    id.is_text = !rows.column(0).values<bool>()[0];
  } else if (column.type == "VARCHAR" || column.type == "UUID" || column.type.starts_with("ENUM(")) {
    id.is_text = true;
  } else {
    throw DataError(fmt::format("{}: column {}: expected integer or text ids, found {}; cast the column", table.path(),
                                column.name, column.type));
  }
  if (id.is_text) id.expression = fmt::format("CAST({} AS VARCHAR)", quoted);
  return id;
}

}  // namespace neume::data
