#include "data/row_sample.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "data/catalogue.hpp"
#include "data/fixture_files.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;
using testing::npy_of;

/// Ids that a sample holds when they come in this order.
std::set<std::int64_t> drawn_from(const std::vector<std::int64_t>& ids, std::size_t size, std::uint64_t seed) {
  RowSample sample(size);
  std::vector<std::int64_t> held;
  for (const std::int64_t id : ids) {
    const auto place = sample.offer(sample_key(id, seed), held.size());
    if (!place) continue;
    if (*place == held.size()) held.emplace_back();
    held.at(*place) = id;
  }
  EXPECT_EQ(sample.num_offered(), ids.size());
  EXPECT_EQ(sample.has_all(), size == 0 || ids.size() <= size);
  return {held.begin(), held.end()};
}

std::vector<std::int64_t> numbers(std::size_t count) {
  std::vector<std::int64_t> ids(count);
  std::iota(ids.begin(), ids.end(), -7);
  return ids;
}

TEST(RowSample, HoldsTheSmallestKeysInWhateverOrderTheyCome) {
  for (const std::size_t size : {1u, 2u, 10u, 99u, 100u, 101u}) {
    std::vector<std::int64_t> ids = numbers(100);
    const std::set<std::int64_t> first = drawn_from(ids, size, 4);
    EXPECT_EQ(first.size(), std::min<std::size_t>(size, 100));
    std::ranges::reverse(ids);
    EXPECT_EQ(drawn_from(ids, size, 4), first);
    std::ranges::sort(ids, {}, [](std::int64_t id) { return sample_key(id, 4); });
    EXPECT_EQ(std::set<std::int64_t>(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(first.size())), first);
  }
  EXPECT_EQ(drawn_from(numbers(50), 0, 4).size(), 50u);
}

TEST(RowSample, EveryIdIsDrawnEquallyOften) {
  constexpr std::size_t kIds = 40, kSize = 10, kSeeds = 4000;
  std::vector<double> count(kIds);
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed)
    for (const std::int64_t id : drawn_from(numbers(kIds), kSize, seed)) count[static_cast<std::size_t>(id + 7)] += 1;
  // Each is drawn with p = 1/4: mean 1000, standard deviation 27.
  for (const double x : count) EXPECT_NEAR(x, 1000, 5 * 27);
}

TEST(RowSample, AnIntegerAndItsTextHaveOneKey) {
  EXPECT_EQ(sample_key(std::int64_t{-12}, 3), sample_key("-12", 3));
  EXPECT_NE(sample_key(std::int64_t{12}, 3), sample_key("012", 3));
  EXPECT_NE(sample_key("a", 3), sample_key("a", 4));
  EXPECT_NE(sample_key("a", 3), sample_key("b", 3));
}

class SampledCatalogue : public testing::DataFiles {
 protected:
  static CatalogueOptions sampled(std::size_t size, std::uint64_t seed = 1) { return {"item_id", false, size, seed}; }

  static std::vector<std::string> names_of(const Catalogue& catalogue) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < catalogue.items.size(); ++i) names.push_back(catalogue.items.name(i));
    return names;
  }

  /// Item i of 1000 has the embedding (i, -i).
  std::string table(const std::string& name, const std::string& id = "i", const std::string& more = "") const {
    return write_parquet(name,
                         "SELECT " + id + " AS item_id, [i::FLOAT, -i::FLOAT] AS e FROM range(1000) t(i) " + more) +
           ":e";
  }

  std::string npy(const std::string& name) const {
    std::vector<float> values;
    for (int i = 0; i < 1000; ++i) values.insert(values.end(), {static_cast<float>(i), static_cast<float>(-i)});
    return write(name, npy_of<float>("<f4", 1000, 2, values));
  }

  static void expect_own_embeddings(const Catalogue& catalogue, const std::string& modality) {
    for (const std::uint32_t item : catalogue.items_with(std::vector{modality})) {
      const Matrix row = catalogue.gather(std::vector{modality}, std::vector<std::uint32_t>{item});
      EXPECT_EQ(row.row(0)[0], std::stof(catalogue.items.name(item)));
      EXPECT_EQ(row.row(0)[1], -row.row(0)[0]);
    }
  }
};

TEST_F(SampledCatalogue, IsTheSameFromEverySourceInTheOrderOfTheSource) {
  const std::string rising = table("rising.parquet"), falling = table("falling.parquet", "i", "ORDER BY i DESC");
  const std::string texts = table("texts.parquet", "i::VARCHAR");
  const Catalogue first = open_catalogue(std::vector<ModalitySource>{{"m", rising}}, sampled(100));
  std::vector<std::string> names = names_of(first);
  EXPECT_EQ(names.size(), 100u);
  EXPECT_TRUE(std::ranges::is_sorted(names, {}, [](const std::string& name) { return std::stoi(name); }));
  EXPECT_EQ(first.source_sizes, std::vector<std::size_t>{1000});
  for (const std::string& source : {rising, falling, texts, npy("rows.npy")}) {
    const Catalogue other = open_catalogue(std::vector<ModalitySource>{{"m", source}}, sampled(100));
    expect_own_embeddings(other, "m");
    std::vector<std::string> found = names_of(other);
    if (source == falling) std::ranges::reverse(found);
    EXPECT_EQ(found, names) << source;
  }
  EXPECT_NE(names_of(open_catalogue(std::vector<ModalitySource>{{"m", rising}}, sampled(100, 2))), names);
}

