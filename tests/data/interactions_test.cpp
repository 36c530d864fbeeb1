#include "data/interactions.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "data/fixture_files.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;

class Logs : public testing::DataFiles {
 protected:
  Interactions read(const std::string& source, const InteractionOptions& options = {}) {
    return read_interactions(source, items_, users_, options);
  }

  void expect_refused(const std::string& source, const std::vector<std::string>& parts,
                      const InteractionOptions& options = {}) {
    auto all = parts;
    all.push_back(source);
    const ItemIds before = users_.ids();
    expect_failure<DataError>([&] { read(source, options); }, all);
    EXPECT_EQ(users_.ids(), before) << "a failed reading must leave the users as they were";
  }

  std::string log(const std::string& values) const {
    return write_parquet("log.parquet", "SELECT * FROM (VALUES " + values + ") t(user_id, item_id, x)");
  }

  static InteractionOptions timed(const std::string& column) {
    InteractionOptions options;
    options.timestamp_column = column;
    return options;
  }

  static InteractionOptions labelled(const std::string& expression) {
    InteractionOptions options;
    options.label = expression;
    return options;
  }

  std::vector<std::int64_t> times(const std::string& expression) {
    const auto log =
        read(write_parquet("time.parquet", "SELECT 1 AS user_id, 10 AS item_id, " + expression + " AS timestamp"));
    return {log.timestamps.begin(), log.timestamps.end()};
  }

  IdIndex items_{ItemIds(ItemIds::Integers{10, 20, 30})};
  IdIndex users_;
};

using Rows = std::vector<std::uint32_t>;

TEST_F(Logs, ALogLongerThanMemoryMayHoldIsReadIntoFilesWithTheSameRows) {
  const std::string source = write_parquet("long.parquet",
                                           "SELECT hash(i) % 700 AS user_id, (hash(i) % 3 + 1) * 10 AS item_id, i AS "
                                           "timestamp, i % 3 = 0 AS label FROM range(20000) t(i)");
  const Interactions in_memory = read(source);
  IdIndex users;
  const std::filesystem::path folder = path("spilled");
  const Interactions on_disk = read_interactions(source, items_, users, {}, {{folder, 1000}});
  EXPECT_FALSE(in_memory.users.in_file());
  EXPECT_TRUE(on_disk.users.in_file() && on_disk.items.in_file() && on_disk.timestamps.in_file() &&
              on_disk.labels.in_file());
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_EQ(on_disk.users, in_memory.users);
  EXPECT_EQ(on_disk.items, in_memory.items);
  EXPECT_EQ(on_disk.timestamps, in_memory.timestamps);
  EXPECT_EQ(on_disk.labels, in_memory.labels);
  EXPECT_EQ(users.ids(), users_.ids());
}

TEST_F(Logs, EveryFormatGivesTheSameRows) {
  const std::vector<std::string> sources{
      write("a.csv", "user_id,item_id,label,timestamp\n5,30,1,100\n4,10,0,90\n5,10,1,95\n"),
      write("a.tsv", "item_id\tuser_id\tlabel\ttimestamp\n30\t5\t1\t100\n10\t4\t0\t90\n10\t5\t1\t95\n"),
      write("a.txt", "user_id;item_id;label;timestamp\n5;30;true;100\n4;10;false;90\n5;10;true;95\n"),
      write("a.jsonl",
            "{\"user_id\":5,\"item_id\":30,\"label\":true,\"timestamp\":100}\n"
            "{\"user_id\":4,\"item_id\":10,\"label\":false,\"timestamp\":90}\n"
            "{\"user_id\":5,\"item_id\":10,\"label\":true,\"timestamp\":95}\n"),
      write_parquet("a.parquet",
                    "SELECT * FROM (VALUES (5, 30, 1.0, 100), (4, 10, 0.0, 90), (5, 10, 1.0, 95)) "
                    "t(user_id, item_id, label, timestamp)")};
  for (const auto& source : sources) {
    SCOPED_TRACE(source);
    users_ = IdIndex();
    const Interactions rows = read(source);
    EXPECT_EQ(rows.users, (Rows{0, 1, 0}));
    EXPECT_EQ(rows.items, (Rows{2, 0, 0}));
    EXPECT_EQ(rows.labels, (std::vector<std::uint8_t>{1, 0, 1}));
    EXPECT_EQ(rows.timestamps, (std::vector<std::int64_t>{100, 90, 95}));
    EXPECT_EQ(rows.num_skipped, 0U);
    EXPECT_EQ(users_.ids(), ItemIds(ItemIds::Integers{5, 4}));
  }
}

