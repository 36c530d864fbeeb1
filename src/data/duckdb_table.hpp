#pragma once
// A small RAII layer on DuckDB's C API: an in-memory database, a query whose rows are walked chunk by chunk, and views
// of a chunk's columns. The only header that shows duckdb.h.

#include <duckdb.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace neume::data {

/// `text` as an SQL string literal: 'it''s'.
std::string sql_text(std::string_view text);
/// `name` as an SQL identifier: "a ""quoted"" name".
std::string sql_name(std::string_view name);

/// One column of one chunk of rows; borrowed, valid until the next chunk is fetched.
class ColumnView {
 public:
  explicit ColumnView(duckdb_vector vector);

  bool is_valid(std::size_t row) const {
    return validity_ == nullptr || ((validity_[row / 64] >> (row % 64)) & 1U) != 0;
  }

  bool may_have_nulls() const { return validity_ != nullptr; }

  /// The raw values. T must be the C++ type of the column's SQL type (BIGINT: int64_t, BOOLEAN: bool, ...); the caller
  /// fixes the SQL type with a cast in the query.
  template <class T>
  const T* values() const {
    return static_cast<const T*>(data_);
  }

  /// Text of one row of a VARCHAR column.
  std::string_view text(std::size_t row) const;

  /// Place of one row of a list column in `elements()`.
  duckdb_list_entry list(std::size_t row) const { return values<duckdb_list_entry>()[row]; }
  /// The elements of all lists of the chunk, one list after the other.
  ColumnView elements() const { return ColumnView(duckdb_list_vector_get_child(vector_)); }

 private:
  duckdb_vector vector_;
  void* data_;
  std::uint64_t* validity_;
};

/// Some rows of a query that stay when it moves on. Views of its columns may be read by several threads.
class RowChunk {
 public:
  RowChunk(duckdb_data_chunk chunk, std::size_t first_row)
      : chunk_(chunk), first_row_(first_row), num_rows_(duckdb_data_chunk_get_size(chunk)) {}

  std::size_t num_rows() const { return num_rows_; }
  std::size_t first_row() const { return first_row_; }  ///< as in QueryRows
  ColumnView column(std::size_t index) const { return ColumnView(duckdb_data_chunk_get_vector(chunk_.get(), index)); }

 private:
  struct Free {
    void operator()(duckdb_data_chunk chunk) const { duckdb_destroy_data_chunk(&chunk); }
  };
  std::unique_ptr<_duckdb_data_chunk, Free> chunk_;
  std::size_t first_row_;
  std::size_t num_rows_;
};

/// The rows of a query, streamed in order. Must not outlive its Database.
class QueryRows {
 public:
  QueryRows(duckdb_connection connection, const std::string& sql, std::string subject);
  ~QueryRows();
  QueryRows(const QueryRows&) = delete;
  QueryRows& operator=(const QueryRows&) = delete;

  /// Moves on to the next chunk; false at the end. Throws DataError where the query fails midway.
  bool next();

  /// The chunk at hand, to keep; it is no longer here then.
  RowChunk take() { return {std::exchange(chunk_, nullptr), first_row_}; }

  std::size_t num_rows() const { return num_rows_; }    ///< rows in this chunk
  std::size_t first_row() const { return first_row_; }  ///< number of the chunk's first row, 0-based over the query
  ColumnView column(std::size_t index) const { return ColumnView(duckdb_data_chunk_get_vector(chunk_, index)); }

 private:
  std::string subject_;
  duckdb_result result_{};
  duckdb_data_chunk chunk_ = nullptr;
  std::size_t num_rows_ = 0;
  std::size_t first_row_ = 0;
};

/// An in-memory database with one connection, base::num_threads() threads, rows kept in file order, and no network.
/// `subject` (the path of a file) opens every error message. Not thread-safe.
class Database {
 public:
  explicit Database(std::string subject);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Runs a statement without rows. Throws DataError "subject: what DuckDB says".
  void execute(const std::string& sql);
  QueryRows query(const std::string& sql) { return {connection_, sql, subject_}; }

  duckdb_connection connection() const { return connection_; }
  const std::string& subject() const { return subject_; }

 private:
  std::string subject_;
  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
};

/// DuckDB's message on one line, without the excerpt of our SQL and the advice on SQL options that it appends.
std::string short_message(const char* message);

}  // namespace neume::data
