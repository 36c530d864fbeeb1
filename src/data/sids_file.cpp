#include "data/sids_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/id_index.hpp"
#include "data/sids_origin.hpp"
#include "data/table_source.hpp"
#include "data/table_writer.hpp"

namespace neume::data {

namespace {

using Json = nlohmann::ordered_json;
using Path = std::filesystem::path;

constexpr const char* kFormat = "neume-sids";
constexpr int kVersion = 1;
constexpr const char* kMetadataKey = "neume";
constexpr const char* kItemColumn = "item_id";
constexpr std::size_t kMaxCodebookSize = kNoCode;

constexpr std::size_t kItemsAtOnce = 16384;

/// Some items of a SidsSource.
class SidsRows {
 public:
  explicit SidsRows(const SidsSource& source) : source_(source), codes_(source.families()) {
    valid_.resize(codes_.size());
  }

  void read(std::size_t first, std::size_t count) {
    if (source_.has_text_ids()) {
      texts_.resize(count);
      source_.read_ids(first, std::span<std::string>(texts_));
    } else {
      integers_.resize(count);
      source_.read_ids(first, std::span<std::int64_t>(integers_));
    }
    for (std::size_t f = 0; f < codes_.size(); ++f) {
      codes_[f].codes.resize(count * codes_[f].num_layers());
      source_.read_codes(f, first, codes_[f].codes);
      valid_[f].resize(count);
      for (std::size_t i = 0; i < count; ++i) valid_[f][i] = codes_[f].has(i) ? 1 : 0;
    }
  }

  const std::vector<std::string>& texts() const { return texts_; }
  const std::vector<std::int64_t>& integers() const { return integers_; }
  const std::vector<CodeFamily>& families() const { return codes_; }
  const std::vector<std::uint8_t>& valid(std::size_t family) const { return valid_[family]; }

