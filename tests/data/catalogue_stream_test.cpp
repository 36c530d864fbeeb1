// A streamed catalogue is the catalogue that open_catalogue loads: items, embeddings, what is missing, complaints.

#include "data/catalogue_stream.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "base/random.hpp"
#include "data/fixture_files.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;
using testing::npy_of;

using Sources = std::vector<ModalitySource>;

class StreamFiles : public testing::DataFiles {
 protected:
  StreamOptions options(const CatalogueOptions& catalogue = {}) const {
    return {catalogue, std::size_t{1} << 28, path("."), false};
  }

  /// Streams `sources` in steps of `step` items from item `begin` on and compares with what is loaded whole.
  void expect_same(const Sources& sources, const CatalogueOptions& catalogue_options = {}, std::size_t step = 100,
                   std::size_t begin = 0) const {
    const Catalogue whole = open_catalogue(sources, catalogue_options);
    CatalogueStream stream(sources, options(catalogue_options));
    ASSERT_EQ(stream.items().in_memory(), whole.items);
    ASSERT_EQ(stream.num_modalities(), whole.modalities.size());
    for (std::size_t m = 0; m < whole.modalities.size(); ++m) {
      EXPECT_EQ(stream.name(m), whole.modalities[m].name());
      EXPECT_EQ(stream.width(m), whole.modalities[m].width());
    }
    for (std::size_t first = begin; first < whole.items.size(); first += step) {
      const std::size_t count = std::min(step, whole.items.size() - first);
      stream.advance(first, count);
      for (std::size_t m = 0; m < whole.modalities.size(); ++m) compare(stream, whole.modalities[m], m, first, count);
    }
  }

  static void compare(const CatalogueStream& stream, const Modality& whole, std::size_t m, std::size_t first,
                      std::size_t count) {
    Matrix rows(count, whole.width()), expected(1, whole.width());
    std::vector<std::uint8_t> present(count, 7);
    stream.read(m, first, rows.view(), present);
    for (std::size_t i = 0; i < count; ++i) {
      const auto item = static_cast<std::uint32_t>(first + i);
      ASSERT_EQ(present[i], whole.has(item) ? 1 : 0) << whole.name() << " " << item;
      if (!whole.has(item)) continue;
      whole.gather({&item, 1}, expected.view());
      ASSERT_TRUE(std::ranges::equal(rows.row(i), expected.row(0))) << whole.name() << " " << item;
    }
  }

  /// What goes wrong when everything is read.
  void expect_refused(const Sources& sources, const CatalogueOptions& catalogue_options = {}) const {
    std::string expected;
    try {
      open_catalogue(sources, catalogue_options);
      ADD_FAILURE() << "expected a complaint of " << sources[0].source;
    } catch (const Error& error) {
      expected = error.what();
    }
    expect_failure<Error>(
        [&] {
          CatalogueStream stream(sources, options(catalogue_options));
          const std::size_t count = stream.items().size();
          stream.advance(0, count);
          for (std::size_t m = 0; m < stream.num_modalities(); ++m) {
            Matrix rows(count, stream.width(m));
            std::vector<std::uint8_t> present(count);
            stream.read(m, 0, rows.view(), present);
            stream.check_present(m, static_cast<std::size_t>(std::ranges::count(present, 1)));
          }
        },
        {expected});
  }

  /// 5,000 rows (several chunks of DuckDB) with columns a FLOAT[3] and b DOUBLE[2], null at some rows; `where` chooses.
  std::string table(const std::string& name, const std::string& where = "true", const std::string& order = "i") const {
    return write_parquet(name,
                         "SELECT i AS item_id, 'song ' || i AS name, "
                         "CASE WHEN i % 7 = 3 THEN NULL ELSE [i, i * 0.5, -i]::FLOAT[] END AS a, "
                         "CASE WHEN i % 11 = 5 THEN NULL ELSE [i / 3, i - 17.25]::DOUBLE[] END AS b "
                         "FROM range(5000) t(i) WHERE " +
                             where + " ORDER BY " + order);
  }

  std::string npy(const std::string& name, std::size_t rows, std::size_t cols) const {
    std::vector<float> values(rows * cols);
    base::Random random(rows);
    for (float& value : values) value = static_cast<float>(random.uniform());
    std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(2 * cols), cols, 0.0f);
    return write(name, npy_of<float>("<f4", rows, cols, values));
  }
};

