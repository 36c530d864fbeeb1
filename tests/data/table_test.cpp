// The layer on DuckDB: quoting, sources, and the table writer.

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "base/parallel.hpp"
#include "data/fixture_files.hpp"
#include "data/table_source.hpp"
#include "data/table_writer.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;

class Tables : public testing::DataFiles {
 protected:
  /// The rows of a query over a Parquet file, every column as text, '|' between them.
  static std::vector<std::string> rows_of(const std::string& file, const std::string& select_list) {
    Database database(file);
    QueryRows rows = database.query("SELECT concat_ws('|', " + select_list + ") FROM " + sql_text(file));
    std::vector<std::string> result;
    while (rows.next()) {
      for (std::size_t i = 0; i < rows.num_rows(); ++i) result.emplace_back(rows.column(0).text(i));
    }
    return result;
  }
};

TEST(SourcePath, SplitsAtTheFirstColonAfterTheExtension) {
  const auto check = [](const std::string& source, const std::string& path, const std::string& expression,
                        FileKind kind) {
    const auto found = SourcePath::parse(source);
    EXPECT_EQ(found.path, path);
    EXPECT_EQ(found.expression, expression);
    EXPECT_EQ(found.kind, kind);
  };
  check("x.npy", "x.npy", "", FileKind::npy);
  check("a:b/x.parquet:text", "a:b/x.parquet", "text", FileKind::parquet);
  check("x.csv/y.PARQUET:a:b", "x.csv/y.PARQUET", "a:b", FileKind::parquet);
  check("dir.v2/part-*.csv.gz:tags[1]", "dir.v2/part-*.csv.gz", "tags[1]", FileKind::csv);
  check("x.json", "x.json", "", FileKind::json);
  check("x.jsonl.gz", "x.jsonl.gz", "", FileKind::json);
  check("x.ndjson:e", "x.ndjson", "e", FileKind::json);
  check("x.tsv:split_part(a, ':', 1)", "x.tsv", "split_part(a, ':', 1)", FileKind::tsv);
  check("x.txt", "x.txt", "", FileKind::csv);
  for (const char* bad : {"", "x", "x.parquet.gz", "x.npy.gz", "x.csvx", "csv", "x.feather:a"}) {
    expect_failure<InvalidArgument>([&] { SourcePath::parse(bad); }, {bad, "expected a file that ends in"});
  }
}

TEST(SqlQuoting, DoublesTheQuote) {
  EXPECT_EQ(sql_text("it's"), "'it''s'");
  EXPECT_EQ(sql_name("a \"b\""), "\"a \"\"b\"\"\"");
}

TEST(ShortMessage, IsOneLineWithoutOurSql) {
  EXPECT_EQ(short_message("Binder Error: no\nsuch column\n\nLINE 1: SELECT"), "Binder Error: no; such column");
  EXPECT_EQ(short_message("Parser Error: at end\nLINE 1: SELECT"), "Parser Error: at end");
  EXPECT_EQ(short_message(nullptr), "unknown DuckDB error");
}

TEST_F(Tables, AFailureInTheMiddleOfAQueryIsAnError) {
  Database database("the subject");
  QueryRows rows =
      database.query("SELECT CASE WHEN i = 2900000 THEN error('boom') ELSE i END FROM range(3000000) t(i)");
  EXPECT_TRUE(rows.next());
  const auto read_on = [&] {
    while (rows.next()) {
    }
  };
  expect_failure<DataError>(read_on, {"the subject", "boom"});
  expect_failure<DataError>([&] { database.query("SELECT nothing"); }, {"the subject", "nothing"});
  expect_failure<DataError>([&] { database.execute("SELEC 1"); }, {"the subject", "Parser Error"});
}

TEST_F(Tables, AnExceptionMayLeaveAQueryHalfRead) {
  const auto file = write_parquet("long.parquet", "SELECT i, 'some text ' || i AS t FROM range(300000) t(i)");
  for (int turn = 0; turn < 10; ++turn) {
    const auto read_a_little = [&] {
      Database database(file);
      QueryRows rows = database.query("SELECT * FROM " + sql_text(file));
      EXPECT_TRUE(rows.next());
      throw DataError("found in the first chunk");
    };
    expect_failure<DataError>(read_a_little, {"first chunk"});
  }
}