 private:
  const SidsSource& source_;
  std::vector<std::string> texts_;
  std::vector<std::int64_t> integers_;
  std::vector<CodeFamily> codes_;  // of these items
  std::vector<std::vector<std::uint8_t>> valid_;
};

/// Calls work(first item, rows) for all items, some at a time.
template <class Work>
void for_all_items(const SidsSource& sids, const Work& work) {
  SidsRows rows(sids);
  for (std::size_t first = 0; first < sids.num_items(); first += kItemsAtOnce) {
    rows.read(first, std::min(kItemsAtOnce, sids.num_items() - first));
    work(first, rows);
  }
}

/// Throws InvalidArgument for a code that does not fit its layer; item 0 of `family` is item `first` of all.
void check_codes(const CodeFamily& family, std::size_t first) {
  const std::size_t layers = family.num_layers();
  for (std::size_t i = 0; i < family.codes.size(); ++i) {
    const Code code = family.codes[i];
    if (family.has(i / layers) ? code < family.codebook_sizes[i % layers] : code == kNoCode) continue;
    throw InvalidArgument(fmt::format("family {}: item row {}: code {} does not fit layer {} of {} codes", family.name,
                                      first + i / layers, code, i % layers, family.codebook_sizes[i % layers]));
  }
}

/// Hash of the ids and all codes: a damaged file must not be read as another catalogue. Checks the codes as well.
std::string content_fingerprint(const SidsSource& sids) {
  base::PieceHash ids;
  std::vector<base::PieceHash> codes(sids.families().size());
  for_all_items(sids, [&](std::size_t first, const SidsRows& rows) {
    for (const auto& id : rows.texts()) ids.add(fmt::format("{}:{}", id.size(), id));
    ids.add(std::as_bytes(std::span(rows.integers())));
    for (std::size_t f = 0; f < codes.size(); ++f) {
      check_codes(rows.families()[f], first);
      codes[f].add(std::as_bytes(std::span(rows.families()[f].codes)));
    }
  });
  std::string parts = ids.fingerprint();
  for (const auto& family : codes) parts += family.fingerprint();
  return base::fingerprint(std::as_bytes(std::span(parts)));
}

void add_origin(const CodeOrigin& origin, Json& family) {
  family["codebook"] = origin.codebook;
  family["beam"] = origin.beam;
  family["resolve"] = origin.resolve;
  family["added_from"] = origin.added_from;
}

/// Nothing where the family does not tell.
std::optional<CodeOrigin> origin_of(const Json& family) {
  if (!family.contains("codebook")) return std::nullopt;
  return CodeOrigin{family.at("codebook").get<std::string>(), family.at("beam").get<std::size_t>(),
                    family.at("resolve").get<std::string>(), family.at("added_from").get<std::vector<std::size_t>>()};
}

std::string metadata_of(const SidsSource& sids, const std::vector<CodeOrigin>& origins) {
  Json metadata{{"format", kFormat}, {"version", kVersion}, {"families", Json::array()}};
  for (std::size_t f = 0; f < sids.families().size(); ++f) {
    const CodeFamily& family = sids.families()[f];
    metadata["families"].push_back({{"name", family.name}, {"codebook_sizes", family.codebook_sizes}});
    if (!origins.empty()) add_origin(origins[f], metadata["families"].back());
  }
  metadata["content"] = content_fingerprint(sids);
  return metadata.dump();
}

[[noreturn]] void fail(const Path& path, const std::string& what) {
  throw DataError(fmt::format("{}: not a sound sids file: {}; write it anew with neume encode", path.string(), what));
}

/// What the key-value metadata promise.
struct Promise {
  std::vector<CodeFamily> families;  ///< without codes
  std::vector<CodeOrigin> origins;   ///< of all families or of none
  std::string content;
};

Promise parse_metadata(const Path& path, const std::string& text) {
  Promise promise;
  try {
    const Json metadata = Json::parse(text);
    if (metadata.at("format") != kFormat || metadata.at("version") != kVersion) {
      fail(path, fmt::format("expected format {} version {}, found {} version {}", kFormat, kVersion,
                             metadata.at("format").dump(), metadata.at("version").dump()));
    }
    promise.content = metadata.at("content").get<std::string>();
    for (const Json& family : metadata.at("families")) {
      promise.families.push_back(
          {family.at("name").get<std::string>(), family.at("codebook_sizes").get<std::vector<std::size_t>>(), {}});
      if (const auto origin = origin_of(family)) promise.origins.push_back(*origin);
      const auto& sizes = promise.families.back().codebook_sizes;
      const bool sound =
          !sizes.empty() && std::ranges::all_of(sizes, [](std::size_t k) { return k >= 1 && k <= kMaxCodebookSize; });
      if (!sound) fail(path, fmt::format("family {}: codebook sizes out of range", promise.families.back().name));
    }
  } catch (const Json::exception& error) {
    fail(path, fmt::format("its metadata are broken: {}", error.what()));
  }
  if (promise.families.empty()) fail(path, "expected at least one code family, found none");
  if (!promise.origins.empty() && promise.origins.size() != promise.families.size())
    fail(path, "expected the codebook of every family or of none");
  return promise;
}

Promise read_metadata(TableSource& table, const Path& path) {
  QueryRows rows = table.query(fmt::format("SELECT decode(value) FROM parquet_kv_metadata({}) WHERE decode(key) = {}",
                                           sql_text(path.string()), sql_text(kMetadataKey)));
  std::optional<std::string> text;
  while (rows.next()) text = std::string(rows.column(0).text(0));
  if (!text) fail(path, "expected key-value metadata under the key neume, found none");
  return parse_metadata(path, *text);
}

/// Collects the rows of a sids table.
class SidsReader {
 public:
  SidsReader(const Path& path, std::vector<CodeFamily> families, bool has_text_ids)
      : path_(path), families_(std::move(families)), has_text_ids_(has_text_ids) {}

  void add(const QueryRows& rows) {
    const ColumnView id = rows.column(0);
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      row_ = rows.first_row() + i;
      if (!id.is_valid(i)) fail_row("expected an item id, found null");
      const std::size_t place =
          has_text_ids_ ? index_.find_or_add(id.text(i)) : index_.find_or_add(id.values<std::int64_t>()[i]);
      if (place != row_) fail_row(fmt::format("item {} stands in row {} already", index_.ids().name(place), place));
    }
    for (std::size_t f = 0; f < families_.size(); ++f) add_family(rows, rows.column(f + 1), families_[f]);
  }

