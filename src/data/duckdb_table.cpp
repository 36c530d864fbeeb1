#include "data/duckdb_table.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"

namespace neume::data {

namespace {

std::string quoted(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char c : text) {
    if (c == quote) result += quote;
    result += c;
  }
  return result += quote;
}

[[noreturn]] void fail(const std::string& subject, const char* message) {
  throw DataError(fmt::format("{}: {}", subject, short_message(message)));
}

/// Options that every database of ours has. Extensions are never fetched: a query must not reach the network.
duckdb_config make_config() {
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) == DuckDBError) throw InternalError("DuckDB gave no configuration");
  const auto set = [&](const char* name, const std::string& value) {
    if (duckdb_set_config(config, name, value.c_str()) == DuckDBError) {
      duckdb_destroy_config(&config);
      throw InternalError(fmt::format("DuckDB does not know the option {} = {}", name, value));
    }
  };
  std::error_code status;
  const auto temporary = std::filesystem::temp_directory_path(status);
  set("threads", std::to_string(base::num_threads()));
  set("preserve_insertion_order", "true");
  set("autoinstall_known_extensions", "false");
  set("autoload_known_extensions", "false");
  set("temp_directory", status ? "" : (temporary / "neume-duckdb").string());
  return config;
}

}  // namespace

std::string sql_text(std::string_view text) {
  return quoted(text, '\'');
}
std::string sql_name(std::string_view name) {
  return quoted(name, '"');
}

std::string short_message(const char* message) {
  std::string_view text = message == nullptr ? "unknown DuckDB error" : message;
  for (const std::string_view tail : {"\n\n", "\nLINE "}) text = text.substr(0, text.find(tail));
  std::string line;
  for (const char c : text) {
    if (c == '\n') {
      line += "; ";
    } else {
      line += c;
    }
  }
  return line;
}

ColumnView::ColumnView(duckdb_vector vector)
    : vector_(vector), data_(duckdb_vector_get_data(vector)), validity_(duckdb_vector_get_validity(vector)) {}

std::string_view ColumnView::text(std::size_t row) const {
  // Short strings live inside the struct, so the address must be that of the element itself.
  auto* element = static_cast<duckdb_string_t*>(data_) + row;
  return {duckdb_string_t_data(element), duckdb_string_t_length(*element)};
}

QueryRows::QueryRows(duckdb_connection connection, const std::string& sql, std::string subject)
    : subject_(std::move(subject)) {
  duckdb_prepared_statement statement = nullptr;
  duckdb_pending_result pending = nullptr;
  std::string failure;
  if (duckdb_prepare(connection, sql.c_str(), &statement) == DuckDBError) {
    failure = short_message(duckdb_prepare_error(statement));
  } else if (duckdb_pending_prepared_streaming(statement, &pending) == DuckDBError) {
    failure = short_message(duckdb_pending_error(pending));
  } else if (duckdb_execute_pending(pending, &result_) == DuckDBError) {
    failure = short_message(duckdb_result_error(&result_));
    duckdb_destroy_result(&result_);
  }
  duckdb_destroy_pending(&pending);
  duckdb_destroy_prepare(&statement);
  if (!failure.empty()) throw DataError(fmt::format("{}: {}", subject_, failure));
}

QueryRows::~QueryRows() {
  duckdb_destroy_data_chunk(&chunk_);
  duckdb_destroy_result(&result_);
}

bool QueryRows::next() {
  first_row_ += num_rows_;
  duckdb_destroy_data_chunk(&chunk_);
  chunk_ = duckdb_fetch_chunk(result_);
  num_rows_ = chunk_ == nullptr ? 0 : duckdb_data_chunk_get_size(chunk_);
  if (chunk_ == nullptr) {
    if (const char* message = duckdb_result_error(&result_)) fail(subject_, message);
  }
  return num_rows_ > 0;
}

Database::Database(std::string subject) : subject_(std::move(subject)) {
  duckdb_config config = make_config();
  char* message = nullptr;
  const auto opened = duckdb_open_ext(nullptr, &database_, config, &message);
  duckdb_destroy_config(&config);
  if (opened == DuckDBError) {
    const std::string text = short_message(message);
    duckdb_free(message);
    throw InternalError(fmt::format("{}: cannot start DuckDB: {}", subject_, text));
  }
  if (duckdb_connect(database_, &connection_) == DuckDBError) {
    duckdb_close(&database_);
    throw InternalError(fmt::format("{}: cannot connect to DuckDB", subject_));
  }
}

Database::~Database() {
  // Where an exception is under way, DuckDB destroys a connection without waiting for the threads that still work on
  // its query, and they go on in freed memory. Preparing any statement ends the open query and waits for them.
  duckdb_interrupt(connection_);
  duckdb_prepared_statement statement = nullptr;
  duckdb_prepare(connection_, "SELECT 1", &statement);
  duckdb_destroy_prepare(&statement);
  duckdb_disconnect(&connection_);
  duckdb_close(&database_);
}

void Database::execute(const std::string& sql) {
  duckdb_result result{};
  const auto state = duckdb_query(connection_, sql.c_str(), &result);
  const std::string failure = state == DuckDBError ? short_message(duckdb_result_error(&result)) : "";
  duckdb_destroy_result(&result);
  if (state == DuckDBError) throw DataError(fmt::format("{}: {}", subject_, failure));
}

}  // namespace neume::data
