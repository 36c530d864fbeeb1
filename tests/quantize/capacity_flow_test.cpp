// Exact balancing at fixed codewords: candidate lists, the flow against the Hungarian method, and the room that centred
// prices leave.

#include "quantize/capacity_flow.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <neume/error.hpp>

#include "quantize/assignment_oracle.hpp"
#include "quantize/price_ascent.hpp"
#include "quantize/sample_rows.hpp"

namespace neume::quantize {
namespace {

CodebookLayer priced_codebook(const Matrix& codewords, std::vector<double> prices = {}) {
  CodebookLayer codebook;
  codebook.residual = codewords.clone();
  prepare_codebook(codebook, {}, 0.0);
  prices.resize(codewords.rows());
  codebook.price = std::move(prices);
  return codebook;
}

Matrix column(const std::vector<float>& values) {
  Matrix matrix(values.size(), 1);
  std::ranges::copy(values, matrix.data());
  return matrix;
}

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += (double{a[j]} - b[j]) * (double{a[j]} - b[j]);
  return sum;
}

std::vector<std::size_t> codes_under(const CandidateLists& lists, std::span<const double> prices) {
  std::vector<std::size_t> codes;
  for (std::size_t i = 0; i < lists.rows(); ++i) codes.push_back(lists.code(i, lists.best(i, prices).first));
  return codes;
}

std::vector<std::size_t> counts_of(const std::vector<std::size_t>& codes, std::size_t num_codes) {
  std::vector<std::size_t> counts(num_codes);
  for (const std::size_t code : codes) ++counts[code];
  return counts;
}

TEST(CandidateLists, AreTheBestCodesInOrder) {
  const std::size_t num_codes = kCodesAtOnce + 90;  // searched in two parts
  const Matrix rows = random_rows(300, 3, 1), codewords = random_rows(num_codes, 3, 2);
  std::vector<double> prices(num_codes);
  for (std::size_t j = 0; j < num_codes; ++j) prices[j] = 0.001 * static_cast<double>(j % 7);
  const CodebookLayer codebook = priced_codebook(codewords, prices);
  CandidateLists lists(rows.rows(), num_codes);
  lists.gather(rows.view(), codebook);
  ASSERT_EQ(lists.length(), 64u);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    std::vector<double> all;
    for (std::size_t j = 0; j < num_codes; ++j)
      all.push_back(distance(rows.row(i), codewords.row(j)) + prices[j] - distance(rows.row(i), std::vector<float>(3)));
    std::ranges::sort(all);
    for (std::size_t place = 0; place < lists.length(); ++place)
      EXPECT_NEAR(lists.score(i, place, prices[lists.code(i, place)]), all[place], 1e-5) << "row " << i;
  }
  AssignmentScratch scratch(3, num_codes);
  const auto nearest = scratch.assign(codebook, {rows.data(), kBlockRows, nullptr, 0});
  for (std::size_t i = 0; i < kBlockRows; ++i) {
    EXPECT_EQ(lists.code(i, 0), nearest[i].index);
    EXPECT_EQ(lists.best(i, prices).first, 0u);
    EXPECT_EQ(lists.best(i, prices).second, 1u);
  }
}

TEST(CandidateLists, GetShorterAsRowsGetMore) {
  EXPECT_EQ(CandidateLists(10, 7).length(), 7u);
  EXPECT_EQ(CandidateLists(10, 1000).length(), 64u);
  EXPECT_EQ(CandidateLists(100000, 1000).length(), 41u);
  EXPECT_EQ(CandidateLists(1000000, 1000).length(), 8u);
}

TEST(CandidateLists, LengthenUpToAllCodes) {
  CandidateLists lists(10, 150);
  EXPECT_EQ(lists.length(), 64u);
  EXPECT_TRUE(lists.lengthen());
  EXPECT_TRUE(lists.lengthen());
  EXPECT_EQ(lists.length(), 150u);
  EXPECT_FALSE(lists.lengthen());
}