  SemanticIds finish() { return {index_.ids(), std::move(families_)}; }

 private:
  [[noreturn]] void fail_row(const std::string& what) const {
    fail(path_, fmt::format("row {} (0-based): {}", row_, what));
  }

  void add_family(const QueryRows& rows, const ColumnView& lists, CodeFamily& family) {
    const std::size_t layers = family.num_layers();
    const ColumnView elements = lists.elements();
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      row_ = rows.first_row() + i;
      if (!lists.is_valid(i)) {
        family.codes.insert(family.codes.end(), layers, kNoCode);
        continue;
      }
      const auto [offset, length] = lists.list(i);
      if (length != layers) fail_row(fmt::format("{}: expected {} codes, found {}", family.name, layers, length));
      for (std::size_t layer = 0; layer < layers; ++layer) {
        const bool has = elements.is_valid(offset + layer);
        const Code code = has ? elements.values<Code>()[offset + layer] : kNoCode;
        if (code >= family.codebook_sizes[layer]) {
          fail_row(fmt::format("{}: layer {}: expected a code below {}, found {}", family.name, layer,
                               family.codebook_sizes[layer], has ? std::to_string(code) : "null"));
        }
        family.codes.push_back(code);
      }
    }
  }

  const Path& path_;
  std::vector<CodeFamily> families_;
  bool has_text_ids_;
  IdIndex index_;
  std::size_t row_ = 0;
};

/// A file of another kind gets a plainer message than DuckDB's.
void check_magic(const Path& path) {
  const base::MappedFile file(path);
  constexpr std::string_view kParquetMagic = "PAR1";
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (!bytes.starts_with(kParquetMagic)) {
    fail(path, "expected a sids.parquet as neume encode writes it, found a file that is not Parquet");
  }
}

/// Appends the line of the i-th item of `rows`.
void add_json_line(const SidsRows& rows, std::size_t i, std::string& out) {
  const Json id = rows.texts().empty() ? Json(rows.integers()[i]) : Json(rows.texts()[i]);
  out += fmt::format("{{\"item\": {}", id.dump());
  for (const auto& family : rows.families()) {
    out += fmt::format(", {}: ", Json(family.name).dump());
    if (!family.has(i)) {
      out += "null";
      continue;
    }
    const auto codes = family.of(i);
    for (std::size_t layer = 0; layer < codes.size(); ++layer) {
      out += fmt::format("{}\"<{}_{}>\"", layer == 0 ? "[" : ", ", static_cast<char>('a' + layer), codes[layer]);
    }
    out += "]";
  }
  out += "}\n";
}

}  // namespace

SidsInMemory::SidsInMemory(const SemanticIds& sids) : sids_(sids) {
  for (const auto& family : sids.families) {
    if (family.num_layers() == 0 || family.codes.size() != sids.items.size() * family.num_layers())
      throw InvalidArgument(fmt::format("family {}: expected {} items x {} layers of codes, found {}", family.name,
                                        sids.items.size(), family.num_layers(), family.codes.size()));
    families_.push_back({family.name, family.codebook_sizes, {}});
  }
}

void SidsInMemory::read_ids(std::size_t first, std::span<std::int64_t> out) const {
  std::copy_n(sids_.items.integers().data() + first, out.size(), out.data());
}

void SidsInMemory::read_ids(std::size_t first, std::span<std::string> out) const {
  std::copy_n(sids_.items.texts().data() + first, out.size(), out.data());
}

void SidsInMemory::read_codes(std::size_t family, std::size_t first, std::span<Code> out) const {
  const CodeFamily& found = sids_.families[family];
  std::copy_n(found.codes.data() + first * found.num_layers(), out.size(), out.data());
}

void write_semantic_ids(const Path& path, const SemanticIds& sids) {
  write_semantic_ids(path, SidsInMemory(sids), {});
}

