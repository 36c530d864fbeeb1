#include "data/table_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <type_traits>
#include <utility>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/duckdb_table.hpp"

namespace neume::data {

namespace {

constexpr std::size_t kChunkRows = 2048;  // DuckDB's vector size

const char* sql_type(ColumnType type) {
  switch (type) {
    case ColumnType::int64:
      return "BIGINT";
    case ColumnType::uint8:
      return "UTINYINT";
    case ColumnType::boolean:
      return "BOOLEAN";
    case ColumnType::float64:
      return "DOUBLE";
    case ColumnType::timestamp:
      return "TIMESTAMP";
    case ColumnType::text:
      return "VARCHAR";
    case ColumnType::float_list:
      return "FLOAT[]";
    case ColumnType::code_list:
      return "USMALLINT[]";
    case ColumnType::text_list:
      return "VARCHAR[]";
  }
  throw InternalError("a column type without an SQL type");
}

/// Index of the alternative of ColumnValues that fills a column of this type.
std::size_t values_kind(ColumnType type) {
  switch (type) {
    case ColumnType::int64:
    case ColumnType::timestamp:
      return 0;
    case ColumnType::uint8:
    case ColumnType::boolean:
      return 1;
    case ColumnType::float64:
      return 2;
    case ColumnType::text:
      return 3;
    case ColumnType::float_list:
      return 4;
    case ColumnType::code_list:
      return 5;
    case ColumnType::text_list:
      return 6;
  }
  throw InternalError("a column type without values");
}

duckdb_logical_type logical_type(ColumnType type) {
  const auto list_of = [](duckdb_type element) {
    duckdb_logical_type child = duckdb_create_logical_type(element);
    const duckdb_logical_type list = duckdb_create_list_type(child);
    duckdb_destroy_logical_type(&child);
    return list;
  };
  switch (type) {
    case ColumnType::int64:
      return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    case ColumnType::uint8:
      return duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT);
    case ColumnType::boolean:
      return duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    case ColumnType::float64:
      return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    case ColumnType::timestamp:
      return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP);
    case ColumnType::text:
      return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    case ColumnType::float_list:
      return list_of(DUCKDB_TYPE_FLOAT);
    case ColumnType::code_list:
      return list_of(DUCKDB_TYPE_USMALLINT);
    case ColumnType::text_list:
      return list_of(DUCKDB_TYPE_VARCHAR);
  }
  throw InternalError("a column type without a DuckDB type");
}

std::size_t num_rows_of(std::span<const std::string> values) {
  return values.size();
}
template <class T>
std::size_t num_rows_of(std::span<const T> values) {
  return values.size();
}
std::size_t num_rows_of(const ConstMatrixView& values) {
  return values.rows;
}
std::size_t num_rows_of(const CodeRows& values) {
  return values.width == 0 ? 0 : values.values.size() / values.width;
}

/// Rows [begin, begin + count) of a column into a vector of a data chunk.
struct Fill {
  duckdb_vector vector;
  std::size_t begin;
  std::size_t count;

  template <class T>
  void operator()(std::span<const T> values) const {
    std::memcpy(duckdb_vector_get_data(vector), values.data() + begin, count * sizeof(T));
  }
  void operator()(std::span<const std::string> values) const {
    for (std::size_t i = 0; i < count; ++i) {
      const std::string& text = values[begin + i];
      duckdb_vector_assign_string_element_len(vector, i, text.data(), text.size());
    }
  }
  void operator()(const ConstMatrixView& rows) const {
    auto* elements = static_cast<float*>(make_lists(rows.cols));
    for (std::size_t i = 0; i < count; ++i) std::ranges::copy(rows.row(begin + i), elements + i * rows.cols);
  }
  void operator()(const CodeRows& rows) const {
    void* elements = make_lists(rows.width);
    std::memcpy(elements, rows.values.data() + begin * rows.width, count * rows.width * sizeof(std::uint16_t));
  }
  void operator()(std::span<const std::vector<std::string>> lists) const {
    std::size_t num_elements = 0;
    for (const auto& list : lists.subspan(begin, count)) num_elements += list.size();
    duckdb_list_entry* entries = make_room(num_elements);
    const duckdb_vector elements = duckdb_list_vector_get_child(vector);
    std::size_t next = 0;
    for (std::size_t i = 0; i < count; ++i) {
      entries[i] = {next, lists[begin + i].size()};
      for (const std::string& text : lists[begin + i]) {
        duckdb_vector_assign_string_element_len(elements, next++, text.data(), text.size());
      }
    }
  }

 private:
  /// Makes `count` lists of `width` elements and returns where the elements go.
  void* make_lists(std::size_t width) const {
    duckdb_list_entry* entries = make_room(count * width);
    for (std::size_t i = 0; i < count; ++i) entries[i] = {i * width, width};
    return duckdb_vector_get_data(duckdb_list_vector_get_child(vector));
  }

