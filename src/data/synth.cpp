#include "data/synth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "base/range_check.hpp"
#include "data/options_json.hpp"
#include "data/synth_catalogue.hpp"
#include "data/synth_log.hpp"
#include "data/table_writer.hpp"

namespace neume::data {

namespace {

using Path = std::filesystem::path;
using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;
constexpr std::size_t kBatchItems = 1 << 16;
constexpr std::size_t kBatchRows = 1 << 18;

void report(const ProgressFn& progress, std::string_view stage, std::size_t done, std::size_t total,
            std::string_view unit) {
  if (progress) progress({stage, static_cast<std::int64_t>(done), static_cast<std::int64_t>(total), unit, ""});
}

/// value_of(begin), ..., value_of(end - 1).
template <class ValueOf>
auto column_of(std::size_t begin, std::size_t end, const ValueOf& value_of) {
  std::vector<std::decay_t<decltype(value_of(begin))>> values;
  values.reserve(end - begin);
  for (std::size_t i = begin; i < end; ++i) values.push_back(value_of(i));
  return values;
}

template <class T>
ColumnData as_column(const std::vector<T>& values) {
  return ColumnData(std::span<const T>(values));
}

void append_items(TableWriter& writer, const SynthCatalogue& catalogue, std::size_t begin, std::size_t end) {
  const auto ids = column_of(begin, end, [&](std::size_t i) { return catalogue.id(i); });
  const auto titles = column_of(begin, end, [&](std::size_t i) { return catalogue.title(i); });
  const auto has_audio =
      column_of(begin, end, [&](std::size_t i) { return static_cast<std::uint8_t>(catalogue.has_audio(i)); });
  const auto released = column_of(begin, end, [&](std::size_t i) { return catalogue.released(i); });
  Matrix text(end - begin, catalogue.options().text_width);
  Matrix audio(end - begin, catalogue.options().audio_width);
  catalogue.text(begin, text.view());
  catalogue.audio(begin, audio.view());
  const ConstMatrixView text_rows = text.view();
  const ConstMatrixView audio_rows = audio.view();
  writer.append(std::array<ColumnData, 5>{as_column(ids), as_column(titles), ColumnData(text_rows),
                                          ColumnData(audio_rows, has_audio), as_column(released)});
}

void write_items(const SynthCatalogue& catalogue, const Path& path, const ProgressFn& progress) {
  TableWriter writer({{"item_id", ColumnType::int64},
                      {"title", ColumnType::text},
                      {"text", ColumnType::float_list},
                      {"audio", ColumnType::float_list},
                      {"released", ColumnType::int64}});
  for (std::size_t begin = 0; begin < catalogue.size(); begin += kBatchItems) {
    const std::size_t end = std::min(catalogue.size(), begin + kBatchItems);
    append_items(writer, catalogue, begin, end);
    report(progress, "items", end, catalogue.size(), "items");
  }
  writer.finish(path);
}

void write_truth(const SynthCatalogue& catalogue, const Path& path) {
  TableWriter writer({{"item_id", ColumnType::int64},
                      {"genre", ColumnType::text},
                      {"style", ColumnType::text},
                      {"sound", ColumnType::text},
                      {"popularity", ColumnType::float64}});
  for (std::size_t begin = 0; begin < catalogue.size(); begin += kBatchItems) {
    const std::size_t end = std::min(catalogue.size(), begin + kBatchItems);
    const auto ids = column_of(begin, end, [&](std::size_t i) { return catalogue.id(i); });
    const auto genres = column_of(begin, end, [&](std::size_t i) { return catalogue.genre_name(i); });
    const auto styles = column_of(begin, end, [&](std::size_t i) { return catalogue.style_name(i); });
    const auto sounds = column_of(begin, end, [&](std::size_t i) { return catalogue.sound_name(i); });
    const auto popularity = column_of(begin, end, [&](std::size_t i) { return catalogue.popularity(i); });
    writer.append(std::array<ColumnData, 5>{as_column(ids), as_column(genres), as_column(styles), as_column(sounds),
                                            as_column(popularity)});
  }
  writer.finish(path);
}

/// The set as it is being written: the log, and the catalogue for the items' ids.
struct Source {
  const SynthCatalogue& catalogue;
  const SynthLog& log;

