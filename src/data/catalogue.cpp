#include "data/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "data/embedding_checks.hpp"
#include "data/embedding_rows.hpp"
#include "data/id_index.hpp"
#include "data/npy.hpp"
#include "data/table_source.hpp"

namespace neume::data {

namespace {

constexpr std::size_t kGatherRows = 256;

bool equal_ignoring_case(const std::string& a, const std::string& b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool may_be_in_file_name(unsigned char c) {
  return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
}

LoadedRows load(const SourcePath& source, const CatalogueOptions& options) {
  check_expression(source);
  if (source.kind == FileKind::npy) return load_npy(source.path, options);
  return read_table(source, [&](TableSource& table) { return load_table(table, source.expression, options); });
}

/// Adds the ids of one source to the catalogue's. Returns, for every item so far, the place of its embedding in the
/// source's rows, or -1.
std::vector<std::int64_t> place_rows(const std::string& path, const LoadedRows& loaded, IdIndex& index) {
  constexpr std::int64_t kUnseen = -2;
  const auto number_of = [&](std::size_t row) { return loaded.source_row.empty() ? row : loaded.source_row[row]; };
  std::vector<std::int64_t> row_of_item(index.size(), kUnseen);
  std::vector<std::size_t> source_row(index.size(), 0);
  for (std::size_t row = 0; row < loaded.ids.size(); ++row) {
    if (loaded.ids.is_text() && !index.can_hold(loaded.ids.texts()[row])) {
      throw DataError(
          fmt::format("{}: row {} (0-based): expected an integer id like those of the other modalities, "
                      "found \"{}\"",
                      path, number_of(row), loaded.ids.texts()[row]));
    }
    const std::size_t item = index.find_or_add(loaded.ids, row);
    if (item >= row_of_item.size()) {
      row_of_item.resize(item + 1, kUnseen);
      source_row.resize(item + 1, 0);
    }
    if (row_of_item[item] != kUnseen) {
      throw DataError(fmt::format("{}: item {} occurs twice: in rows {} and {} (0-based); expected every item once",
                                  path, loaded.ids.name(row), source_row[item], number_of(row)));
    }
    row_of_item[item] = loaded.stored_row[row];
    source_row[item] = number_of(row);
  }
  std::ranges::replace(row_of_item, kUnseen, std::int64_t{-1});
  return row_of_item;
}

}  // namespace

void check_modality_names(std::span<const ModalitySource> sources) {
  if (sources.empty()) throw InvalidArgument("expected at least one modality NAME=SOURCE, found none");
  for (std::size_t i = 0; i < sources.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (equal_ignoring_case(sources[i].name, sources[j].name)) {
        throw InvalidArgument(fmt::format("two modalities are called {} and {}; give each its own name",
                                          sources[j].name, sources[i].name));
      }
    }
  }
}

void check_expression(const SourcePath& source) {
  if (source.kind == FileKind::npy && !source.expression.empty())
    throw InvalidArgument(fmt::format("{}: an NPY file has no columns, found :{}", source.path, source.expression));
  if (source.kind != FileKind::npy && source.expression.empty())
    throw InvalidArgument(
        fmt::format("{}: which column holds the embeddings? Write {}:COLUMN", source.path, source.path));
}

void check_same_num_rows(const SourcePath& first, std::size_t first_rows, const SourcePath& second,
                         std::size_t second_rows) {
  if (first_rows == second_rows) return;
  throw DataError(
      fmt::format("{} has {} rows, but {} has {}: expected the same number, because row i of every NPY file "
                  "is item i; use tables with an item_id column where items are missing",
                  second.path, second_rows, first.path, first_rows));
}

ModalitySource ModalitySource::parse(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    throw InvalidArgument(
        fmt::format("modality \"{}\": expected NAME=SOURCE, for example text=items.parquet:text", text));
  }
  const std::string name = text.substr(0, equals);
  const bool is_file_name = name[0] != '.' && std::ranges::all_of(name, may_be_in_file_name);
  if (!is_file_name) {
    throw InvalidArgument(
        fmt::format("modality \"{}\": the name becomes a file name: expected letters, digits, '_', '-' "
                    "and '.' (not first), found \"{}\"",
                    text, name));
  }
  for (const char* reserved : {"joint", "item", "item_id"}) {
    if (equal_ignoring_case(name, reserved)) {
      throw InvalidArgument(
          fmt::format("modality \"{}\": the name {} is taken by neume itself; choose another", text, reserved));
    }
  }
  return {name, text.substr(equals + 1)};
}