TEST_F(Tables, RowsComeInOrderForAnyNumberOfThreads) {
  for (const std::size_t threads : {1, 4}) {
    base::set_num_threads(threads);
    const auto file = write_parquet("order.parquet", "SELECT i FROM range(500000) t(i)");
    Database database(file);
    QueryRows rows = database.query("SELECT i FROM " + sql_text(file));
    std::int64_t next = 0;
    while (rows.next()) {
      ASSERT_EQ(rows.first_row(), static_cast<std::size_t>(next));
      for (std::size_t i = 0; i < rows.num_rows(); ++i) ASSERT_EQ(rows.column(0).values<std::int64_t>()[i], next++);
    }
    EXPECT_EQ(next, 500000);
  }
  base::set_num_threads(0);
}

TEST_F(Tables, WritesEveryColumnType) {
  TableWriter writer({{"i", ColumnType::int64},
                      {"u", ColumnType::uint8},
                      {"b", ColumnType::boolean},
                      {"d", ColumnType::float64},
                      {"t", ColumnType::timestamp},
                      {"s p", ColumnType::text},
                      {"f", ColumnType::float_list},
                      {"c", ColumnType::code_list}});
  const std::vector<std::int64_t> integers{1, -2};
  const std::vector<std::uint8_t> bytes{255, 0};
  const std::vector<std::uint8_t> flags{1, 0};
  const std::vector<double> doubles{0.5, -1e300};
  const std::vector<std::int64_t> moments{0, 1'500'000};
  const std::vector<std::string> texts{"short", "é, a text of more than twelve bytes"};
  const std::vector<float> floats{1, 2, 99, 3, 4, 99};  // stride 3, of which 2 columns are written
  const std::vector<std::uint16_t> codes{1, 65535, 3, 4};
  const std::vector<std::uint8_t> second_is_null{1, 0};
  const std::array<ColumnData, 8> columns{ColumnData(integers),
                                          ColumnData(bytes),
                                          ColumnData(flags),
                                          ColumnData(doubles),
                                          ColumnData(moments),
                                          ColumnData(texts),
                                          ColumnData(ConstMatrixView{floats.data(), 2, 2, 3}, second_is_null),
                                          ColumnData(CodeRows{codes, 2})};
  writer.append(columns);
  EXPECT_EQ(writer.num_rows(), 2U);
  writer.finish(path("all.parquet"), {{"it's", "a 'value'"}, {"neume", "{}"}});
  const auto rows = rows_of(path("all.parquet"), "i, u, b, d, t, \"s p\", coalesce(f::VARCHAR, 'null'), c");
  EXPECT_EQ(rows, (std::vector<std::string>{"1|255|true|0.5|1970-01-01 00:00:00|short|[1.0, 2.0]|[1, 65535]",
                                            "-2|0|false|-1e+300|1970-01-01 00:00:01.5|é, a text of more than twelve "
                                            "bytes|null|[3, 4]"}));
  Database database("metadata");
  QueryRows metadata = database.query("SELECT decode(key) || '=' || decode(value) FROM parquet_kv_metadata(" +
                                      sql_text(path("all.parquet")) + ") ORDER BY 1");
  ASSERT_TRUE(metadata.next());
  ASSERT_EQ(metadata.num_rows(), 2U);
  EXPECT_EQ(metadata.column(0).text(0), "it's=a 'value'");
  EXPECT_EQ(metadata.column(0).text(1), "neume={}");
}