// Rows 0 .. 99, 65 codewords below them and one at 1000, which no list of 64 has. Its three nearest rows are the last.
TEST(CandidateLists, WidenPutsCodesIntoTheListsOfTheirNearestRows) {
  std::vector<float> values(100), places(66);
  for (std::size_t i = 0; i < 100; ++i) values[i] = static_cast<float>(i);
  for (std::size_t j = 0; j < 65; ++j) places[j] = -static_cast<float>(j);
  places[65] = 1000;
  const Matrix rows = column(values), codewords = column(places);
  const CodebookLayer codebook = priced_codebook(codewords);
  CandidateLists lists(100, 66);
  lists.gather(rows.view(), codebook);
  std::vector<std::size_t> wanted(66);
  wanted[65] = 3;
  lists.widen(rows.view(), codebook, wanted);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(lists.code(i, 0), 0u);
    EXPECT_EQ(lists.code(i, 63), i < 97 ? 63u : 65u) << i;
  }
  EXPECT_NEAR(lists.score(99, 63, 0.0), 1000.0 * 1000.0 - 2.0 * 99.0 * 1000.0, 1e-3);
}

// Rows 0 1 2 10 and codewords 0 and 10, two rows each. Row 2 must leave codeword 0: (2-0)^2 + p_0 >= (2-10)^2 + p_1
// asks for p_0 - p_1 >= 60; row 1 stays while 1 + p_0 <= 81 + p_1, to 80. A gap of 60 between the two, the middle
// at 70.
TEST(CapacityFlow, HandWorkedPrices) {
  const Matrix rows = column({0, 1, 2, 10}), codewords = column({0, 10});
  CandidateLists lists(4, 2);
  lists.gather(rows.view(), priced_codebook(codewords));
  const std::vector<std::uint8_t> surplus(4);
  CapacityFlow flow(lists, surplus, {2, 2}, {0, 0});
  EXPECT_EQ(flow.settle(), 0u);
  const std::vector<double> prices = flow.centred_prices();
  EXPECT_EQ(prices[1], 0.0);
  EXPECT_NEAR(prices[0], 70.0, 1e-3);
  EXPECT_EQ(codes_under(lists, prices), (std::vector<std::size_t>{0, 0, 1, 1}));
}

// The same with room: three places for codeword 0. Rows 0 1 2 are at home there, so nothing has a price but to be
// clear.
TEST(CapacityFlow, LeavesRowsWhereThereIsRoom) {
  const Matrix rows = column({0, 1, 2, 10}), codewords = column({0, 10});
  CandidateLists lists(4, 2);
  lists.gather(rows.view(), priced_codebook(codewords));
  const std::vector<std::uint8_t> surplus(4);
  // From a bad start: under p_1 = 70 row 2 is where it should be, under p_0 = 70 it is not.
  for (const std::vector<double>& start : {std::vector<double>{0, 70}, std::vector<double>{70, 0}}) {
    CapacityFlow flow(lists, surplus, {3, 3}, start);
    EXPECT_EQ(flow.settle(), 0u);
    EXPECT_EQ(codes_under(lists, flow.centred_prices()), (std::vector<std::size_t>{0, 0, 0, 1}));
  }
}

TEST(CapacityFlow, IsAsCheapAsTheHungarianMethodFromAnyPrices) {
  base::Random random(3);
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::size_t num_rows = 2 + random.index(39), num_codes = 1 + random.index(std::min<std::size_t>(num_rows, 9));
    const Matrix rows = random_rows(num_rows, 2, 100 + seed), codewords = random_rows(num_codes, 2, 200 + seed);
    const std::size_t capacity = (num_rows + num_codes - 1) / num_codes + random.index(2);
    std::vector<double> start(num_codes);
    for (double& price : start) price = random.index(3) == 0 ? 0.0 : std::abs(random.normal());
    CandidateLists lists(num_rows, num_codes);
    lists.gather(rows.view(), priced_codebook(codewords, start));
    const std::vector<std::uint8_t> surplus(num_rows);
    CapacityFlow flow(lists, surplus, std::vector<std::size_t>(num_codes, capacity), start);
    ASSERT_EQ(flow.settle(), 0u);
    const std::vector<double> prices = flow.centred_prices();
    const std::vector<std::size_t> codes = codes_under(lists, prices);
    EXPECT_LE(std::ranges::max(counts_of(codes, num_codes)), capacity) << "seed " << seed;
    EXPECT_EQ(std::ranges::min(prices), 0.0);
    std::vector<std::vector<double>> cost(num_rows, std::vector<double>(num_codes));
    double total = 0.0;
    for (std::size_t i = 0; i < num_rows; ++i) {
      for (std::size_t j = 0; j < num_codes; ++j) cost[i][j] = distance(rows.row(i), codewords.row(j));
      total += cost[i][codes[i]];
    }
    EXPECT_NEAR(total, oracle::cheapest_balanced(cost, capacity), 1e-4) << "seed " << seed;
  }
}

