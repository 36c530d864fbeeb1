#include "data/catalogue_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/embedding_checks.hpp"
#include "data/row_file.hpp"
#include "data/row_places.hpp"
#include "data/table_stream.hpp"

namespace neume::data {

namespace {

constexpr std::size_t kStretchBytes = std::size_t{64} << 20;
constexpr std::size_t kLeastParquetBytes = std::size_t{400} << 20;  // see TableSource::limit_memory
constexpr std::size_t kLeastTextBytes = std::size_t{192} << 20;     // DuckDB takes 32 MiB a thread and more for buffers
constexpr std::size_t kMostStretchItems = 16384;
constexpr std::size_t kFewestStretchItems = 128;
// Of an array of ids, slots or places that stays in memory: about two arrays of 8 bytes an item come together.
constexpr std::size_t kBytesAnItem = 16;
constexpr std::size_t kReportRows = std::size_t{1} << 17;

/// Files and what is read from them. Modalities of one table are one source.
struct Source {
  explicit Source(const base::SpillPolicy& policy) : places(policy) {}

  SourcePath path;
  std::vector<std::size_t> modalities;
  RowPlaces places;
  std::unique_ptr<TableStream> table;  ///< of a table, until all its rows were put aside

  bool is_npy() const { return path.kind == FileKind::npy; }
};

struct StreamedModality {
  std::string name;
  std::string place;  ///< file, and column, for messages
  std::size_t width = 0;
  std::size_t source = 0;
  std::size_t column = 0;       ///< among the source's columns
  std::optional<RowFile> file;  ///< NPY, or rows put aside (which begin with NaN where there is no embedding)
};

/// A modality that is read by position, in the form that Catalogue knows.
class FileRows : public Modality::Rows {
 public:
  explicit FileRows(const RowFile& file) : file_(file) {}
  void read(std::size_t row, std::span<float> out) const override {
    file_.read(row, {out.data(), 1, out.size(), out.size()});
  }

 private:
  const RowFile& file_;
};

/// The files of a source, wildcards resolved, with sizes and times.
std::string describe_files(const SourcePath& path) {
  std::vector<std::string> files{path.path};
  if (path.path.find_first_of("*?[") != std::string::npos) {
    files.clear();
    Database database(path.path);
    QueryRows rows = database.query(fmt::format("SELECT file FROM glob({}) ORDER BY file", sql_text(path.path)));
    while (rows.next())
      for (std::size_t i = 0; i < rows.num_rows(); ++i) files.emplace_back(rows.column(0).text(i));
  }
  std::string text;
  for (const std::string& file : files) {
    const auto changed = std::filesystem::last_write_time(file).time_since_epoch();
    text += fmt::format("{}|{}|{}\n", std::filesystem::absolute(file).string(), std::filesystem::file_size(file),
                        std::chrono::duration_cast<std::chrono::nanoseconds>(changed).count());
  }
  return text;
}

}  // namespace

class CatalogueStream::Impl {
 public:
  Impl(std::span<const ModalitySource> sources, const StreamOptions& options, const ProgressFn& progress)
      : options_(options),
        progress_(progress),
        policy_{options.folder, std::max<std::size_t>(1, options.memory_bytes / 2 / kBytesAnItem)},
        items_(policy_) {
    check_modality_names(sources);
    for (const ModalitySource& source : sources) add_modality(source);
    for (Source& source : sources_) open(source);
    const bool all_npy = std::ranges::all_of(sources_, &Source::is_npy);
    for (Source& source : sources_) {
      if (!source.is_npy()) {
        place_table(source);
      } else if (all_npy) {
        items_.set_row_numbers(rows_of_npy(source));
        source.places.set_identity(rows_of_npy(source));
      } else {
        place_row_numbers(source);
      }
    }
    std::size_t item_bytes = 0;
    for (const StreamedModality& modality : modalities_) item_bytes += modality.width * sizeof(float);
    stretch_items_ = std::clamp(std::bit_floor(kStretchBytes / item_bytes), kFewestStretchItems, kMostStretchItems);
  }