TEST_F(Tables, TheSameRowsGiveTheSameBytes) {
  std::vector<std::string> contents;
  for (const std::size_t threads : {1, 2, 4}) {
    for (const std::size_t step : {std::size_t{1'000}, std::size_t{300'000}}) {
      base::set_num_threads(threads);
      TableWriter writer({{"i", ColumnType::int64}, {"f", ColumnType::float_list}});
      for (std::size_t begin = 0; begin < 300'000; begin += step) {
        std::vector<std::int64_t> ids(step);
        Matrix rows(step, 3);
        for (std::size_t i = 0; i < step; ++i) {
          ids[i] = static_cast<std::int64_t>((begin + i) * 7919 % 300'007);
          rows.row(i)[1] = static_cast<float>(ids[i]) * 0.37F;
        }
        writer.append(std::array<ColumnData, 2>{ColumnData(ids), ColumnData(rows.view())});
      }
      writer.finish(path("bytes.parquet"));
      contents.push_back(base::fingerprint_of_file(path("bytes.parquet")));
    }
  }
  base::set_num_threads(0);
  for (const auto& content : contents) EXPECT_EQ(content, contents.front());
}

TEST_F(Tables, WriterRefusesShapesThatDoNotMatch) {
  expect_failure<InvalidArgument>([] { TableWriter writer({}); }, {"at least one column"});
  expect_failure<InvalidArgument>(
      [] {
        TableWriter writer({{"a", ColumnType::text}, {"a", ColumnType::text}});
      },
      {"a"});
  TableWriter writer({{"a", ColumnType::int64}, {"b", ColumnType::float64}});
  const std::vector<std::int64_t> two{1, 2};
  const std::vector<double> three{1, 2, 3};
  const std::vector<double> two_doubles{1, 2};
  const std::vector<std::uint8_t> one_flag{1};
  const auto append = [&](const std::vector<ColumnData>& columns) { writer.append(columns); };
  expect_failure<InvalidArgument>([&] { append({ColumnData(two)}); }, {"expected 2 columns, found 1"});
  expect_failure<InvalidArgument>(
      [&] {
        append({ColumnData(two), ColumnData(three)});
      },
      {"column b", "2 rows", "3 values"});
  expect_failure<InvalidArgument>([&] { append({ColumnData(two), ColumnData(two)}); }, {"column b", "DOUBLE"});
  expect_failure<InvalidArgument>(
      [&] {
        append({ColumnData(two), ColumnData(two_doubles, one_flag)});
      },
      {"1 validity"});
  append({ColumnData(two), ColumnData(two_doubles)});
  writer.finish(path("ok.parquet"));
  EXPECT_EQ(rows_of(path("ok.parquet"), "a, b"), (std::vector<std::string>{"1|1.0", "2|2.0"}));
  expect_failure<InvalidArgument>([&] { append({ColumnData(two), ColumnData(two_doubles)}); }, {"finished"});
  expect_failure<InvalidArgument>([&] { writer.finish(path("again.parquet")); }, {"finished"});
}

TEST_F(Tables, AFailedWriteLeavesTheOldFile) {
  write("file", "old");
  TableWriter writer({{"a", ColumnType::int64}});
  expect_failure<DataError>([&] { writer.finish(path("file/below.parquet")); }, {path("file")});
  EXPECT_EQ(base::read_file(path("file")), "old");
}

TEST_F(Tables, SuppliedRowsAreThoseOfAWriter) {
  constexpr std::size_t kRows = 130'000;  // more than a row group
  std::vector<std::int64_t> ids(kRows);
  std::vector<std::uint16_t> codes(2 * kRows);
  std::vector<std::uint8_t> valid(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    ids[i] = static_cast<std::int64_t>(7 * i);
    codes[2 * i] = static_cast<std::uint16_t>(i % 1000);
    valid[i] = i % 3 != 0;
  }
  const std::vector<ColumnSpec> specs{{"i", ColumnType::int64}, {"c", ColumnType::code_list}};
  const auto supply = [&](std::size_t first, std::size_t count) {
    const CodeRows lists{std::span<const std::uint16_t>(codes).subspan(2 * first, 2 * count), 2};
    return std::vector<ColumnData>{{std::span<const std::int64_t>(ids).subspan(first, count)},
                                   {lists, std::span<const std::uint8_t>(valid).subspan(first, count)}};
  };
  TableWriter writer(specs);
  writer.append(supply(0, kRows));
  writer.finish(path("writer.parquet"));
  write_table(path("supplied.parquet"), specs, kRows, supply, {{"key", "it's"}});
  EXPECT_EQ(rows_of(path("supplied.parquet"), "i, c"), rows_of(path("writer.parquet"), "i, c"));
  Database database("metadata");
  QueryRows metadata = database.query("SELECT decode(value) FROM parquet_kv_metadata(" +
                                      sql_text(path("supplied.parquet")) + ") WHERE decode(key) = 'key'");
  ASSERT_TRUE(metadata.next());
  EXPECT_EQ(metadata.column(0).text(0), "it's");
}

TEST_F(Tables, WhatASupplyThrowsGoesOn) {
  const RowSupply failing = [](std::size_t first, std::size_t) -> std::vector<ColumnData> {
    throw DataError("row " + std::to_string(first) + " is wrong");
  };
  expect_failure<DataError>(
      [&] {
        write_table(path("t.parquet"), {{"i", ColumnType::int64}}, 10, failing);
      },
      {"row 0 is wrong"});
  const std::vector<double> values(10);
  const RowSupply other_type = [&](std::size_t, std::size_t) {
    return std::vector<ColumnData>{{std::span<const double>(values)}};
  };
  expect_failure<InvalidArgument>(
      [&] {
        write_table(path("t.parquet"), {{"i", ColumnType::int64}}, 10, other_type);
      },
      {"column i", "BIGINT"});
  EXPECT_FALSE(std::filesystem::exists(path("t.parquet")));
}

}  // namespace
}  // namespace neume::data