// Between three codes every cycle of moves has two or three arcs. The smallest gap of a row between its code and
// another is at most the mean of every cycle, and centred prices reach the smallest mean.
TEST(CapacityFlow, CentredPricesAreAsClearAsCanBe) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Matrix rows = random_rows(30, 2, 300 + seed), codewords = random_rows(3, 2, 400 + seed);
    CandidateLists lists(30, 3);
    lists.gather(rows.view(), priced_codebook(codewords));
    const std::vector<std::uint8_t> surplus(30);
    CapacityFlow flow(lists, surplus, {10, 10, 10}, {0, 0, 0});
    ASSERT_EQ(flow.settle(), 0u);
    const std::vector<double> prices = flow.centred_prices();
    const std::vector<std::size_t> codes = codes_under(lists, prices);
    double arc[3][3], smallest_gap = 1e9;
    for (auto& from : arc) std::fill(from, from + 3, 1e9);
    for (std::size_t i = 0; i < 30; ++i) {
      const double own = distance(rows.row(i), codewords.row(codes[i]));
      for (std::size_t j = 0; j < 3; ++j) {
        if (j == codes[i]) continue;
        const double cost = distance(rows.row(i), codewords.row(j)) - own;
        arc[codes[i]][j] = std::min(arc[codes[i]][j], cost);
        smallest_gap = std::min(smallest_gap, cost + prices[j] - prices[codes[i]]);
      }
    }
    const double mean = std::min({(arc[0][1] + arc[1][0]) / 2, (arc[0][2] + arc[2][0]) / 2, (arc[1][2] + arc[2][1]) / 2,
                                  (arc[0][1] + arc[1][2] + arc[2][0]) / 3, (arc[0][2] + arc[2][1] + arc[1][0]) / 3});
    EXPECT_GT(smallest_gap, 0.0) << "seed " << seed;
    EXPECT_NEAR(smallest_gap, mean, 1e-5) << "seed " << seed;
  }
}

// Five rows but two places in all; and three rows of which one does not count, with one place for each of the others.
TEST(CapacityFlow, CountsRowsAgainstPlaces) {
  const Matrix rows = column({0, 1, 2, 3, 4}), codewords = column({0, 4});
  CandidateLists lists(5, 2);
  lists.gather(rows.view(), priced_codebook(codewords));
  const std::vector<std::uint8_t> none(5);
  EXPECT_THROW(CapacityFlow(lists, none, {1, 1}, {0, 0}), InternalError);
  const std::vector<std::uint8_t> three{1, 0, 1, 0, 1};
  CapacityFlow flow(lists, three, {1, 1}, {0, 0});
  EXPECT_EQ(flow.settle(), 0u);
  const std::vector<std::size_t> codes = codes_under(lists, flow.centred_prices());
  EXPECT_EQ(codes[1], 0u);
  EXPECT_EQ(codes[3], 1u);
}

TEST(PriceAscent, BringsClustersNearTheirCapacity) {
  const std::size_t num_rows = 4000, num_codes = 40;
  const Matrix rows = random_rows(num_rows, 4, 8), codewords = random_rows(num_codes, 4, 9);
  CandidateLists lists(num_rows, num_codes);
  lists.gather(rows.view(), priced_codebook(codewords));
  const std::vector<std::uint8_t> surplus(num_rows);
  std::vector<double> prices(num_codes);
  const auto excess = [&] {
    std::size_t sum = 0;
    for (const std::size_t count : counts_of(codes_under(lists, prices), num_codes))
      sum += count - std::min<std::size_t>(count, 100);
    return sum;
  };
  const std::size_t before = excess();
  approach_balance({lists, surplus, 100}, 60, prices);
  EXPECT_LT(3 * excess(), before);
  EXPECT_GE(std::ranges::min(prices), 0.0);
}

TEST(PriceAscent, LeavesBalancedRowsAlone) {
  const Matrix rows = column({0, 1, 9, 10}), codewords = column({0, 10});
  CandidateLists lists(4, 2);
  lists.gather(rows.view(), priced_codebook(codewords));
  const std::vector<std::uint8_t> surplus(4);
  std::vector<double> prices{0.25, 0.5};
  approach_balance({lists, surplus, 2}, 10, prices);
  EXPECT_EQ(prices, (std::vector<double>{0.25, 0.5}));
}

}  // namespace
}  // namespace neume::quantize
