#pragma once
// Tables to read: from `file` or `file:EXPRESSION` as the user wrote it to an open table with named, typed columns.

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "data/duckdb_table.hpp"

namespace neume::data {

enum class FileKind { npy, parquet, csv, tsv, json };

/// `file:EXPRESSION`, cut at the first ':' after a known extension (so a folder's name may hold ':').
struct SourcePath {
  std::string path;        ///< may hold the wildcards * and ?
  std::string expression;  ///< empty where there is none
  FileKind kind = FileKind::parquet;

  /// Throws InvalidArgument where the file has none of the known extensions (.npy .parquet .csv .tsv .txt .json .jsonl
  /// .ndjson; text files also with .gz).
  static SourcePath parse(const std::string& source);
  /// The same, or nothing where there is no such extension.
  static std::optional<SourcePath> find(const std::string& source);
};

struct TableColumn {
  std::string name;
  std::string type;  ///< as DuckDB writes it: BIGINT, FLOAT[], TIMESTAMP WITH TIME ZONE, ...

  bool is_integer() const;  ///< every value fits in BIGINT
  bool is_wide_integer() const;
  bool is_number() const;  ///< integer, wide integer, decimal or floating point
  bool is_list() const;    ///< variable or fixed length
};

/// How much of a text file is looked at to find the columns' types.
enum class TypeSample { beginning, whole_file };

/// An open table. Rows come in file order; files of a wildcard in order of their names.
class TableSource {
 public:
  /// Throws DataError for a missing or broken file.
  TableSource(const SourcePath& source, TypeSample sample);

  const std::string& path() const { return path_; }

  /// The column of that name (as in SQL, upper and lower case are the same). nullptr where there is none.
  const TableColumn* find(const std::string& name) const;
  /// Throws DataError that names the columns found and, in `advice`, what to do.
  const TableColumn& column(const std::string& name, const std::string& advice) const;

  /// `SELECT select_list` over the table.
  QueryRows select(const std::string& select_list);
  /// Any query in the database of the table (for what the file says of itself).
  QueryRows query(const std::string& sql) { return database_->query(sql); }
  /// The most memory that DuckDB takes for queries of this table from now on; fewer threads where it is little.
  void limit_memory(std::size_t size_bytes);
  /// An SQL expression over the table's columns, as a column. Throws DataError where it does not parse or bind.
  TableColumn describe(const std::string& expression);

 private:
  std::string path_;
  std::unique_ptr<Database> database_;
  std::vector<TableColumn> columns_;
};

/// Returns read(table). A text file's column types are guessed from its beginning; where the reading fails, it is done
/// again with types found from the whole file, so `read` must start from nothing and change nothing outside.
template <class Read>
auto read_table(const SourcePath& source, const Read& read) -> std::invoke_result_t<Read, TableSource&> {
  const bool has_types = source.kind == FileKind::parquet;
  if (!has_types) {
    try {
      TableSource table(source, TypeSample::beginning);
      return read(table);
    } catch (const DataError&) {
      // The second reading gives the message: the same one where the data themselves are wrong.
    }
  }
  TableSource table(source, TypeSample::whole_file);
  return read(table);
}

/// The id column of a table, in the form in which it is read: integers where every value fits in 64 bits, else text.
struct IdColumn {
  std::string name;
  std::string expression;  ///< SQL that gives BIGINT or VARCHAR
  bool is_text = false;

  /// Throws DataError for a missing column or one that is neither integer nor text.
  static IdColumn of(TableSource& table, const std::string& name, const std::string& advice);
};

}  // namespace neume::data
