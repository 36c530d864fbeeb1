#pragma once
// The embeddings of a table, a stretch of rows at a time, in the chunks in which DuckDB makes them.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/duckdb_table.hpp"
#include "data/embedding_checks.hpp"
#include "data/table_source.hpp"

namespace neume::data {

/// A table of which the id and some columns of embeddings are read.
class TableStream {
 public:
  /// Finds the columns and their widths. Throws DataError for columns that are missing or of a wrong type. The
  /// width of a column without any list of numbers is 0.
  TableStream(const SourcePath& source, const std::vector<std::string>& columns, const std::string& item_column,
              bool zero_is_missing);

  const std::string& path() const { return table_.path(); }
  bool has_text_ids() const { return id_.is_text; }
  std::size_t width(std::size_t index) const { return columns_[index].width; }
  void limit_memory(std::size_t size_bytes) { table_.limit_memory(size_bytes); }

  /// The ids alone, from the first row on.
  QueryRows ids() { return table_.select(id_.expression); }

  [[noreturn]] void fail_null_id(std::size_t row) const;

  /// Makes rows [first, end) readable, and those before `first` no longer. Throws DataError where there are fewer.
  void advance(std::size_t first, std::size_t end);
  /// Reads on by one chunk; false at the end of the table.
  bool advance_chunk();
  std::size_t end_row() const { return end_row_; }  ///< rows below it were reached

  /// The embedding of a readable row into `out`; false where it has none. Thread-safe. Throws DataError.
  bool read(std::size_t index, std::size_t row, std::span<float> out) const;

  /// The id of a readable row: id_text where has_text_ids(), else id_integer. Throws DataError for null.
  std::int64_t id_integer(std::size_t row) const;
  std::string_view id_text(std::size_t row) const;

 private:
  struct Column {
    std::string name;
    ListColumn list;
    std::size_t width = 0;
  };
  struct ColumnChunk {
    ColumnView lists;
    ColumnView present;
    ColumnView elements;
  };
  struct Chunk {
    RowChunk rows;
    ColumnView ids;
    std::vector<ColumnChunk> columns;
    std::size_t first_row;
  };

  void open(std::size_t first);
  const Chunk& chunk_of(std::size_t row) const;
  void check_id(const Chunk& chunk, std::size_t row) const;
  template <class T>
  bool read_list(const Column& column, const ColumnChunk& chunk, std::size_t place, std::span<float> out,
                 std::string& complaint) const;

  TableSource table_;
  IdColumn id_;
  std::vector<Column> columns_;
  bool zero_is_missing_;
  std::unique_ptr<QueryRows> rows_;
  std::size_t first_of_query_ = 0;
  std::size_t end_row_ = 0;
  std::deque<Chunk> chunks_;
};

}  // namespace neume::data