  /// Room for the elements of all lists; returns the lists' places among them, to be filled.
  duckdb_list_entry* make_room(std::size_t num_elements) const {
    const bool made = duckdb_list_vector_reserve(vector, num_elements) == DuckDBSuccess &&
                      duckdb_list_vector_set_size(vector, num_elements) == DuckDBSuccess;
    if (!made) throw InternalError("DuckDB made no room for lists");
    return static_cast<duckdb_list_entry*>(duckdb_vector_get_data(vector));
  }
};

void mark_nulls(duckdb_vector vector, std::span<const std::uint8_t> valid) {
  duckdb_vector_ensure_validity_writable(vector);
  auto* mask = duckdb_vector_get_validity(vector);
  for (std::size_t i = 0; i < valid.size(); ++i) duckdb_validity_set_row_validity(mask, i, valid[i] != 0);
}

std::string create_statement(const std::vector<ColumnSpec>& columns) {
  std::string list;
  for (const auto& column : columns) {
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", sql_name(column.name), sql_type(column.type));
  }
  return fmt::format("CREATE TABLE rows ({})", list);
}

std::string metadata_option(const std::map<std::string, std::string>& metadata) {
  std::string list;
  for (const auto& [key, value] : metadata) {
    list += fmt::format("{}{}: {}", list.empty() ? "" : ", ", sql_name(key), sql_text(value));
  }
  return list.empty() ? "" : fmt::format(", KV_METADATA {{{}}}", list);
}

/// Checks that the values fit the columns and returns the number of rows.
std::size_t check_columns(const std::vector<ColumnSpec>& specs, std::span<const ColumnData> columns) {
  if (columns.size() != specs.size()) {
    throw InvalidArgument(fmt::format("expected {} columns, found {}", specs.size(), columns.size()));
  }
  std::size_t num_rows = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& [values, valid] = columns[i];
    const std::size_t rows = std::visit([](const auto& v) { return num_rows_of(v); }, values);
    if (i == 0) num_rows = rows;
    if (values.index() != values_kind(specs[i].type)) {
      throw InvalidArgument(
          fmt::format("column {}: the values are not of its type {}", specs[i].name, sql_type(specs[i].type)));
    }
    if (rows != num_rows || (!valid.empty() && valid.size() != rows)) {
      throw InvalidArgument(fmt::format("column {}: expected {} rows, found {} values and {} validity flags",
                                        specs[i].name, num_rows, rows, valid.size()));
    }
  }
  return num_rows;
}

void fill_chunk(duckdb_data_chunk chunk, std::span<const ColumnData> columns, std::size_t begin, std::size_t count) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, i);
    std::visit(Fill{vector, begin, count}, columns[i].values);
    if (!columns[i].valid.empty()) mark_nulls(vector, columns[i].valid.subspan(begin, count));
  }
  duckdb_data_chunk_set_size(chunk, count);
}

/// Writes what a query gives as a Parquet file.
void copy_to_file(Database& database, const std::string& query, const std::filesystem::path& path,
                  const std::map<std::string, std::string>& metadata) {
  base::write_atomically(path, [&](const std::filesystem::path& temporary) {
    const std::string copy = fmt::format("COPY {} TO {} (FORMAT parquet, COMPRESSION zstd{})", query,
                                         sql_text(temporary.string()), metadata_option(metadata));
    try {
      database.execute(copy);
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}: cannot write: {}", path.string(), error.what()));
    }
  });
}

/// A RowSupply as a table function of DuckDB. Lives as long as the database.
class SuppliedTable {
 public:
  SuppliedTable(const std::vector<ColumnSpec>& columns, std::size_t num_rows, const RowSupply& rows)
      : columns_(columns), num_rows_(num_rows), rows_(rows) {}

  /// Makes `FROM supplied_rows()` known.
  void add_to(Database& database) {
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "supplied_rows");
    duckdb_table_function_set_extra_info(function, this, nullptr);
    duckdb_table_function_set_bind(function, [](duckdb_bind_info info) {
      static_cast<SuppliedTable*>(duckdb_bind_get_extra_info(info))->bind(info);
    });
    // One thread: rows keep their order, and the supply need not be safe to share.
    duckdb_table_function_set_init(function, [](duckdb_init_info info) { duckdb_init_set_max_threads(info, 1); });
    duckdb_table_function_set_function(function, [](duckdb_function_info info, duckdb_data_chunk chunk) {
      static_cast<SuppliedTable*>(duckdb_function_get_extra_info(info))->fill(info, chunk);
    });
    const auto state = duckdb_register_table_function(database.connection(), function);
    duckdb_destroy_table_function(&function);
    if (state == DuckDBError) throw InternalError("DuckDB does not take a table function");
  }

  /// The exception that ended the supply, if one did: exceptions must not pass through DuckDB.
  std::exception_ptr failure() const { return failure_; }

 private:
  void bind(duckdb_bind_info info) const {
    for (const ColumnSpec& column : columns_) {
      duckdb_logical_type type = logical_type(column.type);
      duckdb_bind_add_result_column(info, column.name.c_str(), type);
      duckdb_destroy_logical_type(&type);
    }
    duckdb_bind_set_cardinality(info, num_rows_, true);
  }

  void fill(duckdb_function_info info, duckdb_data_chunk chunk) noexcept {
    try {
      const std::size_t count = std::min(kChunkRows, num_rows_ - next_);
      const std::vector<ColumnData> columns = count == 0 ? std::vector<ColumnData>() : rows_(next_, count);
      if (count > 0 && check_columns(columns_, columns) != count)
        throw InvalidArgument(fmt::format("expected {} rows from row {} on", count, next_));
      fill_chunk(chunk, columns, 0, count);
      next_ += count;
    } catch (...) {
      failure_ = std::current_exception();
      duckdb_function_set_error(info, "no more rows");
    }
  }

  const std::vector<ColumnSpec>& columns_;
  std::size_t num_rows_;
  const RowSupply& rows_;
  std::size_t next_ = 0;
  std::exception_ptr failure_;
};

