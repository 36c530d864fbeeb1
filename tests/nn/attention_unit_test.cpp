// One attention unit on its own: derivatives of its weights, its table and its query, and the look-ups under it.

#include "nn/attention_unit.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "nn/gradient_check.hpp"

namespace neume::nn {
namespace {

constexpr std::size_t kBatch = 5;
constexpr std::size_t kRows = 7;
constexpr std::size_t kWidth = 16;
constexpr std::size_t kHidden = 16;
constexpr kernels::AttentionShape kShape{kHidden, kWidth, 2};

struct Options {
  bool softmax = false;
  bool product = false;
};

Lookups random_lookups(base::Random& random, bool targets) {
  Lookups lookups;
  lookups.clear(2);
  for (std::uint32_t s = 0; s < kBatch; ++s) {
    const std::size_t count = targets ? (s == 1 ? 0 : 1) : s;  // sample 0 has no history, sample 1 no target codes
    for (std::size_t j = 0; j < count; ++j) {
      lookups.samples.push_back(s);
      for (int l = 0; l < 2; ++l) lookups.rows.push_back(static_cast<std::uint32_t>(random.index(kRows)));
    }
    lookups.offsets.push_back(static_cast<std::uint32_t>(lookups.samples.size()));
  }
  lookups.group_by_row(kRows);
  return lookups;
}

/// loss = sum of coefficients * pooled + other coefficients * target embeddings.
struct Network {
  explicit Network(Options options = {})
      : random(2),
        unit("unit", {{kHidden, kWidth, 2, options.softmax}, kBatch, 100, options.product}, 0.3, random),
        table(kRows * kShape.row_size()),
        gradients(kRows * kShape.row_size()),
        targets(kBatch * kWidth),
        pooled(kBatch * kWidth),
        coefficients(kBatch * kWidth),
        target_gradients(kBatch * kWidth),
        history(random_lookups(random, false)),
        target_lookups(random_lookups(random, true)) {
    for (auto& x : table) x = random.normal();
    for (auto& x : coefficients) x = random.normal();
  }

  double loss() {
    unit.parameters_changed();
    unit.project(table.data(), {0, kRows});
    for (std::size_t s = 0; s < kBatch; ++s) {
      double* target = targets.data() + s * kWidth;
      std::fill_n(target, kWidth, 0.0);
      if (target_lookups.has(s)) {
        kernels::sum_rows<double>(kShape, table.data(), target_lookups.rows.data() + target_lookups.offsets[s] * 2,
                                  target);
      }
    }
    unit.forward(history, table.data(), {0, 3}, {targets.data(), kWidth}, {pooled.data(), kWidth});
    unit.forward(history, table.data(), {3, kBatch}, {targets.data(), kWidth}, {pooled.data(), kWidth});
    double sum = 0.0;
    for (std::size_t i = 0; i < pooled.size(); ++i) sum += coefficients[i] * (pooled[i] + targets[i]);
    return sum;
  }

  void backward() {
    loss();
    std::ranges::copy(coefficients, target_gradients.begin());
    unit.reserve_partials(2, 2);
    const typename AttentionUnit<double>::Backward pass{history,
                                                        table.data(),
                                                        {coefficients.data(), kWidth},
                                                        {target_gradients.data(), kWidth},
                                                        {targets.data(), kWidth}};
    unit.backward(pass, {0, 3}, 0);
    unit.backward(pass, {3, kBatch}, 1);
    const auto backward_rows = [&](RowRange range, std::size_t chunk) {
      unit.backward_rows({history,
                          &target_lookups,
                          {coefficients.data(), kWidth},
                          {target_gradients.data(), kWidth},
                          table.data(),
                          gradients.data() + range.begin * kShape.row_size()},
                         range, chunk);
    };
    backward_rows({0, 4}, 0);
    backward_rows({4, kRows}, 1);
    unit.query_weight_gradients(kBatch, {targets.data(), kWidth});
    unit.sum_partials(2, 2);
  }

  base::Random random;
  AttentionUnit<double> unit;
  base::Buffer<double> table, gradients, targets, pooled, coefficients, target_gradients;
  Lookups history, target_lookups;
};

class AttentionUnitDerivatives : public testing::TestWithParam<Options> {};

TEST_P(AttentionUnitDerivatives, AgreeWithDifferences) {
  Network network(GetParam());
  network.backward();
  const auto loss = [&] { return network.loss(); };
  std::vector<ParameterView<double>> parameters;
  network.unit.collect(parameters);
  EXPECT_EQ(parameters.size(), GetParam().product ? 6u : 5u);
  for (const auto& p : parameters) {
    for (std::size_t i = 0; i < p.rows * p.cols; i += 3) {
      expect_derivative(loss, p.values.data + i, p.gradients.data[i], p.name + " " + std::to_string(i));
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kWidth; ++c) {
      const std::size_t raw = r * kShape.row_size() + kHidden + c;
      expect_derivative(loss, &network.table[raw], network.gradients[raw], "table row " + std::to_string(r));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryOption, AttentionUnitDerivatives,
                         testing::Values(Options{false, false}, Options{true, false}, Options{false, true},
                                         Options{true, true}),
                         [](const auto& p) {
                           return std::string(p.param.softmax ? "softmax" : "plain") +
                                  (p.param.product ? "Product" : "");
                         });

TEST(AttentionUnit, SoftmaxIgnoresTheOutputBias) {
  Network network({true, false});
  const double before = network.loss();
  std::vector<ParameterView<double>> parameters;
  network.unit.collect(parameters);
  ASSERT_EQ(parameters.back().name, "unit.output_bias");
  *parameters.back().values.data += 5.0;
  EXPECT_NEAR(network.loss(), before, 1e-12);
  network.backward();
  EXPECT_EQ(*parameters.back().gradients.data, 0.0);
}

TEST(Lookups, GroupByRowKeepsOccurrencesInOrder) {
  Lookups lookups;
  lookups.clear(2);
  lookups.samples = {0, 0, 2};
  lookups.rows = {1, 3, 1, 2, 3, 3};
  lookups.offsets = {0, 2, 2, 3};
  lookups.group_by_row(5);
  EXPECT_EQ(lookups.first, (std::vector<std::uint32_t>{0, 0, 2, 3, 6, 6}));
  EXPECT_EQ(lookups.order, (std::vector<std::uint32_t>{0, 1, 1, 0, 2, 2}));
}

}  // namespace
}  // namespace neume::nn
