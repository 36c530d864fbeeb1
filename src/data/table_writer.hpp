#pragma once
// Writes a table to a Parquet file, column chunk by column chunk:
//
//   TableWriter writer({{"item_id", ColumnType::int64}, {"text", ColumnType::float_list}});
//   writer.append(std::array<ColumnData, 2>{ColumnData(ids), ColumnData(embeddings.view())});   // as often as needed
//   writer.finish("items.parquet");

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <neume/matrix.hpp>

namespace neume::data {

/// Types of a Parquet column, and the kind of ColumnValues that fills them.
enum class ColumnType {
  int64,       ///< BIGINT, from int64_t
  uint8,       ///< UTINYINT, from uint8_t
  boolean,     ///< BOOLEAN, from uint8_t (0 or 1)
  float64,     ///< DOUBLE, from double
  timestamp,   ///< TIMESTAMP, from int64_t microseconds since 1970-01-01 UTC
  text,        ///< VARCHAR, from std::string (UTF-8)
  float_list,  ///< FLOAT[], from rows of a float matrix
  code_list,   ///< USMALLINT[], from rows of uint16_t
  text_list    ///< VARCHAR[], from lists of std::string (UTF-8) of any lengths
};

struct ColumnSpec {
  std::string name;
  ColumnType type = ColumnType::int64;
};

/// Rows of codes, `values.size() / width` of them, row-major.
struct CodeRows {
  std::span<const std::uint16_t> values;
  std::size_t width = 1;
};

using ColumnValues =
    std::variant<std::span<const std::int64_t>, std::span<const std::uint8_t>, std::span<const double>,
                 std::span<const std::string>, ConstMatrixView, CodeRows, std::span<const std::vector<std::string>>>;

/// Borrowed values of some rows of one column.
struct ColumnData {
  ColumnValues values;
  std::span<const std::uint8_t> valid = {};  ///< 0 = null; empty = no nulls; otherwise one a row

  ColumnData(ColumnValues column_values, std::span<const std::uint8_t> validity = {})
      : values(column_values), valid(validity) {}
};

/// Gives rows [first, first + count) of a table, one ColumnData a column; what they borrow must last until the next
/// call. Called in order, from one thread at a time.
using RowSupply = std::function<std::vector<ColumnData>(std::size_t first, std::size_t count)>;

/// Writes a table of `num_rows` rows that are asked for as they are written: no more than a row group (122,880 rows) is
/// in memory. Otherwise as TableWriter, with the same errors; what `rows` throws goes on, and no file is left.
void write_table(const std::filesystem::path& path, const std::vector<ColumnSpec>& columns, std::size_t num_rows,
                 const RowSupply& rows, const std::map<std::string, std::string>& metadata = {});

/// Collects rows in memory (about the size of the raw values) and writes them as one Parquet file. Not thread-safe.
class TableWriter {
 public:
  /// `max_memory_mib`: rows beyond it wait in DuckDB's temporary folder; 0: all stay in memory. Throws InvalidArgument
  /// where there is no column, or two have one name.
  explicit TableWriter(std::vector<ColumnSpec> columns, std::size_t max_memory_mib = 0);
  ~TableWriter();
  TableWriter(TableWriter&&) noexcept;
  TableWriter& operator=(TableWriter&&) noexcept;

  /// Appends rows: one ColumnData a declared column, all of the same number of rows (any number). The values are copied
  /// before the call returns. Throws InvalidArgument where the number of columns or rows or a type does not match.
  void append(std::span<const ColumnData> columns);

  std::size_t num_rows() const;

  /// Writes the rows in the order of the appends to `path`, atomically, zstd-compressed, with `metadata` as the file's
  /// key-value metadata. Ends the writer: nothing may be appended after it. The same rows give the same bytes for any
  /// number of threads. Throws DataError with the path where the file cannot be written.
  void finish(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata = {});

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace neume::data