void write_semantic_ids(const Path& path, const SemanticIds& sids, const std::vector<CodeOrigin>& origins) {
  write_semantic_ids(path, SidsInMemory(sids), origins);
}

void write_semantic_ids(const Path& path, const SidsSource& sids) {
  write_semantic_ids(path, sids, {});
}

void write_semantic_ids(const Path& path, const SidsSource& sids, const std::vector<CodeOrigin>& origins) {
  if (!origins.empty() && origins.size() != sids.families().size())
    throw InvalidArgument(
        fmt::format("semantic IDs of {} families with {} origins", sids.families().size(), origins.size()));
  if (sids.families().empty()) throw InvalidArgument("semantic IDs need at least one code family");
  std::vector<ColumnSpec> specs{{kItemColumn, sids.has_text_ids() ? ColumnType::text : ColumnType::int64}};
  for (const auto& family : sids.families()) specs.push_back({family.name, ColumnType::code_list});
  SidsRows rows(sids);
  const auto supply = [&](std::size_t first, std::size_t count) {
    rows.read(first, count);
    std::vector<ColumnData> columns;
    if (sids.has_text_ids()) {
      columns.emplace_back(std::span<const std::string>(rows.texts()));
    } else {
      columns.emplace_back(std::span<const std::int64_t>(rows.integers()));
    }
    for (std::size_t f = 0; f < rows.families().size(); ++f) {
      const CodeFamily& family = rows.families()[f];
      columns.emplace_back(CodeRows{family.codes, family.num_layers()}, rows.valid(f));
    }
    return columns;
  };
  write_table(path, specs, sids.num_items(), supply, {{kMetadataKey, metadata_of(sids, origins)}});
}

std::vector<CodeOrigin> read_origins(const Path& path) {
  if (std::filesystem::exists(path)) check_magic(path);
  TableSource table({path.string(), "", FileKind::parquet}, TypeSample::whole_file);
  return read_metadata(table, path).origins;
}

SemanticIds read_semantic_ids(const Path& path) {
  if (std::filesystem::exists(path)) check_magic(path);
  TableSource table({path.string(), "", FileKind::parquet}, TypeSample::whole_file);
  Promise promise = read_metadata(table, path);
  const IdColumn id = IdColumn::of(table, kItemColumn, "write the file anew with neume encode");
  std::string select_list = id.expression;
  for (const auto& family : promise.families) {
    const TableColumn& column = table.column(family.name, "write the file anew with neume encode");
    if (column.type != "USMALLINT[]") {
      fail(path, fmt::format("column {}: expected USMALLINT[], found {}", column.name, column.type));
    }
    select_list += ", " + sql_name(column.name);
  }
  SidsReader reader(path, std::move(promise.families), id.is_text);
  QueryRows rows = table.select(select_list);
  while (rows.next()) reader.add(rows);
  SemanticIds sids = reader.finish();
  const std::string found = content_fingerprint(SidsInMemory(sids));
  if (found != promise.content) {
    fail(path, fmt::format("expected content with the fingerprint {}, found {}: it was changed after it was written",
                           promise.content, found));
  }
  return sids;
}

void write_semantic_ids_json(const Path& path, const SemanticIds& sids) {
  write_semantic_ids_json(path, SidsInMemory(sids));
}

void write_semantic_ids_json(const Path& path, const SidsSource& sids) {
  constexpr std::size_t kMaxLayers = 26;  // letters of the alphabet
  for (const auto& family : sids.families())
    if (family.num_layers() > kMaxLayers) throw InvalidArgument(fmt::format("family {}: too many layers", family.name));
  base::write_atomically(path, [&](const Path& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    std::string lines;
    for_all_items(sids, [&](std::size_t first, const SidsRows& rows) {
      lines.clear();
      for (const auto& family : rows.families()) check_codes(family, first);
      const std::size_t count = std::max(rows.texts().size(), rows.integers().size());
      for (std::size_t i = 0; i < count; ++i) add_json_line(rows, i, lines);
      out << lines;
    });
    out.close();
    if (!out) throw DataError(fmt::format("{}: cannot write; is the disk full?", path.string()));
  });
}

}  // namespace neume::data
