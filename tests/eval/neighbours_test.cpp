// Nearest neighbours against a loop over all rows in double, and neighbour retention worked by hand.

#include "eval/neighbours.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"

namespace neume::eval {
namespace {

using Rows = std::vector<std::uint32_t>;

Matrix random_rows(std::size_t rows, std::size_t cols, std::uint64_t seed, float offset = 0.0f) {
  base::Random random(seed);
  Matrix matrix(rows, cols);
  for (float& value : matrix.flat()) value = offset + static_cast<float>(random.normal());
  return matrix;
}

Matrix column(const std::vector<float>& values) {
  Matrix matrix(values.size(), 1);
  std::ranges::copy(values, matrix.flat().begin());
  return matrix;
}

Rows naive_neighbours(ConstMatrixView rows, std::uint32_t query, std::size_t count) {
  std::vector<std::pair<double, std::uint32_t>> all;
  for (std::uint32_t i = 0; i < rows.rows; ++i) {
    double distance = 0.0;
    for (std::size_t j = 0; j < rows.cols; ++j) {
      const double difference = double{rows.row(query)[j]} - rows.row(i)[j];
      distance += difference * difference;
    }
    if (i != query) all.emplace_back(distance, i);
  }
  std::ranges::sort(all);
  Rows nearest;
  for (std::size_t i = 0; i < count; ++i) nearest.push_back(all[i].second);
  return nearest;
}

void expect_naive(ConstMatrixView rows, const Rows& queries, std::size_t count) {
  const Neighbours found = nearest_neighbours(rows, queries, count);
  ASSERT_EQ(found.queries, queries);
  ASSERT_EQ(found.items.size(), queries.size() * count);
  for (std::size_t q = 0; q < queries.size(); ++q) {
    const auto begin = found.items.begin() + static_cast<std::ptrdiff_t>(q * count);
    EXPECT_EQ(Rows(begin, begin + static_cast<std::ptrdiff_t>(count)), naive_neighbours(rows, queries[q], count))
        << "query " << queries[q];
  }
}

TEST(NearestNeighbours, EqualALoopInDouble) {
  Rows queries(130);  // more than two blocks, and the last one is not full
  std::iota(queries.begin(), queries.end(), 1000u);
  const Matrix matrix = random_rows(2500, 19, 1);
  expect_naive(matrix.view(), queries, 7);
}

TEST(NearestNeighbours, BeyondOneSegmentOfRows) {
  const Matrix matrix = random_rows(132000, 3, 2);
  expect_naive(matrix.view(), {0, 131071, 131072, 131999}, 5);
}

TEST(NearestNeighbours, ExactWhereSinglePrecisionIsNot) {
  // 10,000 away from the origin the products have no digit left for distances of about 1.
  const Matrix matrix = random_rows(1500, 8, 3, 10000.0f);
  expect_naive(matrix.view(), {3, 700, 1499}, 10);
}

TEST(NearestNeighbours, TinyValues) {
  Matrix matrix = random_rows(300, 4, 4);
  for (float& value : matrix.flat()) value *= 1e-23f;  // products are below the smallest float
  expect_naive(matrix.view(), {0, 150}, 5);
}

TEST(NearestNeighbours, TiesGoToTheLowestRow) {
  // Rows 0 and 3 are equal; from row 1 (value 1), rows 2 and 4 (values 2 and 0) are equally far.
  const Matrix matrix = column({5, 1, 2, 5, 0});
  const Neighbours found = nearest_neighbours(matrix.view(), Rows{1, 3, 1}, 3);
  EXPECT_EQ(found.items, (Rows{2, 4, 0, 0, 2, 1, 2, 4, 0}));
}

TEST(NearestNeighbours, ManyDuplicates) {
  Matrix matrix = random_rows(3000, 6, 5);
  for (std::size_t i = 0; i < 3000; ++i) std::ranges::copy(matrix.row(i % 4), matrix.row(i).begin());
  expect_naive(matrix.view(), {0, 2, 2999}, 6);
}

TEST(NearestNeighbours, StridedRowsAndNoQueries) {
  const Matrix matrix = random_rows(50, 12, 6);
  const ConstMatrixView part{matrix.data() + 2, 50, 5, 12};
  expect_naive(part, {0, 49}, 49);
  EXPECT_TRUE(nearest_neighbours(part, {}, 3).items.empty());
}

TEST(NearestNeighbours, SameForAnyNumberOfThreads) {
  const Matrix matrix = random_rows(4000, 9, 7);
  Rows queries(200);
  std::iota(queries.begin(), queries.end(), 0u);
  base::set_num_threads(1);
  const Neighbours one = nearest_neighbours(matrix.view(), queries, 5);
  base::set_num_threads(3);
  const Neighbours three = nearest_neighbours(matrix.view(), queries, 5);
  base::set_num_threads(0);
  EXPECT_EQ(one.items, three.items);
}

TEST(NearestNeighbours, RejectsWhatCannotBeSearched) {
  Matrix matrix = random_rows(5, 3, 8);
  EXPECT_THROW(nearest_neighbours(matrix.view(), Rows{5}, 1), InvalidArgument);
  EXPECT_THROW(nearest_neighbours(matrix.view(), Rows{0}, 5), InvalidArgument);
  EXPECT_THROW(nearest_neighbours(matrix.view(), Rows{0}, 0), InvalidArgument);
  matrix.row(4)[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(nearest_neighbours(matrix.view(), Rows{0}, 1), InvalidArgument);
  matrix.row(4)[1] = 1e30f;
  EXPECT_THROW(nearest_neighbours(matrix.view(), Rows{0}, 1), InvalidArgument);
}

TEST(NeighbourRetention, HandWorkedFamily) {
  // The list has items 4, 0, 2, 3 as rows 0..3, with IDs (1,0), (0,0), (0,1), (0,0); item 1 has no code.
  const CodeFamily family{
      .name = "text", .codebook_sizes = {2, 2}, .codes = {0, 0, kNoCode, kNoCode, 0, 1, 0, 0, 1, 0}};
  const Rows items{4, 0, 2, 3};
  const Neighbours neighbours{.queries = {1, 0}, .count = 2, .items = {3, 2, 1, 3}};
  const NeighbourRetention found = neighbour_retention(family, neighbours, items);
  EXPECT_EQ(found.queries, 2u);
  EXPECT_EQ(found.count, 2u);
  // Pairs of rows: 1-3 and 1-2 share c_1; 0-1 and 0-3 do not. c_2: 1-3 yes, 1-2 no, 0-1 yes, 0-3 yes.
  EXPECT_EQ(found.same_code, (std::vector<double>{0.5, 0.75}));
  EXPECT_EQ(found.same_prefix, (std::vector<double>{0.5, 0.25}));
  // c_1: sizes 3, 1: 3*2 / (4*3). c_2: 3, 1. Prefix: (0,0) twice: 2*1 / (4*3).
  EXPECT_EQ(found.same_code_by_chance, (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(found.same_prefix_by_chance, (std::vector<double>{0.5, 2.0 / 12.0}));
}

TEST(NeighbourRetention, RandomNeighboursFindWhatChanceSays) {
  base::Random random(9);
  CodeFamily family{.name = "text", .codebook_sizes = {5, 5}, .codes = {}};
  Rows items(4000);
  std::iota(items.begin(), items.end(), 0u);
  for (std::size_t i = 0; i < 2 * items.size(); ++i)
    family.codes.push_back(static_cast<Code>(5 * random.uniform() * random.uniform()));
  Neighbours neighbours{.queries = items, .count = 5, .items = {}};
  for (std::size_t i = 0; i < 5 * items.size(); ++i) {
    // Any other row, all equally likely.
    const auto other = static_cast<std::uint32_t>(random.index(items.size() - 1));
    neighbours.items.push_back(other < i / 5 ? other : other + 1);
  }
  const NeighbourRetention found = neighbour_retention(family, neighbours, items);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    // A standard deviation is below 0.5 / sqrt(20000) = 0.0035.
    EXPECT_NEAR(found.same_code[layer], found.same_code_by_chance[layer], 0.015);
    EXPECT_NEAR(found.same_prefix[layer], found.same_prefix_by_chance[layer], 0.015);
  }
}

TEST(NeighbourRetention, EdgeCases) {
  const CodeFamily family{.name = "text", .codebook_sizes = {2}, .codes = {0, kNoCode}};
  const NeighbourRetention none = neighbour_retention(family, {}, Rows{0});
  EXPECT_EQ(none.same_code, std::vector<double>{0.0});
  EXPECT_EQ(none.same_code_by_chance, std::vector<double>{0.0});
  EXPECT_THROW(neighbour_retention(family, {}, Rows{1}), InvalidArgument);
  EXPECT_THROW(neighbour_retention(family, {}, Rows{2}), InvalidArgument);
  EXPECT_THROW(neighbour_retention(family, {.queries = {0}, .count = 1, .items = {1}}, Rows{0}), InvalidArgument);
  EXPECT_THROW(neighbour_retention(family, {.queries = {0}, .count = 1, .items = {}}, Rows{0}), InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
