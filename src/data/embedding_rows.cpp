#include "data/embedding_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "data/embedding_checks.hpp"
#include "data/npy.hpp"

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

  /// The next row, to be filled by the caller.
  std::span<float> append() {
    if (size_ == blocks_.size() * block_rows_) blocks_.emplace_back(block_rows_, width_);
    const std::size_t row = size_++;
    return blocks_.back().row(row % block_rows_);
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

/// Looks at rows [begin, end): marks the all-zero ones and returns the first unusable value.
std::optional<Position> inspect(const NpyFile& file, std::size_t begin, std::size_t end,
                                std::vector<std::uint8_t>& is_zero) {
  std::vector<float> values(file.cols());
  for (std::size_t row = begin; row < end; ++row) {
    file.read_row(row, values);
    if (const auto col = first_unusable(std::span<const float>(values))) return Position{row, *col};
    is_zero[row] = all_zero(std::span<const float>(values)) ? 1 : 0;
  }
  return std::nullopt;
}

std::vector<std::uint8_t> find_zero_rows(const std::filesystem::path& path, const NpyFile& file) {
  std::vector<std::uint8_t> is_zero(file.rows());
  std::vector<std::optional<Position>> unusable(base::num_chunks(file.rows(), kValidateRows));
  base::parallel_for(unusable.size(), [&](std::size_t chunk) {
    const std::size_t end = std::min(file.rows(), (chunk + 1) * kValidateRows);
    unusable[chunk] = inspect(file, chunk * kValidateRows, end, is_zero);
  });
  const auto first = std::ranges::find_if(unusable, [](const auto& position) { return position.has_value(); });
  if (first != unusable.end()) {
    const auto [row, col] = **first;
    throw DataError(fmt::format("{}: row {} (0-based), item {}, column {}: {}", path.string(), row, row, col,
                                describe_unusable(file.value(row, col))));
  }
  return is_zero;
}

/// Collects the rows of a table.
class TableLoader {
 public:
  TableLoader(const TableSource& table, std::string column, IdColumn id, bool zero_is_missing)
      : table_(table), column_(std::move(column)), id_(std::move(id)), zero_is_missing_(zero_is_missing) {}

  /// Columns of the chunk: id, list, whether there is a value at all.
  template <class T>
  void add(const QueryRows& rows) {
    const ColumnView id = rows.column(0);
    const ColumnView lists = rows.column(1);
    const ColumnView present = rows.column(2);
    const ColumnView elements = lists.elements();
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      row_ = rows.first_row() + i;
      add_id(id, i);
      if (!present.values<bool>()[i]) {
        stored_row_.push_back(-1);
      } else if (!lists.is_valid(i)) {
        fail("expected a list of numbers, found text that is none");
      } else {
        add_list<T>(elements, lists.list(i));
      }
    }
  }

  LoadedRows finish() {
    if (stored_row_.empty())
      throw DataError(fmt::format("{}: the table is empty: expected at least one row", table_.path()));
    if (!rows_ || rows_->size() == 0) fail_without_embedding(fmt::format("{}: column {}", table_.path(), column_));
    ItemIds ids = id_.is_text ? ItemIds(std::move(texts_)) : ItemIds(std::move(integers_));
    return {std::move(ids), std::move(stored_row_), width_, std::move(rows_)};
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    const std::string item = id_.is_text ? texts_.back() : std::to_string(integers_.back());
    throw DataError(
        fmt::format("{}: column {}: row {} (0-based), item {}: {}", table_.path(), column_, row_, item, what));
  }

  void add_id(const ColumnView& id, std::size_t i) {
    if (!id.is_valid(i)) {
      throw DataError(
          fmt::format("{}: column {}: row {} (0-based): expected an id, found null", table_.path(), id_.name, row_));
    }
    if (id_.is_text) {
      texts_.emplace_back(id.text(i));
    } else {
      integers_.push_back(id.values<std::int64_t>()[i]);
    }
  }

  template <class T>
  void add_list(const ColumnView& elements, duckdb_list_entry place) {
    const std::span<const T> values(elements.values<T>() + place.offset, place.length);
    if (!rows_) {
      if (values.empty()) fail("expected at least one number, found an empty list");
      width_ = values.size();
      rows_ = std::make_unique<BlockRows>(width_);
    }
    if (values.size() != width_) {
      fail(fmt::format("expected {} numbers as in the rows before, found {}", width_, values.size()));
    }
    for (std::size_t j = 0; j < width_; ++j) {
      if (!elements.is_valid(place.offset + j)) fail(fmt::format("expected a number at place {}, found null", j));
    }
    if (const auto bad = first_unusable(values)) {
      fail(fmt::format("at place {} {}", *bad, describe_unusable(static_cast<double>(values[*bad]))));
    }
    if (zero_is_missing_ && all_zero(values)) {
      stored_row_.push_back(-1);
      return;
    }
    stored_row_.push_back(static_cast<std::int64_t>(rows_->size()));
    std::ranges::transform(values, rows_->append().begin(), [](T value) { return static_cast<float>(value); });
  }

  const TableSource& table_;
  std::string column_;
  IdColumn id_;
  bool zero_is_missing_;
  std::size_t row_ = 0;
  std::size_t width_ = 0;
  std::unique_ptr<BlockRows> rows_;
  ItemIds::Integers integers_;
  ItemIds::Texts texts_;
  std::vector<std::int64_t> stored_row_;
};

}  // namespace

LoadedRows load_npy(const std::filesystem::path& path, bool zero_is_missing) {
  auto rows = std::make_unique<NpyRows>(path);
  const NpyFile& file = rows->file();
  const auto is_zero = find_zero_rows(path, file);
  LoadedRows loaded{ItemIds::row_numbers(file.rows()), {}, file.cols(), nullptr};
  loaded.stored_row = loaded.ids.integers();
  if (zero_is_missing) {
    if (std::ranges::all_of(is_zero, [](std::uint8_t zero) { return zero != 0; }))
      fail_without_embedding(path.string());
    for (std::size_t row = 0; row < file.rows(); ++row) {
      if (is_zero[row] != 0) loaded.stored_row[row] = -1;
    }
  }
  loaded.rows = std::move(rows);
  return loaded;
}

LoadedRows load_table(TableSource& table, const std::string& column, const CatalogueOptions& options) {
  const TableColumn& found = table.column(column, "name the column after the ':' of the source");
  const IdColumn id = IdColumn::of(table, options.item_column, kItemColumnAdvice);
  const ListColumn list = list_column(table, found);
  TableLoader loader(table, found.name, id, options.zero_is_missing);
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

}  // namespace neume::data
