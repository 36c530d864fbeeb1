// Features: every kind as it is learnt and applied, missing and unknown values, wrong names and columns, files.

#include "data/features.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "data/fixture_files.hpp"
#include "data/interactions.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;
using Rows = std::vector<std::uint32_t>;

FeatureSet features_of(const std::vector<std::string>& texts, std::size_t buckets = 0) {
  return {texts, buckets};
}

TEST(FeatureSpec, IsAColumnAnExpressionOrATableOfItems) {
  const auto column = FeatureSpec::parse("country");
  EXPECT_EQ(column.name, "country");
  EXPECT_EQ(column.expression, "country");
  EXPECT_EQ(column.file, "");
  const auto expression = FeatureSpec::parse("is_late=hour >= 22");
  EXPECT_EQ(expression.name, "is_late");
  EXPECT_EQ(expression.expression, "hour >= 22");
  const auto items = FeatureSpec::parse("genre=data/items.csv.gz:lower(genre)");
  EXPECT_EQ(items.name, "genre");
  EXPECT_EQ(items.file, "data/items.csv.gz");
  EXPECT_EQ(items.expression, "lower(genre)");
  const auto cast = FeatureSpec::parse("x=row.json::VARCHAR");
  EXPECT_EQ(cast.file, "");
  EXPECT_EQ(cast.expression, "row.json::VARCHAR");
}

TEST(FeatureSpec, WrongOnesAreRefused) {
  expect_failure<InvalidArgument>([] { FeatureSpec::parse(""); }, {"NAME=EXPRESSION"});
  expect_failure<InvalidArgument>([] { FeatureSpec::parse("=x"); }, {"=x", "NAME=EXPRESSION"});
  expect_failure<InvalidArgument>([] { FeatureSpec::parse("hour >= 22"); },
                                  {"hour >= 22", "found the name \"hour >\""});
  expect_failure<InvalidArgument>([] { FeatureSpec::parse("x="); }, {"which column", "x=EXPRESSION"});
  expect_failure<InvalidArgument>([] { FeatureSpec::parse("x=items.parquet"); },
                                  {"which column", "x=items.parquet:COLUMN"});
  expect_failure<InvalidArgument>([] { features_of({"a", "b", "a=b + 1"}); }, {"two features are called a"});
}

class Features : public testing::DataFiles {
 protected:
  Interactions read(const std::string& source, FeatureSet& features) {
    return read_interactions(source, items_, users_, options_, {{}, &features});
  }

  /// `values`: rows (user_id, item_id, x, y, z).
  std::string log(const std::string& name, const std::string& values) const {
    return write_parquet(name, "SELECT * FROM (VALUES " + values + ") t(user_id, item_id, x, y, z)");
  }

  std::string log_of(const std::string& expression) const {
    return write_parquet("x.parquet", "SELECT 1 AS user_id, 10 AS item_id, " + expression + " AS x");
  }

  IdIndex items_{ItemIds(ItemIds::Integers{10, 20, 30})};
  IdIndex users_;
  InteractionOptions options_;
};

TEST_F(Features, CategoriesGetRowsInOrderOfAppearanceAndRow0IsForTheRest) {
  FeatureSet features = features_of({"x", "y", "z"});
  const auto train = read(log("train.parquet",
                              "(1, 10, 7, 'pop', true), (1, 20, -3, 'jazz', false), (2, 30, 7, NULL, true), (2, 10, "
                              "NULL, 'pop', NULL)"),
                          features);
  EXPECT_EQ(train.categories, (Rows{1, 1, 1, 2, 2, 2, 1, 0, 1, 0, 1, 0}));
  EXPECT_TRUE(train.numbers.empty());
  ASSERT_EQ(features.layout().categories.size(), 3u);
  for (const auto& category : features.layout().categories) EXPECT_EQ(category.rows, 3u) << category.name;
  EXPECT_EQ(features.layout().categories[1].name, "y");

  const auto test = read(log("test.parquet", "(1, 10, -3, 'rock', false), (1, 20, 8, 'jazz', true)"), features);
  EXPECT_EQ(test.categories, (Rows{2, 0, 2, 0, 2, 1}));
  EXPECT_EQ(features.layout().categories[0].rows, 3u);  // nothing is learnt from the test log
}

