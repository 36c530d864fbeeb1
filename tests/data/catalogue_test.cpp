#include "data/catalogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/parallel.hpp"
#include "data/fixture_files.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;
using testing::npy_of;

class CatalogueFiles : public testing::DataFiles {
 protected:
  static Catalogue open(const std::vector<ModalitySource>& sources, const CatalogueOptions& options = {}) {
    return open_catalogue(sources, options);
  }

  void expect_refused(const std::vector<ModalitySource>& sources, const std::vector<std::string>& parts,
                      const CatalogueOptions& options = {}) const {
    expect_failure<DataError>([&] { open(sources, options); }, parts);
  }

  static std::vector<float> embedding(const Catalogue& catalogue, const std::string& modality, std::uint32_t item) {
    const std::vector<std::uint32_t> items{item};
    const Matrix matrix = catalogue.gather(std::vector{modality}, items);
    return {matrix.flat().begin(), matrix.flat().end()};
  }

  std::string write_npy(const std::string& name, std::size_t rows, std::size_t cols,
                        const std::vector<float>& values) const {
    return write(name, npy_of<float>("<f4", rows, cols, values));
  }
};

TEST(ModalitySource, ParsesNameAndSource) {
  const auto source = ModalitySource::parse("text=dir=1/items.parquet:emb");
  EXPECT_EQ(source.name, "text");
  EXPECT_EQ(source.source, "dir=1/items.parquet:emb");
}

TEST(ModalitySource, RefusesNamesThatCannotBeFiles) {
  for (const char* text :
       {"items.npy", "=items.npy", "text=", "a/b=x.npy", ".x=x.npy", "a b=x.npy", "\xC3\xA9=x.npy"}) {
    expect_failure<InvalidArgument>([&] { ModalitySource::parse(text); }, {text});
  }
  for (const char* name : {"joint", "Joint", "item", "item_id"}) {
    expect_failure<InvalidArgument>([&] { ModalitySource::parse(std::string(name) + "=x.npy"); }, {"taken by neume"});
  }
}

TEST_F(CatalogueFiles, NpyRowsAreItems) {
  const auto a = write_npy("a.npy", 3, 2, {1, 2, 3, 4, 5, 6});
  const auto b = write("b.npy", npy_of<double>("<f8", 3, 1, {-1, -2, -3}));
  const Catalogue catalogue = open({{"a", a}, {"b", b}});
  EXPECT_EQ(catalogue.items, ItemIds::row_numbers(3));
  EXPECT_EQ(catalogue.find("b")->width(), 1U);
  EXPECT_EQ(catalogue.find("c"), nullptr);
  EXPECT_EQ(catalogue.items_with(std::vector<std::string>{"a", "b"}), (std::vector<std::uint32_t>{0, 1, 2}));
  const Matrix both = catalogue.gather(std::vector<std::string>{"b", "a"}, std::vector<std::uint32_t>{2, 0, 2});
  ASSERT_EQ(both.cols(), 3U);
  const std::vector<float> expected{-3, 5, 6, -1, 1, 2, -3, 5, 6};
  EXPECT_TRUE(std::ranges::equal(both.flat(), expected));
}

TEST_F(CatalogueFiles, EveryTableFormatGivesTheSameEmbeddings) {
  const std::vector<std::pair<std::string, std::string>> texts{
      {"t.csv", "item_id,name,e\n7,\"x, y\",\"[0.5, 1]\"\n3,z,\"[2, -0.25]\"\n"},
      {"t.tsv", "item_id\tname\te\n7\tx, y\t[0.5, 1]\n3\tz\t[2, -0.25]\n"},
      {"t.json", R"([{"item_id": 7, "e": [0.5, 1]}, {"item_id": 3, "e": [2, -0.25]}])"},
      {"t.jsonl", "{\"item_id\": 7, \"e\": [0.5, 1]}\n{\"item_id\": 3, \"e\": [2, -0.25]}\n"},
      {"whole.ndjson", "{\"item_id\": 7, \"e\": [0.5, 1]}\n{\"item_id\": 3, \"e\": [2, -0.25]}\n"}};
  std::vector<std::string> sources;
  for (const auto& [name, content] : texts) sources.push_back(write(name, content) + ":e");
  const std::string rows = "SELECT * FROM (VALUES (7, [0.5, 1]), (3, [2, -0.25])) t(item_id, x)";
  for (const char* type : {"FLOAT[]", "FLOAT[2]", "DOUBLE[]", "DECIMAL(9,3)[]", "VARCHAR"}) {
    const std::string name = "p" + std::to_string(sources.size()) + ".parquet";
    sources.push_back(write_parquet(name, std::string("SELECT item_id, x::") + type + " AS e FROM (" + rows + ")") +
                      ":e");
  }
  {
    Database database("gz");
    database.execute("COPY (SELECT item_id, x::VARCHAR AS e FROM (" + rows + ")) TO " + sql_text(path("t.csv.gz")));
    sources.push_back(path("t.csv.gz") + ":e");
  }
  for (const auto& source : sources) {
    SCOPED_TRACE(source);
    const Catalogue catalogue = open({{"m", source}});
    EXPECT_EQ(catalogue.items, ItemIds(ItemIds::Integers{7, 3}));
    EXPECT_EQ(embedding(catalogue, "m", 0), (std::vector<float>{0.5F, 1.0F}));
    EXPECT_EQ(embedding(catalogue, "m", 1), (std::vector<float>{2.0F, -0.25F}));
  }
}