TEST_F(StreamFiles, OneTableTwoColumns) {
  const std::string file = table("t.parquet");
  for (const std::size_t step : {1u, 100u, 2048u, 5000u})
    expect_same({{"a", file + ":a"}, {"b", file + ":b"}}, {}, step);
}

TEST_F(StreamFiles, GoesOnFromAnyItem) {
  const Sources sources{{"a", table("t.parquet") + ":a"}, {"b", table("u.parquet", "i % 5 != 1") + ":b"}};
  for (const std::size_t begin : {1u, 100u, 2047u, 2048u, 4999u}) expect_same(sources, {}, 640, begin);
}

TEST_F(StreamFiles, TablesOfOtherItemsAndOrders) {
  const std::string whole = table("t.parquet"), part = table("part.parquet", "i % 5 != 1"),
                    shuffled = table("shuffled.parquet", "i % 3 != 0", "hash(i)"),
                    late = table("late.parquet", "i > 2500");
  expect_same({{"a", whole + ":a"}, {"b", part + ":b"}});
  expect_same({{"a", part + ":a"}, {"b", whole + ":b"}});      // new items at the end
  expect_same({{"a", whole + ":a"}, {"b", shuffled + ":b"}});  // put aside
  expect_same({{"a", shuffled + ":a"}, {"b", whole + ":b"}, {"c", late + ":a"}});
}

TEST_F(StreamFiles, TextIdsAndWildcards) {
  table("x1.parquet", "i < 2600");
  table("x2.parquet", "i >= 2600");
  CatalogueOptions by_name;
  by_name.item_column = "name";
  const std::string shuffled = table("y.parquet", "i % 3 != 0", "hash(i)");
  expect_same({{"a", path("x*.parquet") + ":a"}, {"b", shuffled + ":b"}}, by_name);
  expect_same({{"a", path("x*.parquet") + ":a"}, {"b", shuffled + ":b"}});
}

TEST_F(StreamFiles, NpyAloneAndWithTables) {
  const std::string one = npy("one.npy", 700, 5), two = npy("two.npy", 700, 2), file = table("t.parquet", "i % 5 != 1");
  const std::string half = write("half.npy", npy_of<std::uint16_t>("<f2", 2, 2, {0x3C00, 0xBC00, 0x0001, 0x4248}));
  const std::string doubles = write("doubles.npy", npy_of<double>("<f8", 2, 1, {1.5, -1e300 * 0}));
  expect_same({{"x", one}, {"y", two}});
  CatalogueOptions zero;
  zero.zero_is_missing = true;
  expect_same({{"x", one}, {"y", two}}, zero, 64);
  expect_same({{"x", half}, {"y", doubles}}, zero);
  expect_same({{"x", one}, {"b", file + ":b"}, {"y", two}});
  expect_same({{"b", file + ":b"}, {"x", one}});
}

TEST_F(StreamFiles, TextFormats) {
  const std::string csv = write("t.csv", "item_id,e\n7,\"[0.5, 1]\"\n3,\n9,\"[0, 0]\"\n");
  const std::string json = write("t.jsonl", "{\"item_id\": 9, \"e\": [0.5]}\n{\"item_id\": 3, \"e\": [2]}\n");
  CatalogueOptions zero;
  zero.zero_is_missing = true;
  for (const CatalogueOptions& catalogue : {CatalogueOptions(), zero}) {
    expect_same({{"x", csv + ":e"}, {"y", json + ":e"}}, catalogue);
    expect_same({{"y", json + ":e"}, {"x", csv + ":e"}}, catalogue, 1);
  }
}

