#include "data/embedding_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "data/embedding_checks.hpp"
#include "data/npy.hpp"
#include "data/row_sample.hpp"

namespace neume::data {

namespace {

constexpr std::size_t kValidateRows = 1024;
constexpr std::size_t kBlockBytes = std::size_t{4} << 20;

class NpyRows : public Modality::Rows {
 public:
  explicit NpyRows(const std::filesystem::path& path) : file_(path) {}
  void read(std::size_t row, std::span<float> out) const override { file_.read_row(row, out); }
  const NpyFile& file() const { return file_; }

 private:
  NpyFile file_;
};

/// Rows of a table, in blocks: nothing is copied when the table turns out to be longer.
class BlockRows : public Modality::Rows {
 public:
  explicit BlockRows(std::size_t width)
      : width_(width), block_rows_(std::bit_floor(std::max<std::size_t>(1, kBlockBytes / (width * sizeof(float))))) {}

  /// A row to be filled by the caller: one that there is, or the next one.
  std::span<float> at(std::size_t row) {
    if (row == blocks_.size() * block_rows_) blocks_.emplace_back(block_rows_, width_);
    if (row == size_) ++size_;
    return blocks_[row / block_rows_].row(row % block_rows_);
  }

  void read(std::size_t row, std::span<float> out) const override {
    std::ranges::copy(blocks_[row / block_rows_].row(row % block_rows_), out.begin());
  }

  std::size_t size() const { return size_; }

 private:
  std::size_t width_;
  std::size_t block_rows_;
  std::size_t size_ = 0;
  std::vector<Matrix> blocks_;
};

struct Position {
  std::size_t row;
  std::size_t col;
};

/// Looks at some rows: returns the first unusable value, and marks the all-zero ones.
std::optional<Position> inspect(const NpyFile& file, std::span<const std::int64_t> rows,
                                std::span<std::uint8_t> is_zero) {
  std::vector<float> values(file.cols());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(rows[i]);
    file.read_row(row, values);
    if (const auto col = first_unusable(std::span<const float>(values))) return Position{row, *col};
    is_zero[i] = all_zero(std::span<const float>(values)) ? 1 : 0;
  }
  return std::nullopt;
}

/// By place in `rows`, which rise: whether the row is all-zero.
std::vector<std::uint8_t> find_zero_rows(const std::filesystem::path& path, const NpyFile& file,
                                         std::span<const std::int64_t> rows) {
  std::vector<std::uint8_t> is_zero(rows.size());
  std::vector<std::optional<Position>> unusable(base::num_chunks(rows.size(), kValidateRows));
  base::parallel_for(unusable.size(), [&](std::size_t chunk) {
    const std::size_t begin = chunk * kValidateRows, count = std::min(kValidateRows, rows.size() - begin);
    unusable[chunk] = inspect(file, rows.subspan(begin, count), std::span(is_zero).subspan(begin, count));
  });
  const auto first = std::ranges::find_if(unusable, [](const auto& position) { return position.has_value(); });
  if (first != unusable.end()) {
    const auto [row, col] = **first;
    throw DataError(fmt::format("{}: row {} (0-based), item {}, column {}: {}", path.string(), row, row, col,
                                describe_unusable(file.value(row, col))));
  }
  return is_zero;
}

/// Numbers of the rows to read, rising: all of them, or a sample of those with an embedding. `num_embeddings` becomes
/// the number of these where a sample was drawn.
std::vector<std::int64_t> draw_rows(const NpyFile& file, const CatalogueOptions& options, std::size_t& num_embeddings) {
  std::vector<std::int64_t> all(file.rows());
  std::iota(all.begin(), all.end(), 0);
  if (options.sample == 0 || options.sample >= file.rows()) return all;
  RowSample sample(options.sample);
  std::vector<std::int64_t> drawn;
  std::vector<float> values(file.cols());
  for (const std::int64_t row : all) {
    if (options.zero_is_missing) {
      file.read_row(static_cast<std::size_t>(row), values);
      if (all_zero(std::span<const float>(values))) continue;
    }
    const auto place = sample.offer(sample_key(row, options.sample_seed), drawn.size());
    if (!place) continue;
    if (*place == drawn.size()) drawn.emplace_back();
    drawn[*place] = row;
  }
  if (sample.has_all()) return all;
  num_embeddings = sample.num_offered();
  std::ranges::sort(drawn);
  return drawn;
}

/// Collects the rows of a table, or a sample of them.
class TableLoader {
 public:
  TableLoader(const TableSource& table, std::string column, IdColumn id, const CatalogueOptions& options)
      : table_(table), column_(std::move(column)), id_(std::move(id)), options_(options), sample_(options.sample) {}