TEST_F(Logs, TimeAndLabelAreOptional) {
  const Interactions rows = read(write("a.csv", "user_id,item_id\nu1,10\nu2,20\n"));
  EXPECT_FALSE(rows.has_time());
  EXPECT_FALSE(rows.has_labels());
  EXPECT_EQ(rows.size(), 2U);
  EXPECT_EQ(users_.ids(), ItemIds(ItemIds::Texts{"u1", "u2"}));
}

TEST_F(Logs, UsersOfASecondLogKeepTheirRows) {
  read(write("a.csv", "user_id,item_id\n7,10\n8,10\n"));
  const Interactions rows = read(write("b.csv", "user_id,item_id\n9,20\n8,20\n"));
  EXPECT_EQ(rows.users, (Rows{2, 1}));
  EXPECT_EQ(users_.ids(), ItemIds(ItemIds::Integers{7, 8, 9}));
  const Interactions text = read(write_parquet("c.parquet", "SELECT '8' AS user_id, '30' AS item_id"));
  EXPECT_EQ(text.users, Rows{1});
  EXPECT_EQ(text.items, Rows{2});
  expect_refused(write("d.csv", "user_id,item_id\n8,10\nbob,10\n"), {"user_id", "integer user ids", "\"bob\""});
}

TEST_F(Logs, ColumnsMayBeCalledAnything) {
  InteractionOptions options;
  options.user_column = "the user";
  options.item_column = "Song";
  options.timestamp_column = "when";
  options.label = "\"star count\" >= 4 OR song = 20 -- a comment";
  const Interactions rows =
      read(write("a.csv", "when,song,the user,star count\n3,10,1,5\n2,20,1,1\n1,30,1,3\n"), options);
  EXPECT_EQ(rows.labels, (std::vector<std::uint8_t>{1, 1, 0}));
  EXPECT_EQ(rows.timestamps, (std::vector<std::int64_t>{3, 2, 1}));
}