  const StreamedItems& items() const { return items_; }
  const std::vector<StreamedModality>& modalities() const { return modalities_; }
  std::size_t stretch_items() const { return stretch_items_; }

  void advance(std::size_t first, std::size_t count) {
    for (Source& source : sources_) {
      if (!source.table) continue;
      std::optional<std::size_t> begin, end;
      for (std::size_t item = first; item < first + count; ++item) {
        const auto row = source.places.row_of(item);
        if (!row) continue;
        if (!begin) begin = row;
        end = *row + 1;
      }
      if (begin) source.table->advance(*begin, *end);
    }
  }

  void read(std::size_t modality, std::size_t first, MatrixView rows, std::span<std::uint8_t> present) const {
    const StreamedModality& found = modalities_[modality];
    if (found.file) {
      read_file(found, first, rows, present);
      return;
    }
    const Source& source = sources_[found.source];
    for (std::size_t i = 0; i < rows.rows; ++i) {
      const auto row = source.places.row_of(first + i);
      present[i] = row && source.table->read(found.column, *row, rows.row(i)) ? 1 : 0;
    }
  }

  std::string fingerprint() const {
    base::PieceHash hash;
    hash.add(fmt::format("{}|{}\n", options_.catalogue.item_column, options_.catalogue.zero_is_missing));
    for (const StreamedModality& modality : modalities_)
      hash.add(fmt::format("{}|{}|{}\n", modality.name, modality.place, modality.width));
    for (const Source& source : sources_) hash.add(describe_files(source.path));
    return hash.fingerprint();
  }

  Catalogue catalogue() const {
    Catalogue catalogue{items_.in_memory(), {}};
    for (const StreamedModality& modality : modalities_) {
      if (!modality.file) throw InternalError("a catalogue of a stream that is not read by position");
      std::vector<std::int64_t> row_of_item(items_.size(), -1);
      for (std::size_t item = 0; item < items_.size(); ++item)
        if (const auto row = sources_[modality.source].places.row_of(item))
          row_of_item[item] = static_cast<std::int64_t>(*row);
      catalogue.modalities.emplace_back(modality.name, modality.width, std::make_unique<FileRows>(*modality.file),
                                        std::move(row_of_item));
    }
    return catalogue;
  }

 private:
  void add_modality(const ModalitySource& given) {
    const SourcePath path = SourcePath::parse(given.source);
    const bool is_npy = path.kind == FileKind::npy;
    check_expression(path);
    StreamedModality modality{given.name, path.path, 0, sources_.size(), 0, std::nullopt};
    if (!is_npy) {
      modality.place = fmt::format("{}: column {}", path.path, path.expression);
      const auto same = std::ranges::find_if(sources_, [&](const Source& s) { return s.path.path == path.path; });
      modality.source = static_cast<std::size_t>(same - sources_.begin());
    }
    if (modality.source == sources_.size()) sources_.emplace_back(policy_).path = path;
    Source& source = sources_[modality.source];
    modality.column = source.modalities.size();
    source.modalities.push_back(modalities_.size());
    columns_.resize(sources_.size());
    columns_[modality.source].push_back(path.expression);
    modalities_.push_back(std::move(modality));
  }

  void open(Source& source) {
    if (source.is_npy()) {
      StreamedModality& modality = modalities_[source.modalities[0]];
      modality.file.emplace(RowFile::of_npy(source.path.path));
      modality.width = modality.file->cols();
      check_same_num_rows(source);
      return;
    }
    const std::size_t index = static_cast<std::size_t>(&source - sources_.data());
    const auto num_tables = sources_.size() - std::ranges::count_if(sources_, &Source::is_npy);
    source.table = std::make_unique<TableStream>(source.path, columns_[index], options_.catalogue.item_column,
                                                 options_.catalogue.zero_is_missing);
    const std::size_t least = source.path.kind == FileKind::parquet ? kLeastParquetBytes : kLeastTextBytes;
    source.table->limit_memory(std::max(least, options_.memory_bytes / 2 / num_tables));
    for (const std::size_t m : source.modalities) modalities_[m].width = source.table->width(modalities_[m].column);
  }