  /// Columns of the chunk: id, list, whether there is a value at all.
  template <class T>
  void add(const QueryRows& rows) {
    const ColumnView id = rows.column(0);
    const ColumnView lists = rows.column(1);
    const ColumnView present = rows.column(2);
    const ColumnView elements = lists.elements();
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      row_ = rows.first_row() + i;
      read_id(id, i);
      if (!present.values<bool>()[i]) {
        add_without_embedding();
      } else if (!lists.is_valid(i)) {
        fail("expected a list of numbers, found text that is none");
      } else {
        add_list<T>(elements, lists.list(i));
      }
    }
    num_rows_ += rows.num_rows();
  }

  LoadedRows finish() {
    if (num_rows_ == 0)
      throw DataError(fmt::format("{}: the table is empty: expected at least one row", table_.path()));
    if (!rows_ || rows_->size() == 0) fail_without_embedding(fmt::format("{}: column {}", table_.path(), column_));
    LoadedRows loaded;
    if (!sample_.has_all()) keep_sample_in_order();
    if (options_.sample > 0) loaded.source_row = std::move(source_row_);
    loaded.ids = id_.is_text ? ItemIds(std::move(texts_)) : ItemIds(std::move(integers_));
    loaded.stored_row = std::move(stored_row_);
    loaded.width = width_;
    loaded.rows = std::move(rows_);
    loaded.source_rows = num_rows_;
    loaded.source_embeddings = sample_.num_offered();
    return loaded;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    const std::string item = id_.is_text ? std::string(text_) : std::to_string(integer_);
    throw DataError(
        fmt::format("{}: column {}: row {} (0-based), item {}: {}", table_.path(), column_, row_, item, what));
  }

  void read_id(const ColumnView& id, std::size_t i) {
    if (!id.is_valid(i)) {
      throw DataError(
          fmt::format("{}: column {}: row {} (0-based): expected an id, found null", table_.path(), id_.name, row_));
    }
    if (id_.is_text) {
      text_ = id.text(i);
    } else {
      integer_ = id.values<std::int64_t>()[i];
    }
  }

  void add_without_embedding() {
    if (sample_.has_all()) put(stored_row_.size(), -1);
  }

  /// Puts the row at hand at `place`, which is taken or the next one.
  void put(std::size_t place, std::int64_t stored_row) {
    if (place == stored_row_.size()) {
      stored_row_.emplace_back();
      if (options_.sample > 0) source_row_.emplace_back();
      if (id_.is_text) {
        texts_.emplace_back();
      } else {
        integers_.emplace_back();
      }
    }
    stored_row_[place] = stored_row;
    if (options_.sample > 0) source_row_[place] = row_;
    if (id_.is_text) {
      texts_[place] = text_;
    } else {
      integers_[place] = integer_;
    }
  }

  /// Throws unless the list is an embedding as wide as those before.
  template <class T>
  void check(const ColumnView& elements, duckdb_list_entry list, std::span<const T> values) {
    if (!rows_ && !values.empty()) {
      width_ = values.size();
      rows_ = std::make_unique<BlockRows>(width_);
    }
    const std::string complaint = complaint_of_list(values, elements, list.offset, width_);
    if (!complaint.empty()) fail(complaint);
  }