TEST_F(CatalogueFiles, WildcardReadsFilesInOrderOfTheirNames) {
  write_parquet("part-2.parquet", "SELECT 'b' AS item_id, [2.0::FLOAT] AS e");
  write_parquet("part-1.parquet", "SELECT 'a' AS item_id, [1.0::FLOAT] AS e");
  const Catalogue catalogue = open({{"m", path("part-*.parquet") + ":e"}});
  EXPECT_EQ(catalogue.items, ItemIds(ItemIds::Texts{"a", "b"}));
  expect_refused({{"m", path("nothing-*.parquet") + ":e"}}, {"nothing-*.parquet", "No files found"});
}

TEST_F(CatalogueFiles, ItemsAreTheUnionInOrderOfAppearance) {
  const auto a =
      write_parquet("a.parquet", "SELECT * FROM (VALUES ('x', [1.0]), ('y', NULL), ('z', [0.0])) t(item_id, e)");
  const auto b =
      write_parquet("b.parquet", "SELECT * FROM (VALUES ('w', [4.0, 5.0]), ('y', [2.0, 3.0])) t(item_id, e)");
  const std::vector<ModalitySource> sources{{"a", a + ":e"}, {"b", b + ":e"}};
  const Catalogue catalogue = open(sources);
  EXPECT_EQ(catalogue.items, ItemIds(ItemIds::Texts{"x", "y", "z", "w"}));
  EXPECT_EQ(catalogue.items_with(std::vector<std::string>{"a"}), (std::vector<std::uint32_t>{0, 2}));
  EXPECT_EQ(catalogue.items_with(std::vector<std::string>{"b"}), (std::vector<std::uint32_t>{1, 3}));
  EXPECT_TRUE(catalogue.items_with(std::vector<std::string>{"a", "b"}).empty());
  EXPECT_EQ(embedding(catalogue, "b", 1), (std::vector<float>{2, 3}));
  const Catalogue masked = open(sources, {"item_id", true});
  EXPECT_EQ(masked.items_with(std::vector<std::string>{"a"}), (std::vector<std::uint32_t>{0}));
  EXPECT_FALSE(masked.find("a")->has(2));
  EXPECT_THROW(embedding(masked, "a", 2), InternalError);
  EXPECT_THROW(embedding(masked, "c", 2), InvalidArgument);
}