  // Ids in the files start at 1.
  std::int64_t user_id(std::size_t row) const { return static_cast<std::int64_t>(log.user(row)) + 1; }
  std::int64_t item_id(std::size_t row) const { return catalogue.id(log.item(row)); }
};

struct RowRange {
  std::size_t begin;
  std::size_t end;
};

SynthSplit write_split(const Source& source, RowRange range, const Path& path, const ProgressFn& progress) {
  TableWriter writer({{"user_id", ColumnType::int64},
                      {"item_id", ColumnType::int64},
                      {"timestamp", ColumnType::int64},
                      {"label", ColumnType::uint8}});
  const std::string stage = path.stem().string();
  SynthSplit split;
  for (std::size_t begin = range.begin; begin < range.end; begin += kBatchRows) {
    const std::size_t end = std::min(range.end, begin + kBatchRows);
    const auto users = column_of(begin, end, [&](std::size_t row) { return source.user_id(row); });
    const auto items = column_of(begin, end, [&](std::size_t row) { return source.item_id(row); });
    const auto times = column_of(begin, end, [&](std::size_t row) { return source.log.timestamp(row); });
    const auto labels = column_of(begin, end, [&](std::size_t row) { return source.log.label(row); });
    writer.append(std::array<ColumnData, 4>{as_column(users), as_column(items), as_column(times), as_column(labels)});
    for (std::size_t row = begin; row < end; ++row) {
      split.positives += source.log.label(row);
      split.cold_rows += source.catalogue.is_cold(source.log.item(row)) ? 1U : 0U;
    }
    report(progress, stage, end - range.begin, range.end - range.begin, "rows");
  }
  split.rows = range.end - range.begin;
  writer.finish(path);
  return split;
}

void write_truth_of_test(const Source& source, const Path& path) {
  TableWriter writer(
      {{"user_id", ColumnType::int64}, {"item_id", ColumnType::int64}, {"probability", ColumnType::float64}});
  for (std::size_t begin = source.log.validation_end(); begin < source.log.size(); begin += kBatchRows) {
    const std::size_t end = std::min(source.log.size(), begin + kBatchRows);
    const auto users = column_of(begin, end, [&](std::size_t row) { return source.user_id(row); });
    const auto items = column_of(begin, end, [&](std::size_t row) { return source.item_id(row); });
    const auto probabilities = column_of(begin, end, [&](std::size_t row) { return source.log.probability(row); });
    writer.append(std::array<ColumnData, 3>{as_column(users), as_column(items), as_column(probabilities)});
  }
  writer.finish(path);
}

Json to_json(const SynthSplit& split) {
  return {{"rows", split.rows},
          {"positives", split.positives},
          {"base_rate", static_cast<double>(split.positives) / static_cast<double>(split.rows)},
          {"cold_rows", split.cold_rows}};
}

Json manifest_of(const SynthOptions& options, const SynthSummary& summary) {
  Json manifest{{"format", "neume-synth"}, {"version", kFormatVersion}, {"neume", NEUME_VERSION}};
  manifest["options"] = options_to_json(options);
  manifest["items"] = {
      {"count", options.items}, {"cold", summary.cold_items}, {"without_audio", summary.items_without_audio}};
  manifest["users"] = {{"count", options.users}};
  manifest["log"] = {
      {"train", to_json(summary.train)}, {"validation", to_json(summary.validation)}, {"test", to_json(summary.test)}};
  return manifest;
}

/// An older set in the folder must not look finished while its files are being replaced.
void remove_manifest(const Path& path) {
  std::error_code status;
  std::filesystem::remove(path, status);
  if (status) throw DataError(fmt::format("{}: cannot remove the old manifest: {}", path.string(), status.message()));
}

}  // namespace

void SynthOptions::validate() const {
  SynthOptions copy = *this;
  copy.describe(base::RangeCheck{});
}

SynthSummary write_synthetic_set(const SynthOptions& options, const Path& folder, const ProgressFn& progress) {
  options.validate();
  const Path manifest = folder / "manifest.json";
  remove_manifest(manifest);
  const SynthCatalogue catalogue(options);
  SynthSummary summary;
  for (std::size_t item = 0; item < catalogue.size(); ++item) {
    summary.cold_items += catalogue.is_cold(item) ? 1U : 0U;
    summary.items_without_audio += catalogue.has_audio(item) ? 0U : 1U;
  }
  write_items(catalogue, folder / "items.parquet", progress);
  write_truth(catalogue, folder / "truth.parquet");

  const SynthLog log(catalogue, progress);
  const Source source{catalogue, log};
  summary.train = write_split(source, {0, log.train_end()}, folder / "train.parquet", progress);
  summary.validation =
      write_split(source, {log.train_end(), log.validation_end()}, folder / "validation.parquet", progress);
  summary.test = write_split(source, {log.validation_end(), log.size()}, folder / "test.parquet", progress);
  write_truth_of_test(source, folder / "truth_test.parquet");
  base::write_file(manifest, manifest_of(options, summary).dump(2) + "\n");
  return summary;
}

}  // namespace neume::data
