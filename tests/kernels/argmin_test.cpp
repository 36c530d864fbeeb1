// The arg-min kernel against its scalar truth, bit for bit, on every instruction set that this machine has.

#include "kernels/argmin.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <vector>

#include "base/random.hpp"

namespace neume::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Runs `check` once a supported target, with all better targets switched off.
template <class Check>
void on_every_target(const Check& check) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

struct Problem {
  std::vector<float> products, bias, table;
  std::vector<std::uint16_t> codes;
  std::size_t rows, cols;
};

/// Values on a coarse grid, so that ties are common.
Problem coarse_problem(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  base::Random random(seed);
  const auto coarse = [&] { return 0.1f * static_cast<float>(random.index(5)); };
  Problem p{std::vector<float>(rows * cols + 1),
            std::vector<float>(cols),
            std::vector<float>(3 * (cols + 1)),
            {},
            rows,
            cols};
  for (auto& x : p.products) x = coarse();
  for (auto& x : p.bias) x = coarse();
  for (auto& x : p.table) x = coarse();
  for (std::size_t i = 0; i < 4 * rows; ++i) p.codes.push_back(static_cast<std::uint16_t>(random.index(3)));
  return p;
}

TEST(UpdateNearest, EqualsScalarOnEveryTargetAndLength) {
  on_every_target([] {
    for (std::size_t cols = 0; cols <= 67; ++cols) {
      const Problem p = coarse_problem(5, cols, cols);
      for (const std::size_t num_tables : {0, 1, 2, 5}) {
        std::vector<ScoreTable> tables;
        for (std::size_t t = 0; t < num_tables; ++t)
          tables.push_back({p.table.data() + t % 2, cols, p.codes.data() + t % 4, 4});
        // One float off the alignment of the vectors.
        const ScoreBlock block{{p.products.data() + 1, p.rows, cols, cols}, p.bias.data(), tables, 7};
        std::vector<Nearest> found(p.rows), expected(p.rows);
        update_nearest(block, found);
        update_nearest_scalar(block, expected);
        for (std::size_t i = 0; i < p.rows; ++i) {
          ASSERT_EQ(found[i].index, expected[i].index) << cols << " " << num_tables << " " << i;
          ASSERT_EQ(found[i].score, expected[i].score);
        }
      }
    }
  });
}

TEST(UpdateNearest, LowestIndexWinsTiesWithinAndAcrossBlocks) {
  on_every_target([] {
    const std::vector<float> equal(40, 1.0f), bias(40, 3.0f);
    std::vector<Nearest> nearest(1);
    update_nearest({{equal.data(), 1, 40, 40}, bias.data(), {}, 100}, nearest);
    EXPECT_EQ(nearest[0].index, 100u);
    EXPECT_EQ(nearest[0].score, 1.0f);
    update_nearest({{equal.data(), 1, 40, 40}, bias.data(), {}, 140}, nearest);
    EXPECT_EQ(nearest[0].index, 100u);
    std::vector<float> later = equal;
    later[37] = later[21] = 2.0f;  // two equal minima in different lanes
    update_nearest({{later.data(), 1, 40, 40}, bias.data(), {}, 180}, nearest);
    EXPECT_EQ(nearest[0].index, 201u);
  });
}

TEST(UpdateNearest, NeverChoosesNaN) {
  on_every_target([] {
    std::vector<float> products(33, std::nanf("")), bias(33, 0.0f);
    std::vector<Nearest> nearest(1);
    update_nearest({{products.data(), 1, 33, 33}, bias.data(), {}, 0}, nearest);
    EXPECT_EQ(nearest[0].index, 0u);
    EXPECT_EQ(nearest[0].score, kInfinity);
    products[30] = 1.0f;
    update_nearest({{products.data(), 1, 33, 33}, bias.data(), {}, 0}, nearest);
    EXPECT_EQ(nearest[0].index, 30u);
  });
}

TEST(RowKernels, AgreeWithDoubleLoop) {
  on_every_target([] {
    base::Random random(3);
    for (std::size_t size = 0; size <= 70; ++size) {
      std::vector<float> a(size), b(size), sum(size, 0.5f);
      double distance = 0, norm = 0;
      for (std::size_t j = 0; j < size; ++j) {
        a[j] = static_cast<float>(random.normal());
        b[j] = static_cast<float>(random.normal());
        distance += (double{a[j]} - b[j]) * (double{a[j]} - b[j]);
        norm += double{a[j]} * a[j];
      }
      // Every term is rounded a few times and added at most `size` times.
      const double share = 6e-8 * static_cast<double>(size + 4);
      EXPECT_NEAR(squared_distance(a, b), distance, share * distance);
      EXPECT_NEAR(squared_norm(a), norm, share * norm);
      EXPECT_EQ(add_and_measure(a, b, sum), squared_distance(a, b));
      for (std::size_t j = 0; j < size; ++j) EXPECT_EQ(sum[j], 0.5f + a[j]);
    }
  });
}

TEST(RowKernels, SquaredNormOfBadValuesIsNotFinite) {
  for (const float bad : {std::nanf(""), kInfinity, 1e30f}) {
    for (std::size_t place = 0; place < 21; ++place) {
      std::vector<float> row(21, 1.0f);
      row[place] = bad;
      EXPECT_FALSE(std::isfinite(squared_norm(row)));
    }
  }
}

}  // namespace
}  // namespace neume::kernels