TEST_F(CatalogueFiles, NpyJoinsATableByRowNumber) {
  const auto a = write_npy("a.npy", 2, 1, {1, 0});
  const auto b = write("b.csv", "id,e\n1,[9]\n5,[8]\n");
  const Catalogue catalogue = open({{"a", a}, {"b", b + ":e"}}, {"id", true});
  EXPECT_EQ(catalogue.items, ItemIds(ItemIds::Integers{0, 1, 5}));
  EXPECT_EQ(catalogue.items_with(std::vector<std::string>{"a"}), (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(catalogue.items_with(std::vector<std::string>{"b"}), (std::vector<std::uint32_t>{1, 2}));
  const auto text = write("c.csv", "id,e\n0,[1]\nabc,[2]\n");
  expect_refused({{"a", a}, {"c", text + ":e"}}, {text, "row 1 (0-based)", "integer", "\"abc\""}, {"id", false});
}

TEST_F(CatalogueFiles, TypesOfATextFileAreThoseOfAllItsRows) {
  std::string csv = "item_id,e\n";  // the first ids look like integers, for longer than types are guessed from
  for (int i = 0; i < 30000; ++i) csv += std::to_string(i) + ",[1]\n";
  csv += "B00X,[2]\n";
  const Catalogue catalogue = open({{"m", write("late.csv", csv) + ":e"}});
  ASSERT_EQ(catalogue.items.size(), 30001U);
  EXPECT_EQ(catalogue.items.texts().back(), "B00X");
}

TEST_F(CatalogueFiles, UnsignedIdsAreIntegersWhileTheyFit) {
  const auto small = write_parquet("s.parquet", "SELECT 7::UBIGINT AS item_id, [1.0] AS e");
  EXPECT_EQ(open({{"m", small + ":e"}}).items, ItemIds(ItemIds::Integers{7}));
  const auto large = write_parquet("l.parquet", "SELECT 18446744073709551615::UBIGINT AS item_id, [1.0] AS e");
  EXPECT_EQ(open({{"m", large + ":e"}}).items, ItemIds(ItemIds::Texts{"18446744073709551615"}));
}

TEST_F(CatalogueFiles, PathsAndColumnsMayHoldSpecialCharacters) {
  const auto file = write_parquet("it's a:b.parquet", "SELECT 1 AS \"the \"\"id\"\"\", [3.0] AS \"e:f g\"");
  const Catalogue catalogue = open({{"m", file + ":e:f g"}}, {"the \"id\"", false});
  EXPECT_EQ(embedding(catalogue, "m", 0), std::vector<float>{3.0F});
}

TEST_F(CatalogueFiles, FirstUnusableValueOfAnNpyIsReportedForAnyNumberOfThreads) {
  const std::size_t rows = 9000;
  std::vector<float> values(rows * 3, 1.0F);
  for (const std::size_t row : {8999, 5000, 4321, 4322}) values[row * 3 + 1] = std::numeric_limits<float>::quiet_NaN();
  values[4321 * 3 + 2] = std::numeric_limits<float>::infinity();
  const auto file = write_npy("n.npy", rows, 3, values);
  for (const std::size_t threads : {1, 2, 4}) {
    base::set_num_threads(threads);
    expect_refused({{"m", file}}, {file, "row 4321 (0-based)", "item 4321", "column 1", "NaN"});
  }
  base::set_num_threads(0);
  const auto doubles = write("d.npy", npy_of<double>("<f8", 2, 2, {1, 2, 3, -1e39}));
  expect_refused({{"m", doubles}}, {doubles, "row 1", "column 1", "-1e+39", "beyond the range of float"});
  const auto halves = write("h.npy", npy_of<std::uint16_t>("<f2", 1, 2, {0, 0xFC00}));
  expect_refused({{"m", halves}}, {halves, "row 0", "column 1", "-Inf"});
}

TEST_F(CatalogueFiles, SaysWhichRowOfATableIsWrong) {
  const auto refused = [&](const std::string& values, const std::vector<std::string>& parts) {
    const auto file = write_parquet("bad.parquet", "SELECT * FROM (VALUES " + values + ") t(item_id, e)");
    auto all = parts;
    all.push_back(file);
    expect_refused({{"m", file + ":e"}}, all);
  };
  refused("('a', [1, 2]::FLOAT[]), ('b', [1, 2, 3]::FLOAT[])",
          {"column e", "row 1 (0-based)", "item b", "expected 2", "found 3"});
  refused("('a', [1, 2]), ('b', ['nan'::FLOAT, 3])", {"column e", "row 1", "item b", "place 0", "NaN"});
  refused("('a', [1, 2]), ('b', [0, '-inf'::DOUBLE])", {"row 1", "item b", "place 1", "-Inf"});
  refused("('a', [1e39]), ('b', [0])", {"row 0", "item a", "1e+39", "beyond the range"});
  refused("('a', [1, 2]), ('b', [NULL, 3])", {"row 1", "item b", "expected a number at place 0", "found null"});
  refused("('a', []::FLOAT[])", {"row 0", "item a", "empty list"});
  refused("('a', '[1]'), ('b', 'one')", {"row 1", "item b", "found text that is none"});
  refused("('a', NULL::FLOAT[]), ('b', NULL)", {"column e", "no item has an embedding"});
  refused("('a', [1]), (NULL, [2])", {"column item_id", "row 1", "expected an id", "found null"});
  refused("('a', [1]), ('b', [2]), ('a', [3])", {"item a occurs twice", "rows 0 and 2"});
  refused("('a', 1.5)", {"column e", "expected a list of numbers", "found DECIMAL"});
  refused("('a', [[1.0]])", {"column e", "expected a list of numbers", "[][]"});
  refused("(1.5::DOUBLE, [1])", {"column item_id", "expected integer or text ids", "DOUBLE"});
  const auto empty = write_parquet("empty.parquet", "SELECT 1 AS item_id, [1.0] AS e LIMIT 0");
  expect_refused({{"m", empty + ":e"}}, {empty, "empty"});
}

TEST_F(CatalogueFiles, SaysWhatIsWrongWithASource) {
  const auto a = write_npy("a.npy", 3, 1, {1, 2, 3});
  const auto b = write_npy("b.npy", 2, 1, {1, 2});
  const auto zero = write_npy("zero.npy", 2, 1, {0, 0});
  const auto table = write("t.csv", "item_id,e\n1,[1]\n");
  expect_refused({{"a", a}, {"b", b}}, {b + " has 2 rows", a + " has 3", "expected the same number"});
  expect_refused({{"z", zero}}, {zero, "no item has an embedding"}, {"item_id", true});
  expect_refused({{"t", table + ":f"}},
                 {table, "expected a column f", "found the columns item_id, e", "after the ':'"});
  expect_refused({{"t", table + ":e"}}, {table, "expected a column id", "--item-column"}, {"id", false});
  expect_refused({{"t", path("absent.csv") + ":e"}}, {path("absent.csv"), "no such file"});
  std::filesystem::create_directories(path("folder.csv"));
  expect_refused({{"t", path("folder.csv") + ":e"}}, {path("folder.csv"), "found a folder"});
  const auto garbage = write("garbage.parquet", "this is no parquet file");
  expect_refused({{"t", garbage + ":e"}}, {garbage, "arquet"});
  const auto no_bytes = write("nothing.csv", "");
  expect_refused({{"t", no_bytes + ":e"}}, {no_bytes});
  expect_failure<InvalidArgument>([&] { open({{"t", table}}); }, {table, "which column", ":COLUMN"});
  expect_failure<InvalidArgument>([&] { open({{"a", a + ":e"}}); }, {a, "no columns", ":e"});
  expect_failure<InvalidArgument>([&] { open({{"a", path("a.xlsx")}}); }, {"a.xlsx", ".parquet"});
  expect_failure<InvalidArgument>([&] { open({{"a", a}, {"A", b}}); }, {"two modalities", "a and A"});
  expect_failure<InvalidArgument>([&] { open({}); }, {"at least one modality"});
}

TEST_F(CatalogueFiles, ManyRowsSpanBlocksAndChunks) {
  const auto file = write_parquet("many.parquet",
                                  "SELECT i AS item_id, CASE WHEN i % 7 = 0 THEN NULL ELSE list_transform(range(200), "
                                  "lambda j: (i * 1000 + j)::FLOAT) END AS e FROM range(20000) t(i)");
  const Catalogue catalogue = open({{"m", file + ":e"}});
  ASSERT_EQ(catalogue.items.size(), 20000U);
  const auto items = catalogue.items_with(std::vector<std::string>{"m"});
  const Matrix all = catalogue.gather(std::vector<std::string>{"m"}, items);
  for (std::size_t i = 0; i < items.size(); ++i) {
    ASSERT_NE(items[i] % 7, 0U);
    ASSERT_EQ(all.row(i)[0], static_cast<float>(items[i] * 1000));
    ASSERT_EQ(all.row(i)[199], static_cast<float>(items[i] * 1000 + 199));
  }
}

TEST_F(CatalogueFiles, OpensTheSharedSets) {
  const auto folder = testing::shared_data();
  if (!std::filesystem::exists(folder / "lfm2k" / "text.npy")) GTEST_SKIP() << folder << " is absent";
  const Catalogue lfm =
      open({{"text", (folder / "lfm2k/text.npy").string()}, {"audio", (folder / "lfm2k/audio_vggish.npy").string()}});
  EXPECT_EQ(lfm.items.size(), 1425U);
  EXPECT_EQ(lfm.find("text")->width(), 384U);
  EXPECT_EQ(lfm.find("audio")->width(), 128U);
  const Catalogue tiktok = open({{"image", (folder / "tiktok/image.npy").string()}});
  EXPECT_EQ(tiktok.items.size(), 6710U);
  EXPECT_EQ(tiktok.find("image")->width(), 128U);
}

}  // namespace
}  // namespace neume::data