TEST_F(StreamFiles, ComplaintsAreThoseOfACatalogueInMemory) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  expect_refused({{"x", write("nan.npy", npy_of<float>("<f4", 3, 2, {1, 2, 3, 4, 5, nan}))}});
  expect_refused({{"x", write("big.npy", npy_of<double>("<f8", 1, 1, {1e300}))}});
  expect_refused({{"x", npy("700.npy", 700, 2)}, {"y", npy("701.npy", 701, 2)}});
  expect_refused({{"x", path("nowhere.npy")}});
  expect_refused({{"x", path("nowhere.parquet") + ":e"}});
  expect_refused({{"x", npy("col.npy", 9, 1) + ":e"}});
  expect_refused({{"x", table("t.parquet")}});
  expect_refused({{"x", table("t.parquet") + ":c"}});
  expect_refused({{"x", table("t.parquet") + ":name"}});
  const std::vector<std::string> rows{"(1, [1.0, 2.0]), (1, [2.0, 2.0])",  // an id twice
                                      "(1, [1.0, 2.0]), (2, [2.0])",       // another width
                                      "(1, [1.0, 2.0]), (NULL, [2.0, 3.0])",
                                      "(1, [1.0, 2.0]), (2, [2.0, NULL])",
                                      "(1, [1.0, 2.0]), (2, ['nan'::DOUBLE, 1.0])",
                                      "(1, [1.0, 2.0]), (2, [1e300, 1.0])",
                                      "(1, []::DOUBLE[])",
                                      "(1, NULL::DOUBLE[])"};
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (const std::string type : {"FLOAT[]", "DOUBLE[]"}) {
      const bool is_beyond_float = rows[i].find("1e300") != std::string::npos;
      if (is_beyond_float && type == "FLOAT[]") continue;
      const std::string name = "wrong" + std::to_string(i) + type.substr(0, 1) + ".parquet";
      expect_refused({{"x", write_parquet(name, "SELECT item_id, e::" + type + " AS e FROM (VALUES " + rows[i] +
                                                    ") t(item_id, e)") +
                                ":e"}});
    }
  expect_refused({{"x", write("none.csv", "item_id,e\n1,abc\n") + ":e"}});
  expect_refused({{"x", write("uneven.csv", "item_id,e\n1,\"[1,2]\"\n2,\"[1]\"\n") + ":e"}});
  expect_refused({{"x", npy("n.npy", 9, 1)}, {"y", write("ids.csv", "item_id,e\nab,\"[1,2]\"\n") + ":e"}});
  expect_refused({{"x", npy("n.npy", 9, 1)}, {"X", npy("m.npy", 9, 1)}});
  CatalogueOptions zero;
  zero.zero_is_missing = true;
  expect_refused({{"x", write("zeros.npy", npy_of<float>("<f4", 2, 1, {0, 0}))}}, zero);
  expect_refused({{"x", write_parquet("zeros.parquet", "SELECT 1 AS item_id, [0.0, 0.0]::FLOAT[] AS e") + ":e"}}, zero);
}

TEST_F(StreamFiles, ByPositionMakesACatalogue) {
  const Sources sources{{"a", table("t.parquet") + ":a"}, {"b", table("s.parquet", "i % 3 = 0", "hash(i)") + ":b"}};
  StreamOptions by_position = options();
  by_position.by_position = true;
  const CatalogueStream stream(sources, by_position);
  const Catalogue found = stream.catalogue(), expected = open_catalogue(sources);
  EXPECT_EQ(found.items, expected.items);
  for (std::size_t m = 0; m < 2; ++m) {
    const std::vector<std::string> name{sources[m].name};
    const auto items = expected.items_with(name);
    const Matrix rows = found.gather(name, items), wanted = expected.gather(name, items);
    EXPECT_TRUE(std::ranges::equal(rows.flat(), wanted.flat()));
  }
}

TEST_F(StreamFiles, FingerprintsTellSourcesApart) {
  const std::string file = table("t.parquet");
  const auto print = [&](const Sources& sources, const CatalogueOptions& catalogue = {}) {
    return CatalogueStream(sources, options(catalogue)).fingerprint();
  };
  const std::string first = print({{"a", file + ":a"}});
  EXPECT_EQ(print({{"a", file + ":a"}}), first);
  EXPECT_NE(print({{"x", file + ":a"}}), first);
  EXPECT_NE(print({{"a", file + ":b"}}), first);
  CatalogueOptions zero;
  zero.zero_is_missing = true;
  EXPECT_NE(print({{"a", file + ":a"}}, zero), first);
  std::filesystem::last_write_time(file, std::filesystem::last_write_time(file) + std::chrono::seconds(2));
  EXPECT_NE(print({{"a", file + ":a"}}), first);
}

TEST_F(StreamFiles, AFileThatShrinksMeanwhileIsNamed) {
  const std::string file = npy("n.npy", 700, 5);
  CatalogueStream stream(Sources{{"x", file}}, options());
  std::filesystem::resize_file(file, 1000);
  Matrix rows(100, 5);
  std::vector<std::uint8_t> present(100);
  stream.advance(0, 700);
  expect_failure<DataError>([&] { stream.read(0, 600, rows.view(), present); }, {file, "changed"});
}

}  // namespace
}  // namespace neume::data