TEST_F(SampledCatalogue, IsTheWholeCatalogueWhereItIsSmallEnough) {
  const std::string some = table("some.parquet", "i", "WHERE i % 3 > 0"), all = npy("all.npy");
  const std::vector<ModalitySource> sources{{"a", some}, {"b", all}};
  const Catalogue whole = open_catalogue(sources);
  for (const std::size_t size : {1000u, 1001u}) {
    const Catalogue catalogue = open_catalogue(sources, sampled(size));
    EXPECT_EQ(catalogue.items, whole.items);
    EXPECT_EQ(catalogue.source_sizes, (std::vector<std::size_t>{666, 1000}));
    EXPECT_EQ(catalogue.source_sizes, whole.source_sizes);
    expect_own_embeddings(catalogue, "a");
    expect_own_embeddings(catalogue, "b");
  }
}

// Items of both modalities are a sample of all that have both: those whose keys come first.
TEST_F(SampledCatalogue, ModalitiesDrawTheSameItems) {
  const std::vector<ModalitySource> sources{{"a", table("a.parquet", "i", "WHERE i % 4 > 0")}, {"b", npy("b.npy")}};
  const Catalogue catalogue = open_catalogue(sources, sampled(200, 9));
  EXPECT_EQ(catalogue.items_with(std::vector<std::string>{"a"}).size(), 200u);
  EXPECT_EQ(catalogue.items_with(std::vector<std::string>{"b"}).size(), 200u);
  const auto both = catalogue.items_with(std::vector<std::string>{"a", "b"});
  std::vector<std::int64_t> complete;
  for (std::int64_t i = 0; i < 1000; ++i)
    if (i % 4 > 0) complete.push_back(i);
  std::ranges::sort(complete, {}, [](std::int64_t id) { return sample_key(id, 9); });
  std::set<std::int64_t> expected(complete.begin(), complete.begin() + static_cast<std::ptrdiff_t>(both.size())), found;
  for (const std::uint32_t item : both) found.insert(catalogue.items.integers()[item]);
  EXPECT_EQ(found, expected);
  EXPECT_GT(both.size(), 120u);  // about three quarters of b's 200
}

TEST_F(SampledCatalogue, ItemsWithoutAnEmbeddingAreNotDrawn) {
  const std::string nulls = write_parquet("nulls.parquet",
                                          "SELECT i AS item_id, CASE WHEN i % 2 = 0 THEN [i::FLOAT] END AS e "
                                          "FROM range(1000) t(i)") +
                            ":e";
  const Catalogue catalogue = open_catalogue(std::vector<ModalitySource>{{"m", nulls}}, sampled(50));
  EXPECT_EQ(catalogue.items.size(), 50u);
  EXPECT_EQ(catalogue.source_sizes, std::vector<std::size_t>{500});
  for (const std::int64_t id : catalogue.items.integers()) EXPECT_EQ(id % 2, 0);

  std::vector<float> values(1000);
  for (std::size_t i = 0; i < 1000; i += 2) values[i] = static_cast<float>(i + 1);
  const std::string zeros = write("zeros.npy", npy_of<float>("<f4", 1000, 1, values));
  for (const std::size_t size : {50u, 600u}) {
    CatalogueOptions options = sampled(size);
    options.zero_is_missing = true;
    const Catalogue masked = open_catalogue(std::vector<ModalitySource>{{"m", zeros}}, options);
    EXPECT_EQ(masked.source_sizes, std::vector<std::size_t>{500});
    EXPECT_EQ(masked.items.size(), size == 50 ? 50u : 1000u);
    EXPECT_EQ(masked.items_with(std::vector<std::string>{"m"}).size(), std::min<std::size_t>(size, 500));
  }
}

TEST_F(SampledCatalogue, ErrorsNameTheRowOfTheTable) {
  const std::string twice = table("twice.parquet", "i % 999");
  expect_failure<DataError>(
      [&] {
        open_catalogue(std::vector<ModalitySource>{{"m", twice}}, sampled(999));
      },
      {"item 0 occurs twice: in rows 0 and 999"});
  const std::string last = write_parquet("last.parquet",
                                         "SELECT i AS item_id, [CASE WHEN i = 999 THEN 'nan'::FLOAT ELSE i END] AS e "
                                         "FROM range(1000) t(i)") +
                           ":e";
  expect_failure<DataError>(
      [&] {
        open_catalogue(std::vector<ModalitySource>{{"m", last}}, sampled(3));
      },
      {"row 999 (0-based), item 999", "found NaN"});
  const std::string short_one = write("short.npy", npy_of<float>("<f4", 999, 2, std::vector<float>(1998, 1.0F)));
  expect_failure<DataError>(
      [&] {
        open_catalogue(std::vector<ModalitySource>{{"a", npy("a.npy")}, {"b", short_one}}, sampled(7));
      },
      {"has 999 rows", "has 1000"});
}

TEST_F(SampledCatalogue, WidthsAreThoseOfTheFirstEmbeddings) {
  const std::string csv = write("t.csv", "item_id,e\n1,\n2,\"[1, 2, 3]\"\n");
  const std::vector<ModalitySource> sources{{"a", npy("a.npy")}, {"b", csv + ":e"}, {"c", table("c.parquet")}};
  EXPECT_EQ(modality_widths(sources), (std::vector<std::size_t>{2, 3, 2}));
  const std::string none = write("none.csv", "item_id,e\n1,\n2,\n");
  expect_failure<DataError>(
      [&] {
        modality_widths(std::vector<ModalitySource>{{"a", none + ":e"}});
      },
      {"none.csv: column e", "no item has an embedding"});
  expect_failure<InvalidArgument>(
      [&] {
        modality_widths(std::vector<ModalitySource>{{"a", csv}});
      },
      {"which column holds the embeddings?"});
}

}  // namespace
}  // namespace neume::data