TEST_F(Features, ValuesInAnotherFormAreTheSameValues) {
  FeatureSet integers = features_of({"x"});
  EXPECT_EQ(read(log_of("unnest([7::BIGINT, -3])"), integers).categories, (Rows{1, 2}));
  EXPECT_EQ(read(log_of("unnest(['-3', 'x', '7'])"), integers).categories, (Rows{2, 0, 1}));
  FeatureSet texts = features_of({"x"});
  EXPECT_EQ(read(log_of("unnest(['7', 'b'])"), texts).categories, (Rows{1, 2}));
  EXPECT_EQ(read(log_of("unnest([9::UTINYINT, 7])"), texts).categories, (Rows{0, 1}));
}

TEST_F(Features, RowsOfUnknownItemsTeachNothing) {
  options_.on_unknown_item = OnUnknownItem::skip;
  FeatureSet features = features_of({"y", "x"});
  const auto train = read(
      log("train.parquet", "(1, 99, 100.0, 'a', 0), (1, 10, 1.0, 'b', 0), (1, 98, 50.0, 'c', 0), (1, 20, 3.0, 'b', 0)"),
      features);
  ASSERT_EQ(train.size(), 2u);
  EXPECT_EQ(train.categories, (Rows{1, 1}));
  EXPECT_EQ(train.numbers, (std::vector<float>{-1.0f, 1.0f}));  // mean 2, deviation 1
}

TEST_F(Features, NumbersAreStandardisedByTheTrainingLog) {
  FeatureSet features = features_of({"x", "half=x / 2", "z"});
  const auto train = read(log("train.parquet",
                              "(1, 10, 2.0, 0, 5.5), (1, 20, 6.0, 0, 5.5), (2, 30, NULL, 0, 5.5), (2, 10, "
                              "'NaN'::DOUBLE, 0, 5.5)"),
                          features);
  const std::vector<float> expected{-1, -1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0};  // x: mean 4, deviation 2; z does not vary
  EXPECT_EQ(train.numbers, expected);
  EXPECT_EQ(features.layout().numbers, (std::vector<std::string>{"x", "half", "z"}));
  const auto test = read(log("test.parquet", "(1, 10, 8.0, 0, 7.5)"), features);
  EXPECT_EQ(test.numbers, (std::vector<float>{2, 2, 2}));
  // Whole numbers in a later log are numbers all the same; a decimal is one too.
  EXPECT_EQ(read(log("whole.parquet", "(1, 10, 8, 0, 6.5)"), features).numbers, (std::vector<float>{2, 2, 1}));
}

TEST_F(Features, LargeNumbersKeepTheirDifferences) {
  FeatureSet features = features_of({"x"});
  const auto train = read(log_of("unnest([1700000000001.0::DOUBLE, 1700000000003.0])"), features);
  EXPECT_EQ(train.numbers, (std::vector<float>{-1, 1}));
}

TEST_F(Features, HashedCategoriesHaveAsManyRowsAsAskedFor) {
  FeatureSet features = features_of({"x"}, 50);
  const auto train = read(log_of("unnest(range(1000))"), features);
  EXPECT_EQ(features.layout().categories[0].rows, 51u);
  std::set<std::uint32_t> rows(train.categories.begin(), train.categories.end());
  EXPECT_EQ(*rows.begin(), 1u);
  EXPECT_EQ(*rows.rbegin(), 50u);
  EXPECT_EQ(rows.size(), 50u);
  // The same value in another log, as a number or as text; one never seen has a row, a missing one has row 0.
  const auto test = read(log_of("unnest(['999', 'new', NULL])"), features);
  EXPECT_EQ(test.categories[0], train.categories[999]);
  EXPECT_GT(test.categories[1], 0u);
  EXPECT_EQ(test.categories[2], 0u);
}