  template <class T>
  void add_list(const ColumnView& elements, duckdb_list_entry list) {
    const std::span<const T> values(elements.values<T>() + list.offset, list.length);
    check<T>(elements, list, values);
    if (options_.zero_is_missing && all_zero(values)) return add_without_embedding();
    const std::uint64_t key =
        id_.is_text ? sample_key(text_, options_.sample_seed) : sample_key(integer_, options_.sample_seed);
    const auto place = sample_.offer(key, stored_row_.size());
    if (!place) return;
    const bool is_free = *place == stored_row_.size();
    const std::size_t stored = is_free ? rows_->size() : static_cast<std::size_t>(stored_row_[*place]);
    put(*place, static_cast<std::int64_t>(stored));
    std::ranges::transform(values, rows_->at(stored).begin(), [](T value) { return static_cast<float>(value); });
  }

  /// Drops the rows without an embedding, and sorts the others by their place in the table.
  void keep_sample_in_order() {
    std::vector<std::size_t> order;
    for (std::size_t place = 0; place < stored_row_.size(); ++place)
      if (stored_row_[place] >= 0) order.push_back(place);
    std::ranges::sort(order, {}, [&](std::size_t place) { return source_row_[place]; });
    const auto reorder = [&](auto& values) {
      std::remove_reference_t<decltype(values)> sorted;
      sorted.reserve(order.size());
      for (const std::size_t place : order) sorted.push_back(std::move(values[place]));
      values = std::move(sorted);
    };
    reorder(stored_row_);
    reorder(source_row_);
    if (id_.is_text) {
      reorder(texts_);
    } else {
      reorder(integers_);
    }
  }

  const TableSource& table_;
  std::string column_;
  IdColumn id_;
  CatalogueOptions options_;
  RowSample sample_;
  std::size_t num_rows_ = 0;
  std::size_t row_ = 0;  // at hand: its number and its id
  std::int64_t integer_ = 0;
  std::string_view text_;
  std::size_t width_ = 0;
  std::unique_ptr<BlockRows> rows_;
  ItemIds::Integers integers_;
  ItemIds::Texts texts_;
  std::vector<std::int64_t> stored_row_;
  std::vector<std::size_t> source_row_;  // empty where all rows are read
};

}  // namespace

LoadedRows load_npy(const std::filesystem::path& path, const CatalogueOptions& options) {
  auto rows = std::make_unique<NpyRows>(path);
  const NpyFile& file = rows->file();
  LoadedRows loaded;
  loaded.source_rows = file.rows();
  loaded.source_embeddings = file.rows();
  loaded.stored_row = draw_rows(file, options, loaded.source_embeddings);
  const auto is_zero = find_zero_rows(path, file, loaded.stored_row);
  loaded.ids = ItemIds(loaded.stored_row);
  loaded.width = file.cols();
  if (options.zero_is_missing) {
    if (std::ranges::all_of(is_zero, [](std::uint8_t zero) { return zero != 0; }))
      fail_without_embedding(path.string());
    for (std::size_t i = 0; i < is_zero.size(); ++i) {
      if (is_zero[i] != 0) loaded.stored_row[i] = -1;
    }
    if (loaded.stored_row.size() == file.rows())
      loaded.source_embeddings -= static_cast<std::size_t>(std::ranges::count(is_zero, 1));
  }
  loaded.rows = std::move(rows);
  return loaded;
}

LoadedRows load_table(TableSource& table, const std::string& column, const CatalogueOptions& options) {
  const TableColumn& found = table.column(column, "name the column after the ':' of the source");
  const IdColumn id = IdColumn::of(table, options.item_column, kItemColumnAdvice);
  const ListColumn list = list_column(table, found);
  TableLoader loader(table, found.name, id, options);
  QueryRows rows =
      table.select(fmt::format("{}, {}, {} IS NOT NULL", id.expression, list.expression, sql_name(found.name)));
  while (rows.next()) {
    if (list.is_double) {
      loader.add<double>(rows);
    } else {
      loader.add<float>(rows);
    }
  }
  return loader.finish();
}

std::size_t width_of_table(TableSource& table, const std::string& column) {
  const TableColumn& found = table.column(column, "name the column after the ':' of the source");
  const ListColumn list = list_column(table, found);
  const std::optional<std::size_t> width = width_of_lists(table, list);
  if (!width) fail_without_embedding(fmt::format("{}: column {}", table.path(), column));
  return *width;
}

}  // namespace neume::data