  std::size_t rows_of_npy(const Source& source) const { return modalities_[source.modalities[0]].file->rows(); }

  void check_same_num_rows(const Source& source) const {
    const auto first = std::ranges::find_if(sources_, &Source::is_npy);
    data::check_same_num_rows(first->path, rows_of_npy(*first), source.path, rows_of_npy(source));
  }

  void place_row_numbers(Source& source) {
    std::size_t next = 0;
    for (std::size_t row = 0; row < rows_of_npy(source); ++row) {
      next = items_.place(static_cast<std::int64_t>(row), next);
      source.places.add(next++);
    }
  }

  void place_table(Source& source) {
    if (source.path.kind != FileKind::parquet) {
      put_aside(source, true);
      return;
    }
    place_ids(source);
    for (const std::size_t m : source.modalities)
      if (modalities_[m].width == 0) fail_width(source, modalities_[m]);
    if (options_.by_position || !source.places.in_order()) put_aside(source, false);
  }

  void place_ids(Source& source) {
    QueryRows rows = source.table->ids();
    std::size_t next = 0;
    while (rows.next()) {
      const ColumnView ids = rows.column(0);
      for (std::size_t i = 0; i < rows.num_rows(); ++i) {
        const std::size_t row = rows.first_row() + i;
        if (!ids.is_valid(i)) source.table->fail_null_id(row);
        next = source.table->has_text_ids() ? place(source, ids.text(i), row, next)
                                            : place(source, ids.values<std::int64_t>()[i], row, next);
      }
      report("read ids", source.places.num_rows());
    }
  }

  /// Places one row's id; returns the item behind it, the likely next one.
  template <class Id>
  std::size_t place(Source& source, Id id, std::size_t row, std::size_t next) {
    if constexpr (std::is_same_v<Id, std::string_view>) {
      if (!items_.can_hold(id))
        throw DataError(
            fmt::format("{}: row {} (0-based): expected an integer id like those of the other modalities, found \"{}\"",
                        source.path.path, row, id));
    }
    const std::size_t item = items_.place(id, next);
    if (const auto earlier = source.places.add(item))
      throw DataError(fmt::format("{}: item {} occurs twice: in rows {} and {} (0-based); expected every item once",
                                  source.path.path, id, *earlier, row));
    return item + 1;
  }

  /// Reads all embeddings of a table into files without names; with_ids: and places its rows.
  void put_aside(Source& source, bool with_ids) {
    TableStream& table = *source.table;
    std::vector<std::optional<RowSpool>> spools(source.modalities.size());
    std::size_t row = 0, next = 0;
    while (table.advance_chunk()) {
      for (; row < table.end_row(); ++row) {
        if (with_ids)
          next = table.has_text_ids() ? place(source, table.id_text(row), row, next)
                                      : place(source, table.id_integer(row), row, next);
        for (std::size_t c = 0; c < spools.size(); ++c) put_aside(source, c, row, spools[c]);
      }
      table.advance(row, row);
      report("read", row);
    }
    for (std::size_t c = 0; c < spools.size(); ++c) {
      StreamedModality& modality = modalities_[source.modalities[c]];
      if (!spools[c]) fail_without_embedding(modality.place);
      modality.file.emplace(spools[c]->finish());
    }
    source.table.reset();
  }

  void put_aside(const Source& source, std::size_t column, std::size_t row, std::optional<RowSpool>& spool) {
    const std::size_t width = source.table->width(column);
    if (!spool && width > 0) spool.emplace(options_.folder, width);
    const std::span<float> out = spool ? spool->append() : std::span<float>();
    if (!source.table->read(column, row, out)) {
      if (!out.empty()) out[0] = std::numeric_limits<float>::quiet_NaN();
    }
  }