TEST_F(Logs, TimesBecomeIntegersInTheirOrder) {
  using Times = std::vector<std::int64_t>;
  EXPECT_EQ(times("1700000000"), Times{1700000000});
  EXPECT_EQ(times("DATE '1970-01-02'"), Times{86'400'000'000});
  EXPECT_EQ(times("TIMESTAMP '1970-01-01 00:00:01.5'"), Times{1'500'000});
  EXPECT_EQ(times("TIMESTAMP_S '1970-01-01 00:00:02'"), Times{2'000'000});
  EXPECT_EQ(times("TIMESTAMP_MS '1970-01-01 00:00:02.125'"), Times{2'125'000});
  EXPECT_EQ(times("TIMESTAMP_NS '1970-01-01 00:00:02.000001'"), Times{2'000'001});
  EXPECT_EQ(times("TIMESTAMPTZ '1970-01-01 00:00:01+00'"), Times{1'000'000});
  EXPECT_EQ(times("1.5::DOUBLE"), Times{1'500'000});
  EXPECT_EQ(times("(-2.25)::DECIMAL(9,2)"), Times{-2'250'000});
}

TEST_F(Logs, SaysWhatIsWrongWithATime) {
  const auto refused = [&](const std::string& value, const std::vector<std::string>& parts) {
    expect_refused(log("(1, 10, " + value + ")"), parts, timed("x"));
  };
  refused("NULL::BIGINT", {"column x", "row 0 (0-based)", "expected a time", "found null"});
  refused("'nan'::DOUBLE", {"column x", "row 0", "time in seconds", "nan"});
  refused("1e300::DOUBLE", {"column x", "row 0", "time in seconds", "1e+300"});
  refused("'infinity'::TIMESTAMP", {"column x", "row 0", "infinity"});
  refused("'soon'", {"column x", "expected a number, a date or a timestamp", "VARCHAR"});
  expect_refused(log("(1, 10, 3)"), {"expected a column when", "user_id, item_id, x", "--timestamp-column"},
                 timed("when"));
}

TEST_F(Logs, SaysWhatIsWrongWithALabel) {
  expect_refused(log("(1, 10, 1), (1, 20, NULL)"), {"column x", "row 1 (0-based)", "expected a label", "found null"},
                 labelled("x"));
  expect_refused(log("(1, 10, 1), (1, 20, 5)"), {"column x", "row 1", "0/1", "found 5", "--label"}, labelled("x"));
  expect_refused(log("(1, 10, 4), (1, 20, NULL)"), {"column x >= 4", "row 1", "found null"}, labelled("x >= 4"));
  expect_refused(log("(1, 10, 'yes')"), {"label x", "expected a boolean or 0/1", "VARCHAR"}, labelled("x"));
  expect_refused(log("(1, 10, 1)"), {"Binder Error", "stars"}, labelled("stars >= 4"));
  expect_refused(log("(1, 10, 1)"), {"Parser Error"}, labelled("x >= "));
}

TEST_F(Logs, SaysWhatIsWrongWithAnId) {
  expect_refused(log("(1, 10, 1), (NULL, 20, 1)"), {"column user_id", "row 1 (0-based)", "a user id", "found null"});
  expect_refused(log("(1, 10, 1), (1, NULL, 1)"), {"column item_id", "row 1", "an item id", "found null"});
  expect_refused(log("(1, 10, 1), (1, 20, 1), (1, 77, 1)"), {"column item_id", "row 2", "unknown item 77", "skip"});
  expect_refused(log("(1, 'x', 1)"), {"column item_id", "row 0", "unknown item x"});
  InteractionOptions options;
  options.user_column = "customer";
  expect_refused(log("(1, 10, 1)"), {"expected a column customer", "user_id, item_id, x", "--user-column"}, options);
}

TEST_F(Logs, UnknownItemsMayBeSkipped) {
  InteractionOptions options;
  options.on_unknown_item = OnUnknownItem::skip;
  const Interactions rows = read(log("(1, 99, 1), (2, 10, 1), (3, 98, 1)"), options);
  EXPECT_EQ(rows.num_skipped, 2U);
  EXPECT_EQ(rows.users, Rows{0});
  EXPECT_EQ(users_.ids(), ItemIds(ItemIds::Integers{2}));
  expect_refused(log("(1, 99, 1), (1, 98, 1)"), {"nothing is left", "all 2 rows", "item_id"}, options);
}

TEST_F(Logs, SaysWhatIsWrongWithAFile) {
  expect_refused(path("absent.parquet"), {"no such file"});
  expect_refused(write_parquet("empty.parquet", "SELECT 1 AS user_id, 10 AS item_id LIMIT 0"), {"empty"});
  expect_refused(write("header.csv", "user_id,item_id\n"), {"empty"});
  const std::string whole = base::read_file(log("(1, 10, 1), (2, 20, 0)"));
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    expect_refused(write("cut.parquet", whole.substr(0, size)), {});
  }
  expect_failure<InvalidArgument>([&] { read(path("a.csv:label")); }, {"a.csv", ":label"});
}

TEST_F(Logs, FilesOfAWildcardFollowEachOther) {
  write_parquet("day-1.parquet",
                "SELECT i % 5 AS user_id, 10 * (1 + i % 3) AS item_id, i AS timestamp FROM range(5000) t(i)");
  write_parquet("day-2.parquet",
                "SELECT i % 5 AS user_id, 10 * (1 + i % 3) AS item_id, 5000 + i AS timestamp FROM range(3000) t(i)");
  const Interactions rows = read(path("day-*.parquet"));
  std::vector<std::int64_t> expected(8000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(rows.timestamps, expected);
}

TEST_F(Logs, LabelsOfItems) {
  const auto table = write("items.tsv", "item_id\ttags\n30\trock,indie\n10\tjazz\n99\tpop\n20\t\n");
  const ItemLabels labels = read_item_labels(table + ":split_part(tags, ',', 1)", items_);
  EXPECT_EQ(labels.names, (std::vector<std::string>{"rock", "jazz"}));
  EXPECT_EQ(labels.of_item, (Rows{1, ItemLabels::kNone, 0}));
  EXPECT_EQ(read_item_labels(table + ":TAGS", items_).names, (std::vector<std::string>{"rock,indie", "jazz"}));
  const auto numbers = write("genre.csv", "id,genre\n10,4\n20,5\n30,4\n");
  EXPECT_EQ(read_item_labels(numbers + ":genre", items_, "id").of_item, (Rows{0, 1, 0}));
  const auto refused = [&](const std::string& source, const std::string& column,
                           const std::vector<std::string>& parts) {
    expect_failure<DataError>([&] { read_item_labels(source, items_, column); }, parts);
  };
  refused(numbers + ":genre", "item_id", {numbers, "expected a column item_id", "id, genre"});
  refused(numbers + ":gen", "id", {numbers, "gen"});
  refused(write("twice.csv", "item_id,g\n10,a\n10,b\n") + ":g", "item_id", {"item 10 occurs twice", "rows 0 and 1"});
  refused(write("other.csv", "item_id,g\n1,a\n") + ":g", "item_id", {"no item of the catalogue has a label"});
  refused(write("none.csv", "item_id,g\n") + ":g", "item_id", {"empty"});
  expect_failure<InvalidArgument>([&] { read_item_labels(numbers, items_); }, {numbers, ":COLUMN"});
}

/// The tags of one item by name.
std::vector<std::string> names_of(const ItemTags& tags, std::size_t item) {
  std::vector<std::string> names;
  for (std::size_t t = tags.offsets[item]; t < tags.offsets[item + 1]; ++t) names.push_back(tags.names[tags.tags[t]]);
  return names;
}

TEST_F(Logs, TagsOfItems) {
  const auto table = write("tags.tsv", "item_id\ttags\n30\trock, indie pop ,rock,\n10\tjazz\n99\tpop\n20\t\n");
  const ItemTags tags = read_item_tags(table + ":tags", items_);  // items_ is 10, 20, 30
  EXPECT_EQ(names_of(tags, 0), (std::vector<std::string>{"jazz"}));
  EXPECT_TRUE(names_of(tags, 1).empty());
  EXPECT_EQ(names_of(tags, 2), (std::vector<std::string>{"rock", "indie pop"}));
  // A list keeps the commas inside its entries.
  const ItemTags lists = read_item_tags(table +
                                            ":CASE item_id WHEN 10 THEN ['soul, 60s'] WHEN 30 THEN ['a', ' ', 'b'] "
                                            "ELSE [] END",
                                        items_);
  EXPECT_EQ(names_of(lists, 0), (std::vector<std::string>{"soul, 60s"}));
  EXPECT_TRUE(names_of(lists, 1).empty());
  EXPECT_EQ(names_of(lists, 2), (std::vector<std::string>{"a", "b"}));
  expect_failure<InvalidArgument>([&] { read_item_tags(table, items_); }, {table, ":COLUMN"});
}

TEST_F(Logs, ReadsTheSharedSets) {
  const auto folder = testing::shared_data();
  if (!std::filesystem::exists(folder / "lfm2k" / "train.tsv")) GTEST_SKIP() << folder << " is absent";
  const IdIndex lfm(ItemIds::row_numbers(1425));
  InteractionOptions options;
  options.label = "plays > 1";
  const Interactions train = read_interactions((folder / "lfm2k/train.tsv").string(), lfm, users_, options);
  EXPECT_EQ(train.size(), 44327U);
  EXPECT_EQ(users_.size(), 1858U);
  EXPECT_TRUE(train.has_labels());
  const Interactions test = read_interactions((folder / "lfm2k/test.tsv").string(), lfm, users_, {});
  EXPECT_TRUE(test.has_labels());
  EXPECT_EQ(test.size() % 5, 0U);
  EXPECT_EQ(std::accumulate(test.labels.begin(), test.labels.end(), std::size_t{0}) * 5, test.size());
  const ItemLabels labels = read_item_labels((folder / "lfm2k/items.tsv").string() + ":split_part(tags, ',', 1)", lfm);
  EXPECT_EQ(labels.of_item.size(), 1425U);
  EXPECT_GT(labels.names.size(), 10U);
  IdIndex users;
  const IdIndex tiktok(ItemIds::row_numbers(6710));
  EXPECT_EQ(read_interactions((folder / "tiktok/train.tsv").string(), tiktok, users, {}).size(), 59541U);
  EXPECT_EQ(users.size(), 9298U);
}

}  // namespace
}  // namespace neume::data