Modality::Modality(std::string name, std::size_t width, std::unique_ptr<Rows> rows,
                   std::vector<std::int64_t> row_of_item)
    : name_(std::move(name)), width_(width), rows_(std::move(rows)), row_of_item_(std::move(row_of_item)) {}

std::size_t Modality::num_embeddings() const {
  return static_cast<std::size_t>(std::ranges::count_if(row_of_item_, [](std::int64_t row) { return row >= 0; }));
}

void Modality::gather(std::span<const std::uint32_t> items, MatrixView out) const {
  if (out.rows != items.size() || out.cols != width_) {
    throw InternalError(fmt::format("modality {}: {} items of width {} do not fit {} x {}", name_, items.size(), width_,
                                    out.rows, out.cols));
  }
  base::parallel_for(base::num_chunks(items.size(), kGatherRows), [&](std::size_t chunk) {
    const std::size_t end = std::min(items.size(), (chunk + 1) * kGatherRows);
    for (std::size_t i = chunk * kGatherRows; i < end; ++i) {
      if (items[i] >= num_items() || !has(items[i])) {
        throw InternalError(fmt::format("modality {}: item row {} has no embedding", name_, items[i]));
      }
      rows_->read(static_cast<std::size_t>(row_of_item_[items[i]]), out.row(i));
    }
  });
}

const Modality* Catalogue::find(const std::string& name) const {
  const auto found = std::ranges::find_if(modalities, [&](const Modality& m) { return m.name() == name; });
  return found == modalities.end() ? nullptr : &*found;
}

namespace {

std::vector<const Modality*> find_all(const Catalogue& catalogue, std::span<const std::string> names) {
  std::vector<const Modality*> result;
  for (const auto& name : names) {
    result.push_back(catalogue.find(name));
    if (result.back() == nullptr) throw InvalidArgument(fmt::format("there is no modality {}", name));
  }
  return result;
}

}  // namespace

std::vector<std::uint32_t> Catalogue::items_with(std::span<const std::string> names) const {
  const auto wanted = find_all(*this, names);
  std::vector<std::uint32_t> result;
  for (std::size_t item = 0; item < items.size(); ++item) {
    const bool complete = std::ranges::all_of(wanted, [&](const Modality* m) { return m->has(item); });
    if (complete) result.push_back(static_cast<std::uint32_t>(item));
  }
  return result;
}

Matrix Catalogue::gather(std::span<const std::string> names, std::span<const std::uint32_t> rows) const {
  const auto wanted = find_all(*this, names);
  std::size_t width = 0;
  for (const Modality* modality : wanted) width += modality->width();
  Matrix result(rows.size(), width);
  std::size_t column = 0;
  for (const Modality* modality : wanted) {
    modality->gather(rows, {result.data() + column, rows.size(), modality->width(), width});
    column += modality->width();
  }
  return result;
}

Catalogue open_catalogue(std::span<const ModalitySource> sources, const CatalogueOptions& options) {
  check_modality_names(sources);
  std::vector<SourcePath> paths;
  std::vector<LoadedRows> loaded;
  std::size_t first_npy = sources.size();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    paths.push_back(SourcePath::parse(sources[i].source));
    loaded.push_back(load(paths[i], options));
    if (paths[i].kind != FileKind::npy) continue;
    if (first_npy == sources.size()) first_npy = i;
    check_same_num_rows(paths[first_npy], loaded[first_npy].source_rows, paths[i], loaded[i].source_rows);
  }
  IdIndex index;
  std::vector<std::vector<std::int64_t>> places;
  for (std::size_t i = 0; i < sources.size(); ++i) places.push_back(place_rows(paths[i].path, loaded[i], index));
  Catalogue catalogue;
  catalogue.items = index.ids();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    places[i].resize(index.size(), -1);
    catalogue.modalities.emplace_back(sources[i].name, loaded[i].width, std::move(loaded[i].rows),
                                      std::move(places[i]));
    catalogue.source_sizes.push_back(loaded[i].source_embeddings);
  }
  return catalogue;
}

std::vector<std::size_t> modality_widths(std::span<const ModalitySource> sources) {
  check_modality_names(sources);
  std::vector<std::size_t> widths;
  for (const ModalitySource& modality : sources) {
    const SourcePath source = SourcePath::parse(modality.source);
    check_expression(source);
    if (source.kind == FileKind::npy) {
      widths.push_back(NpyFile(source.path).cols());
      continue;
    }
    widths.push_back(read_table(source, [&](TableSource& table) { return width_of_table(table, source.expression); }));
  }
  return widths;
}

}  // namespace neume::data