  /// For a column in which no list of numbers was found: the message about the first row that is wrong.
  [[noreturn]] void fail_width(Source& source, const StreamedModality& modality) {
    std::size_t row = 0;
    while (source.table->advance_chunk()) {
      for (; row < source.table->end_row(); ++row) source.table->read(modality.column, row, {});
      source.table->advance(row, row);
    }
    fail_without_embedding(modality.place);
  }

  void read_file(const StreamedModality& modality, std::size_t first, MatrixView rows,
                 std::span<std::uint8_t> present) const {
    const Source& source = sources_[modality.source];
    for (std::size_t i = 0; i < rows.rows;) {
      const auto row = source.places.row_of(first + i);
      std::size_t end = i + 1;
      while (row && end < rows.rows && source.places.row_of(first + end) == *row + (end - i)) ++end;
      if (row) modality.file->read(*row, rows.slice(i, end));
      for (std::size_t j = i; j < end; ++j)
        present[j] = row && has_embedding(source, modality, *row + (j - i), rows.row(j)) ? 1 : 0;
      i = end;
    }
  }

  bool has_embedding(const Source& source, const StreamedModality& modality, std::size_t row,
                     std::span<const float> values) const {
    if (!source.is_npy()) return !std::isnan(values[0]);
    if (const auto bad = first_unusable(values))
      throw DataError(fmt::format("{}: row {} (0-based), item {}, column {}: {}", modality.place, row, row, *bad,
                                  describe_unusable(modality.file->value(row, *bad))));
    return !(options_.catalogue.zero_is_missing && all_zero(values));
  }

  void report(const char* stage, std::size_t rows) {
    if (!progress_ || rows - reported_ < kReportRows) return;
    reported_ = rows;
    progress_({stage, static_cast<std::int64_t>(rows), 0, "rows", {}});
  }

  StreamOptions options_;
  ProgressFn progress_;
  base::SpillPolicy policy_;
  StreamedItems items_;
  std::vector<Source> sources_;
  std::vector<std::vector<std::string>> columns_;  // by source
  std::vector<StreamedModality> modalities_;
  std::size_t stretch_items_ = 0;
  std::size_t reported_ = 0;
};

CatalogueStream::CatalogueStream(std::span<const ModalitySource> sources, const StreamOptions& options,
                                 const ProgressFn& progress)
    : impl_(std::make_unique<Impl>(sources, options, progress)) {}
CatalogueStream::~CatalogueStream() = default;
CatalogueStream::CatalogueStream(CatalogueStream&&) noexcept = default;

const StreamedItems& CatalogueStream::items() const {
  return impl_->items();
}
std::size_t CatalogueStream::num_modalities() const {
  return impl_->modalities().size();
}
const std::string& CatalogueStream::name(std::size_t modality) const {
  return impl_->modalities()[modality].name;
}
std::size_t CatalogueStream::width(std::size_t modality) const {
  return impl_->modalities()[modality].width;
}
std::size_t CatalogueStream::stretch_items() const {
  return impl_->stretch_items();
}
void CatalogueStream::advance(std::size_t first, std::size_t count) {
  impl_->advance(first, count);
}
void CatalogueStream::read(std::size_t modality, std::size_t first, MatrixView rows,
                           std::span<std::uint8_t> present) const {
  impl_->read(modality, first, rows, present);
}
void CatalogueStream::check_present(std::size_t modality, std::size_t num_present) const {
  if (num_present == 0) fail_without_embedding(impl_->modalities()[modality].place);
}
std::string CatalogueStream::fingerprint() const {
  return impl_->fingerprint();
}
Catalogue CatalogueStream::catalogue() const {
  return impl_->catalogue();
}

}  // namespace neume::data