TEST_F(Features, TextFilesWorkToo) {
  FeatureSet features = features_of({"x", "y"});
  const auto train = read(write("train.csv", "user_id,item_id,x,y\n1,10,a,0.5\n1,20,,1.5\n"), features);
  EXPECT_EQ(train.categories, (Rows{1, 0}));
  EXPECT_EQ(train.numbers, (std::vector<float>{-1, 1}));
}

TEST_F(Features, ATextColumnThatOnlyShowsLateIsLearntOnce) {
  std::string text = "user_id,item_id,x\n";
  for (int i = 0; i < 30'000; ++i) text += "1,10," + std::to_string(i % 10) + "\n";
  FeatureSet features = features_of({"x"});
  const auto train = read(write("late.csv", text + "1,10,word\n"), features);
  EXPECT_EQ(features.layout().categories[0].rows, 12u);
  EXPECT_EQ(train.categories[30'000], 11u);
}

TEST_F(Features, WrongColumnsAreNamed) {
  const auto refused = [&](const std::string& feature, const std::string& source,
                           const std::vector<std::string>& parts) {
    FeatureSet features = features_of({feature});
    expect_failure<DataError>([&] { read(source, features); }, parts);
    EXPECT_FALSE(features.knows_log());
    EXPECT_EQ(users_.size(), 0u);
  };
  const std::string source = log_of("[1, 2]");
  refused("country", source, {source, "expected a column country", "user_id, item_id, x"});
  refused("f=lower(country)", source, {"feature f", source, "country"});
  refused("x", source, {source, "feature x", "found INTEGER[]", "CAST(x AS VARCHAR)"});
  const std::string infinite = log("log.parquet", "(1, 10, 1.5::DOUBLE, 0, 0), (1, 10, 'inf'::DOUBLE, 0, 0)");
  refused("x", infinite, {infinite, "feature x", "row 1 (0-based)", "finite", "inf"});
}

TEST_F(Features, ALogOfAnotherTypeIsRefused) {
  FeatureSet category = features_of({"x"});
  read(log_of("'pop'"), category);
  expect_failure<DataError>([&] { read(log_of("1.5::DOUBLE"), category); }, {"feature x", "as in training", "DOUBLE"});
  FeatureSet number = features_of({"x"});
  read(log_of("1.5::DOUBLE"), number);
  expect_failure<DataError>([&] { read(log_of("'pop'"), number); }, {"feature x", "numbers", "VARCHAR"});
}

TEST_F(Features, OfALogOnDiskAreTheSame) {
  const std::string source = write_parquet(
      "long.parquet",
      "SELECT i % 7 AS user_id, (i % 3 + 1) * 10 AS item_id, i % 50 AS x, i / 3 AS y FROM range(5000) t(i)");
  FeatureSet a = features_of({"x", "y"}), b = features_of({"x", "y"});
  const auto in_memory = read(source, a);
  const auto on_disk = read_interactions(source, items_, users_, {}, {{path("spilled"), 100}, &b});
  EXPECT_TRUE(on_disk.categories.in_file() && on_disk.numbers.in_file());
  EXPECT_EQ(on_disk.categories, in_memory.categories);
  EXPECT_EQ(on_disk.numbers, in_memory.numbers);
  EXPECT_EQ(a.fingerprint(), b.fingerprint());
}

/// A table of items: 20 comes first, 10 lacks both values, 30 is not there, 99 is not of the catalogue.
std::string item_table() {
  return "SELECT * FROM (VALUES (20, 'pop', 3.0), (99, 'metal', 1000.0), (10, NULL, NULL)) t(item_id, genre, length)";
}

TEST_F(Features, OfItemsFollowTheCatalogue) {
  const std::string table = write_parquet("items.parquet", item_table());
  const std::string other =
      write_parquet("other.parquet", "SELECT * FROM (VALUES (10, 1.0), (20, 5.0)) t(item_id, weight)");
  FeatureSet features =
      features_of({"genre=" + table + ":genre", "w=" + other + ":weight", "length=" + table + ":length"});
  features.read_items(items_, "item_id");
  EXPECT_EQ(features.layout().categories[0].rows, 2u);  // metal is no item's of the catalogue
  EXPECT_EQ(features.layout().numbers, (std::vector<std::string>{"w", "length"}));
  Rows categories;
  std::vector<float> numbers;
  for (std::size_t item = 0; item < 3; ++item) features.append_item(item, categories, numbers);
  EXPECT_EQ(categories, (Rows{0, 1, 0}));
  EXPECT_EQ(numbers, (std::vector<float>{-1, 0, 1, 0, 0, 0}));
}

TEST_F(Features, WrongTablesOfItemsAreNamed) {
  const auto refused = [&](const std::string& query, const std::vector<std::string>& parts) {
    const std::string table = write_parquet("items.parquet", query);
    FeatureSet features = features_of({"genre=" + table + ":genre"});
    auto all = parts;
    all.push_back(table);
    expect_failure<DataError>([&] { features.read_items(items_, "item_id"); }, all);
  };
  refused("SELECT 10 AS id, 'pop' AS genre", {"expected a column item_id", "id, genre", "--item-column"});
  refused("SELECT 10 AS item_id, 'pop' AS style", {"expected a column genre", "item_id, style"});
  refused("SELECT 10 AS item_id, 'pop' AS genre FROM range(2)", {"item 10 occurs twice", "rows 0 and 1"});
  refused("SELECT NULL::BIGINT AS item_id, 'pop' AS genre", {"column item_id", "row 0", "found null"});
  refused("SELECT 5 AS item_id, 'pop' AS genre", {"feature genre", "no row is of an item"});
  FeatureSet missing = features_of({"genre=" + path("none.parquet") + ":genre"});
  expect_failure<DataError>([&] { missing.read_items(items_, "item_id"); }, {"none.parquet", "no such file"});
}

TEST_F(Features, ComeBackFromTheirFiles) {
  const std::string table = write_parquet("items.parquet", item_table());
  const std::vector<std::string> texts{"x", "y", "z", "genre=" + table + ":genre", "length=" + table + ":length"};
  const std::string source = log("log.parquet", "(1, 10, 1, 'a', 0.1::DOUBLE), (1, 20, 2, 'ü\"', 0.7::DOUBLE)");
  const std::string later = log("later.parquet", "(1, 10, 2, 'ü\"', 0.3::DOUBLE), (1, 20, 5, 'b', 0.9::DOUBLE)");
  for (const std::size_t buckets : {0u, 8u}) {
    FeatureSet features = features_of(texts, buckets);
    read(source, features);
    features.read_items(items_, "item_id");
    features.save(path("features.json"), path("features.safetensors"));
    FeatureSet loaded = FeatureSet::load(path("features.json"), path("features.safetensors"), 3);
    EXPECT_EQ(loaded.fingerprint(), features.fingerprint());
    EXPECT_TRUE(loaded.knows_log());
    ASSERT_EQ(loaded.layout().categories.size(), 3u);
    EXPECT_EQ(loaded.layout().categories[2].rows, features.layout().categories[2].rows);
    const auto expected = read(later, features), found = read(later, loaded);
    EXPECT_EQ(found.categories, expected.categories);
    EXPECT_EQ(found.numbers, expected.numbers);
  }
}

TEST_F(Features, BrokenFilesAreRefused) {
  const std::string table = write_parquet("items.parquet", item_table());
  FeatureSet features = features_of({"x", "genre=" + table + ":genre"});
  read(log_of("1"), features);
  features.read_items(items_, "item_id");
  const std::string json = path("features.json"), values = path("features.safetensors");
  features.save(json, values);
  expect_failure<DataError>([&] { FeatureSet::load(json, values, 4); }, {values, "item_categories", "4 x 1"});
  expect_failure<DataError>([&] { FeatureSet::load(json, path("none"), 3); }, {"none"});
  const std::string text = base::read_file(json);
  write("features.json", text.substr(0, text.size() / 2));
  expect_failure<DataError>([&] { FeatureSet::load(json, values, 3); }, {json, "train again"});
  std::string other = text;
  other.replace(other.find("\"version\": 1"), 12, "\"version\": 9");
  write("features.json", other);
  expect_failure<DataError>([&] { FeatureSet::load(json, values, 3); }, {json, "version"});
}

}  // namespace
}  // namespace neume::data
