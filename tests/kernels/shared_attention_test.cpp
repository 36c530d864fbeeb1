// Attention of many queries over one history against plain double loops, for every instruction set that this machine
// has.

#include "kernels/shared_attention.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "base/random.hpp"
#include "kernels/instruction_sets.hpp"

namespace neume::kernels {
namespace {

class SharedAttention : public InstructionSetTest {};

std::vector<float> normals(std::size_t count, std::uint64_t seed) {
  base::Random random(seed);
  std::vector<float> values(count);
  for (float& x : values) x = static_cast<float>(random.normal());
  return values;
}

TEST_P(SharedAttention, ScoresOfPairs) {
  for (const std::size_t hidden : {16u, 48u}) {
    for (const std::size_t stride : {16u, 64u, 144u}) {
      const std::size_t queries = 7;
      const auto projected = normals(hidden * stride, 1), thresholds = normals(queries * hidden, 2);
      const auto weights = normals(hidden, 3);
      std::vector<float> scores(queries * stride, 99.0f);
      const PairScores pass{projected.data(), stride, thresholds.data(), hidden, weights.data(), 0.5f, scores.data()};
      score_pairs(pass, 0, 3);
      score_pairs(pass, 3, queries);
      for (std::size_t i = 0; i < queries; ++i) {
        for (std::size_t j = 0; j < stride; ++j) {
          double expected = 0.5;
          for (std::size_t h = 0; h < hidden; ++h) {
            const double x = double{projected[h * stride + j]} - double{thresholds[i * hidden + h]};
            expected += double{weights[h]} * std::max(x, 0.0);
          }
          EXPECT_NEAR(scores[i * stride + j], expected, 2e-5) << hidden << ' ' << stride << ' ' << i << ' ' << j;
        }
      }
    }
  }
}

TEST_P(SharedAttention, SoftmaxOfCounts) {
  const std::size_t count = 21, stride = 32;
  auto scores = normals(stride, 4);
  for (float& x : scores) x *= 100.0f;  // exponentials overflow unless the largest is subtracted
  std::vector<float> counts(count);
  for (std::size_t j = 0; j < count; ++j) counts[j] = static_cast<float>(1 + j % 4);
  const auto before = scores;
  softmax_of_counts(scores.data(), counts.data(), count, stride);
  const double largest = double{*std::max_element(before.begin(), before.begin() + count)};
  double sum = 0.0;
  for (std::size_t j = 0; j < count; ++j) sum += double{counts[j]} * std::exp(double{before[j]} - largest);
  for (std::size_t j = 0; j < count; ++j) {
    EXPECT_NEAR(scores[j], std::exp(double{before[j]} - largest) / sum, 1e-6);
  }
  for (std::size_t j = count; j < stride; ++j) EXPECT_EQ(scores[j], 0.0f);
}

struct SweepCase {
  std::size_t entries, thresholds, width;
};

/// Values that are often equal, to each other and to thresholds, if `coarse`.
void expect_sweep(const SweepCase& c, bool coarse) {
  auto projected = normals(c.entries, 5), thresholds = normals(c.thresholds, 6);
  if (coarse) {
    for (float& x : projected) x = std::round(2.0f * x);
    for (float& x : thresholds) x = std::round(2.0f * x);
  }
  const auto embeddings = normals(c.entries * c.width, 7);
  std::vector<RankedValue> entries(c.entries), ranked(c.thresholds);
  DescendingOrder order;
  order.order(projected, entries);
  order.order(thresholds, ranked);
  const std::size_t stride = c.width + 16;
  std::vector<float> pooled(c.thresholds * stride, 1.0f);
  sweep_hidden_unit({entries, ranked, embeddings.data(), c.width, -0.7f, pooled.data(), stride});
  for (std::size_t i = 0; i < c.thresholds; ++i) {
    for (std::size_t column = 0; column < stride; ++column) {
      double expected = 0.0, size = 0.0;
      for (std::size_t j = 0; j < c.entries && column < c.width; ++j) {
        const double x = std::max(double{projected[j]} - double{thresholds[i]}, 0.0);
        expected += x * double{embeddings[j * c.width + column]};
        size += std::abs(x * double{embeddings[j * c.width + column]});
      }
      ASSERT_NEAR(pooled[i * stride + column], 1.0 - 0.7 * expected, 1e-6 * (1.0 + size)) << i << ' ' << column;
    }
  }
}

TEST_P(SharedAttention, SweepsOfAHiddenUnit) {
  for (const bool coarse : {false, true}) {
    for (const std::size_t entries : {0u, 1u, 31u, 32u, 33u, 64u, 500u}) expect_sweep({entries, 40, 64}, coarse);
    for (const std::size_t width : {16u, 48u, 80u}) expect_sweep({70, 9, width}, coarse);
  }
  expect_sweep({20000, 3, 16}, false);  // rounding does not grow with the history
}

NEUME_FOR_EVERY_INSTRUCTION_SET(SharedAttention);

TEST(DescendingOrder, IsThatOfASort) {
  DescendingOrder order;
  for (const std::size_t count : {0u, 1u, 2u, 9u, 300u, 5000u, 65536u, 70000u}) {
    for (const int kind : {0, 1, 2}) {
      auto values = normals(count, count);
      if (kind == 1) std::ranges::for_each(values, [](float& x) { x = std::round(x); });
      if (kind == 2 && count > 0) values[count / 2] = 1e30f;  // the others share a key
      std::vector<RankedValue> expected, found(count);
      for (std::size_t i = 0; i < count; ++i) expected.push_back({values[i], static_cast<std::uint32_t>(i)});
      std::ranges::stable_sort(expected, std::greater<>(), &RankedValue::value);
      order.order(values, found);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(found[i].value, expected[i].value) << count << ' ' << kind << ' ' << i;
        ASSERT_EQ(found[i].index, expected[i].index) << count << ' ' << kind << ' ' << i;
      }
    }
  }
}

}  // namespace
}  // namespace neume::kernels
