#include "ab_logs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <neume/error.hpp>

#include "data/table_source.hpp"

namespace neume::app {

namespace {

using data::sql_name;
using data::sql_text;

/// A folder stands for the files of `kind` that a server writes there.
std::string files_of(const std::string& path, const std::string& kind) {
  std::error_code status;
  if (!std::filesystem::is_directory(path, status)) return path;
  return (std::filesystem::path(path) / (kind + "-*.parquet")).string();
}

data::TableSource open_events(const AbQuestion& question) {
  const data::SourcePath path = data::SourcePath::parse(files_of(question.events, "events"));
  if (!path.expression.empty()) {
    throw InvalidArgument(fmt::format("--events {}: expected a table without ':{}'; --event-time tells the time",
                                      question.events, path.expression));
  }
  data::TableSource events(path, data::TypeSample::whole_file);
  const std::string advice = "events need user_id, item_id and a time";
  for (const char* name : {"user_id", "item_id"}) events.column(name, advice);
  if (question.event_time == "time_ms") {
    events.column("time_ms", "or give an SQL expression of milliseconds since 1970 as --event-time");
  }
  const std::string type = events.describe(question.event_time).type;
  if (!events.describe(question.event_time).is_number()) {
    throw DataError(
        fmt::format("{}: --event-time {}: expected a number, milliseconds since 1970, found {}; epoch_ms(x) "
                    "makes one of a TIMESTAMP",
                    events.path(), question.event_time, type));
  }
  return events;
}

/// Throws DataError unless the files have the columns of docs/formats/exposures.md. Returns them as a table of SQL.
std::string exposures_table(const AbQuestion& question) {
  const std::string path = files_of(question.exposures, "exposures");
  data::TableSource exposures({path, "", data::FileKind::parquet}, data::TypeSample::whole_file);
  for (const char* name : {"time_ms", "experiment", "variant", "user_id", "item_ids"}) {
    exposures.column(name, "expected an exposure log of neume serve");
  }
  return fmt::format("read_parquet({}, binary_as_string = true)", sql_text(path));
}

std::vector<std::string> experiments_of(data::TableSource& source, const std::string& exposures) {
  std::vector<std::string> experiments;
  auto rows = source.query(fmt::format("SELECT DISTINCT experiment FROM {} ORDER BY experiment", exposures));
  while (rows.next()) {
    for (std::size_t i = 0; i < rows.num_rows(); ++i) experiments.emplace_back(rows.column(0).text(i));
  }
  return experiments;
}

std::string choose_experiment(const std::vector<std::string>& found, const AbQuestion& question) {
  if (found.empty()) throw DataError(fmt::format("{}: no exposure in it", question.exposures));
  if (question.experiment.empty() && found.size() == 1) return found.front();
  if (std::ranges::find(found, question.experiment) != found.end()) return question.experiment;
  throw DataError(fmt::format("{}: expected --experiment to be one of {}, found {}", question.exposures,
                              fmt::join(found, ", "), question.experiment.empty() ? "none" : question.experiment));
}

/// The tables that both queries read. `shown`: exposures of users with a name; `users`: one row each, with the number
/// of variants that the user saw.
std::string common_tables(const std::string& exposures, const std::string& experiment) {
  return fmt::format(
      "WITH shown AS (SELECT user_id, variant, time_ms, item_ids FROM {} WHERE experiment = {} AND user_id <> ''), "
      "users AS (SELECT user_id, min(variant) AS variant, count(DISTINCT variant) AS variants, "
      "count(*) AS exposures, sum(len(item_ids)) AS items FROM shown GROUP BY user_id)",
      exposures, sql_text(experiment));
}

std::string variants_query(const std::string& common, data::TableSource& events, const AbQuestion& question) {
  const data::TableColumn* label = events.find("label");
  const std::string liked = label == nullptr ? "true" : fmt::format("CAST({} AS BOOLEAN)", sql_name(label->name));
  // ASOF JOIN gives each event the latest exposure of its user and item that is not after it.
  return fmt::format(
      "{}, items AS (SELECT user_id, time_ms, unnest(item_ids) AS item_id FROM shown), "
      "positives AS (SELECT CAST(user_id AS VARCHAR) AS user_id, CAST(item_id AS VARCHAR) AS item_id, "
      "CAST(({}) AS BIGINT) AS time_ms FROM source WHERE {}), "
      "attributed AS (SELECT p.user_id, count(*) AS y FROM positives p ASOF JOIN items i ON p.user_id = i.user_id "
      "AND p.item_id = i.item_id AND p.time_ms >= i.time_ms WHERE p.time_ms - i.time_ms <= {} GROUP BY p.user_id), "
      "sums AS (SELECT variant, items, exposures AS x, coalesce(y, 0) AS y FROM users LEFT JOIN attributed "
      "USING (user_id) WHERE variants = 1) "
      "SELECT variant, CAST(sum(items) AS BIGINT), CAST(count(*) AS DOUBLE), CAST(sum(y) AS DOUBLE), "
      "CAST(sum(x) AS DOUBLE), CAST(sum(y * y) AS DOUBLE), CAST(sum(x * x) AS DOUBLE), CAST(sum(x * y) AS DOUBLE) "
      "FROM sums GROUP BY variant ORDER BY variant",
      common, question.event_time, liked, std::llround(question.within_seconds * 1000.0));
}

std::vector<AbVariant> read_variants(data::QueryRows rows) {
  std::vector<AbVariant> variants;
  while (rows.next()) {
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      const auto sum = [&](std::size_t column) { return rows.column(column).values<double>()[i]; };
      variants.push_back({std::string(rows.column(0).text(i)),
                          {sum(2), sum(3), sum(4), sum(5), sum(6), sum(7)},
                          rows.column(1).values<std::int64_t>()[i]});
    }
  }
  return variants;
}

/// The whole numbers of a query with one row.
std::vector<std::int64_t> read_counts(data::QueryRows rows, std::size_t columns) {
  std::vector<std::int64_t> counts;
  if (!rows.next()) throw InternalError("a query of counts gave no row");
  for (std::size_t c = 0; c < columns; ++c) counts.push_back(rows.column(c).values<std::int64_t>()[0]);
  return counts;
}

}  // namespace

AbTotals read_ab_totals(const AbQuestion& question) {
  const std::string exposures = exposures_table(question);
  data::TableSource events = open_events(question);
  AbTotals totals;
  totals.experiment = choose_experiment(experiments_of(events, exposures), question);
  const std::string common = common_tables(exposures, totals.experiment);
  totals.variants = read_variants(events.query(variants_query(common, events, question)));
  const auto several = read_counts(
      events.query(common +
                   " SELECT count(*), CAST(coalesce(sum(exposures), 0) AS BIGINT) FROM users WHERE variants > 1"),
      2);
  totals.users_in_several = several[0];
  totals.exposures_in_several = several[1];
  totals.exposures_without_user =
      read_counts(events.query(fmt::format("SELECT count(*) FROM {} WHERE experiment = {} AND user_id = ''", exposures,
                                           sql_text(totals.experiment))),
                  1)[0];
  return totals;
}

}  // namespace neume::app