void check_names(const std::vector<ColumnSpec>& columns) {
  if (columns.empty()) throw InvalidArgument("a table needs at least one column");
  for (std::size_t i = 0; i < columns.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (columns[i].name == columns[j].name) {
        throw InvalidArgument(fmt::format("a table cannot have two columns called {}", columns[i].name));
      }
    }
  }
}

}  // namespace

void write_table(const std::filesystem::path& path, const std::vector<ColumnSpec>& columns, std::size_t num_rows,
                 const RowSupply& rows, const std::map<std::string, std::string>& metadata) {
  check_names(columns);
  SuppliedTable supplied(columns, num_rows, rows);
  Database database("table writer");
  supplied.add_to(database);
  try {
    copy_to_file(database, "(FROM supplied_rows())", path, metadata);
  } catch (const DataError&) {
    if (supplied.failure()) std::rethrow_exception(supplied.failure());
    throw;
  }
}

class TableWriter::Impl {
 public:
  Impl(std::vector<ColumnSpec> columns, std::size_t max_memory_mib)
      : columns_(std::move(columns)), database_("table writer") {
    if (max_memory_mib > 0) database_.execute(fmt::format("SET memory_limit = '{}MiB'", max_memory_mib));
    database_.execute(create_statement(columns_));
    if (duckdb_appender_create(database_.connection(), nullptr, "rows", &appender_) == DuckDBError) fail_appending();
    std::vector<duckdb_logical_type> types(columns_.size());
    for (std::size_t i = 0; i < types.size(); ++i) types[i] = duckdb_appender_column_type(appender_, i);
    chunk_ = duckdb_create_data_chunk(types.data(), types.size());
    for (auto& type : types) duckdb_destroy_logical_type(&type);
  }
  ~Impl() {
    duckdb_destroy_data_chunk(&chunk_);
    duckdb_appender_destroy(&appender_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::size_t check(std::span<const ColumnData> columns) const {
    if (finished_) throw InvalidArgument("the table has been finished: nothing can be appended to it");
    return check_columns(columns_, columns);
  }
  void append_rows(std::span<const ColumnData> columns, std::size_t begin, std::size_t count);
  void finish(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata);

  std::size_t num_rows() const { return num_rows_; }

 private:
  [[noreturn]] void fail_appending() const {
    throw InternalError(fmt::format("cannot append to a table: {}", short_message(duckdb_appender_error(appender_))));
  }

  std::vector<ColumnSpec> columns_;
  Database database_;
  duckdb_appender appender_ = nullptr;
  duckdb_data_chunk chunk_ = nullptr;
  std::size_t num_rows_ = 0;
  bool finished_ = false;
};

void TableWriter::Impl::append_rows(std::span<const ColumnData> columns, std::size_t begin, std::size_t count) {
  duckdb_data_chunk_reset(chunk_);
  fill_chunk(chunk_, columns, begin, count);
  if (duckdb_append_data_chunk(appender_, chunk_) == DuckDBError) fail_appending();
  num_rows_ += count;
}

void TableWriter::Impl::finish(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) {
  if (finished_) throw InvalidArgument("the table has been finished already");
  if (duckdb_appender_close(appender_) == DuckDBError) fail_appending();
  finished_ = true;
  copy_to_file(database_, "rows", path, metadata);
}

TableWriter::TableWriter(std::vector<ColumnSpec> columns, std::size_t max_memory_mib) {
  check_names(columns);
  impl_ = std::make_unique<Impl>(std::move(columns), max_memory_mib);
}

TableWriter::~TableWriter() = default;
TableWriter::TableWriter(TableWriter&&) noexcept = default;
TableWriter& TableWriter::operator=(TableWriter&&) noexcept = default;

void TableWriter::append(std::span<const ColumnData> columns) {
  const std::size_t num_rows = impl_->check(columns);
  for (std::size_t begin = 0; begin < num_rows; begin += kChunkRows) {
    impl_->append_rows(columns, begin, std::min(kChunkRows, num_rows - begin));
  }
}

std::size_t TableWriter::num_rows() const {
  return impl_->num_rows();
}

void TableWriter::finish(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) {
  impl_->finish(path, metadata);
}

}  // namespace neume::data
