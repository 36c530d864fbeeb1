// Short lists, exact distances and row kernels against plain loops, on every instruction set that this machine has.

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

/// The score that a list's codes are compared by, in double.
double score(const Problem& p, const ScoreBlock& block, std::size_t i, std::size_t j) {
  double value = double{p.bias[j]} - 2.0 * double{block.products.row(i)[j]};
  for (const ScoreTable& table : block.tables)
    value -= 2.0 * double{table.data[table.codes[i * table.code_stride] * table.stride + j]};
  return value;
}

std::vector<std::uint32_t> codes_of(const Shortlist& list) {
  std::vector<std::uint32_t> codes;
  for (std::uint32_t e = 0; e < list.count; ++e) codes.push_back(list.entries[e].code);
  return codes;
}

TEST(ShortlistScores, HoldsEveryCodeThatMayBeNearestAndFewOthers) {
  on_every_target([] {
    for (std::size_t cols = 1; cols <= 150; ++cols) {
      const Problem p = coarse_problem(5, cols, cols);
      for (const std::size_t num_tables : {0, 1, 2, 5}) {
        std::vector<ScoreTable> tables;
        for (std::size_t t = 0; t < num_tables; ++t)
          tables.push_back({p.table.data() + t % 2, cols, p.codes.data() + t % 4, 4});
        // One float off the alignment of the vectors.
        const ScoreBlock block{{p.products.data() + 1, p.rows, cols, cols}, p.bias.data(), tables, 7};
        const std::vector<float> errors = {1e-5f, 0.01f, 0.06f, 1e-5f, 0.02f};
        std::vector<Shortlist> lists(p.rows);
        shortlist_scores(block, errors, lists);
        for (std::size_t i = 0; i < p.rows; ++i) {
          double lowest = kInfinity;
          for (std::size_t j = 0; j < cols; ++j) lowest = std::min(lowest, score(p, block, i, j));
          ASSERT_NEAR(lists[i].highest, lowest + double{errors[i]}, 1e-6);
          lists[i].prune();
          if (lists[i].overflowed) continue;
          std::vector<std::uint32_t> expected;
          for (std::size_t j = 0; j < cols; ++j)
            if (score(p, block, i, j) <= lowest + 2.0 * double{errors[i]} + 1e-6)
              expected.push_back(7 + static_cast<std::uint32_t>(j));
          ASSERT_EQ(codes_of(lists[i]), expected) << cols << " " << num_tables << " " << i;
        }
      }
    }
  });
}

TEST(ShortlistScores, GoesOnWhereTheBlockBeforeEnded) {
  on_every_target([] {
    const std::vector<float> bias = {3.0f, 1.0f, 2.0f}, products(3, 0.0f), errors = {0.25f};
    std::vector<Shortlist> lists(1);
    shortlist_scores({{products.data(), 1, 3, 3}, bias.data(), {}, 0}, errors, lists);
    const std::vector<float> next = {1.125f, 0.75f};
    shortlist_scores({{products.data(), 1, 2, 2}, next.data(), {}, 3}, errors, lists);
    lists[0].prune();
    EXPECT_EQ(codes_of(lists[0]), (std::vector<std::uint32_t>{1, 3, 4}));
  });
}

TEST(ShortlistScores, SaysWhereTooManyCodesAreLevel) {
  on_every_target([] {
    const std::vector<float> equal(70, 1.0f), bias(70, 3.0f), errors(1, 0.0f);
    std::vector<Shortlist> lists(1);
    shortlist_scores({{equal.data(), 1, 70, 70}, bias.data(), {}, 0}, errors, lists);
    EXPECT_TRUE(lists[0].overflowed);
    lists[0].clear();
    shortlist_scores({{equal.data(), 1, 20, 70}, bias.data(), {}, 0}, errors, lists);
    EXPECT_FALSE(lists[0].overflowed);
    EXPECT_EQ(lists[0].count, 20u);
  });
}

TEST(ShortlistScores, NeverHoldsNaN) {
  on_every_target([] {
    std::vector<float> products(33, std::nanf("")), bias(33, 0.0f);
    const std::vector<float> errors(1, 0.0f);
    std::vector<Shortlist> lists(1);
    shortlist_scores({{products.data(), 1, 33, 33}, bias.data(), {}, 0}, errors, lists);
    EXPECT_EQ(lists[0].count, 0u);
    products[30] = 1.0f;
    shortlist_scores({{products.data(), 1, 33, 33}, bias.data(), {}, 0}, errors, lists);
    EXPECT_EQ(codes_of(lists[0]), std::vector<std::uint32_t>{30});
  });
}

TEST(ExactDistance, IsTheSameOnEveryTargetWithFusedMultiplyAdd) {
  base::Random random(4);
  for (const std::size_t size : {1, 7, 8, 9, 16, 31, 256, 771}) {
    std::vector<float> a(size), b(size);
    double expected = 0.0;
    for (std::size_t j = 0; j < size; ++j) {
      a[j] = static_cast<float>(random.normal());
      b[j] = static_cast<float>(random.normal());
      expected += (double{a[j]} - b[j]) * (double{a[j]} - b[j]);
    }
    std::vector<double> found;
    on_every_target([&] {
      EXPECT_NEAR(exact_distance(a, b), expected, 1e-13 * expected);
      found.push_back(exact_distance(a, b));
    });
    EXPECT_EQ(exact_distance(a, a), 0.0);
    for (std::size_t t = 1; t + 1 < found.size(); ++t) EXPECT_EQ(found[t], found[0]);  // the last is the baseline
  }
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
      add_row(a, sum);
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
