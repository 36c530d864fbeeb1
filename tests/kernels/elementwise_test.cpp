// Element-wise passes against plain double loops, at every width around the vector lengths, rows apart and misaligned,
// for every instruction set that this machine has.

#include "kernels/elementwise.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.hpp"
#include "kernels/instruction_sets.hpp"

namespace neume::kernels {
namespace {

class ElementwiseKernels : public InstructionSetTest {
 protected:
  static constexpr std::size_t kRows = 3;
  static constexpr std::size_t kStride = 41;

  /// kRows rows that start one element off any alignment.
  std::vector<float> values(std::uint64_t seed) {
    base::Random random(seed);
    std::vector<float> out(1 + kRows * kStride);
    for (auto& x : out) x = static_cast<float>(random.normal());
    return out;
  }
};

TEST_P(ElementwiseKernels, BiasReluAndTheirBackward) {
  for (std::size_t cols = 0; cols <= 33; ++cols) {
    const auto x = values(1), bias = values(2), upstream = values(3);
    auto plain = x, relu = x, gradient = upstream;
    add_bias<float>({plain.data() + 1, kRows, cols, kStride}, bias.data() + 1);
    add_bias_relu<float>({relu.data() + 1, kRows, cols, kStride}, bias.data() + 1);
    relu_backward<float>({gradient.data() + 1, kRows, cols, kStride}, relu.data() + 1);
    for (std::size_t i = 1; i < x.size(); ++i) {
      const std::size_t c = (i - 1) % kStride;
      const float sum = c < cols ? x[i] + bias[1 + c] : x[i];
      EXPECT_EQ(plain[i], sum);
      EXPECT_EQ(relu[i], c < cols ? std::max(sum, 0.0f) : x[i]);
      EXPECT_EQ(gradient[i], c < cols && sum <= 0.0f ? 0.0f : upstream[i]);
    }
  }
}

TEST_P(ElementwiseKernels, ColumnSumsDotsAndScaling) {
  for (std::size_t cols = 1; cols <= 33; ++cols) {
    const auto x = values(1), y = values(2);
    std::vector<float> sums(cols), dots(cols), scaled(x.size(), 0.0f);
    const Block<const float> bx{x.data() + 1, kRows, cols, kStride}, by{y.data() + 1, kRows, cols, kStride};
    column_sums<float>(bx, sums.data());
    column_dots<float>(bx, by, dots.data());
    scale_columns<float>(bx, y.data(), {scaled.data() + 1, kRows, cols, kStride});
    for (std::size_t c = 0; c < cols; ++c) {
      double sum = 0.0, dot = 0.0;
      for (std::size_t r = 0; r < kRows; ++r) {
        const std::size_t i = 1 + r * kStride + c;
        sum += x[i];
        dot += double{x[i]} * y[i];
        EXPECT_EQ(scaled[i], x[i] * y[c]);
      }
      EXPECT_NEAR(sums[c], sum, 1e-5);
      EXPECT_NEAR(dots[c], dot, 1e-5);
    }
  }
}

TEST_P(ElementwiseKernels, AdamFollowsItsFormula) {
  for (std::size_t size = 1; size <= 33; ++size) {
    auto p = values(1), m = values(2), v = values(3);
    const auto g = values(4);
    for (auto& x : v) x = std::abs(x);
    const auto p0 = p, m0 = m, v0 = v;
    const double rate = 0.01, correction = 1.3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    adam_update<float>({0.01f, 1.3f, 0.9f, 0.999f, 1e-8f},
                       {p.data() + 1, m.data() + 1, v.data() + 1, g.data() + 1, size});
    for (std::size_t i = 1; i <= size; ++i) {
      const double first = beta1 * m0[i] + (1 - beta1) * g[i];
      const double second = beta2 * v0[i] + (1 - beta2) * g[i] * g[i];
      EXPECT_NEAR(m[i], first, 1e-6);
      EXPECT_NEAR(v[i], second, 1e-6);
      EXPECT_NEAR(p[i], p0[i] - rate * first / (std::sqrt(second) * correction + epsilon), 1e-5);
    }
    EXPECT_EQ(p[size + 1], p0[size + 1]);
  }
}

NEUME_FOR_EVERY_INSTRUCTION_SET(ElementwiseKernels);

}  // namespace
}  // namespace neume::kernels
