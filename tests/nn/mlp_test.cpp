// The perceptron: derivatives of weights, biases and inputs, and the loss on top of it.

#include "nn/mlp.hpp"

#include <gtest/gtest.h>

#include "nn/gradient_check.hpp"
#include "nn/loss.hpp"

namespace neume::nn {
namespace {

constexpr std::size_t kBatch = 9;
constexpr std::size_t kInputs = 7;

/// Mean cross-entropy of an MLP on random rows; backward in two row blocks, as training does it.
struct Network {
  explicit Network(std::vector<std::size_t> hidden)
      : random(3), mlp(kInputs, hidden, kBatch, random), x(kBatch * kInputs), dx(kBatch * kInputs) {
    for (auto& value : x) value = random.normal();
  }

  double loss() {
    mlp.forward({0, 4}, {x.data(), kInputs}, logits);
    mlp.forward({4, kBatch}, {x.data(), kInputs}, logits);
    double sum = 0.0;
    for (std::size_t s = 0; s < kBatch; ++s) sum += binary_cross_entropy(logits[s], label(s));
    return sum / kBatch;
  }

  void backward() {
    loss();
    double gradients[kBatch];
    for (std::size_t s = 0; s < kBatch; ++s) gradients[s] = binary_cross_entropy_gradient(logits[s], label(s), kBatch);
    mlp.backward({0, 4}, gradients, {dx.data(), kInputs});
    mlp.backward({4, kBatch}, gradients, {dx.data(), kInputs});
    for (std::size_t tile = 0; tile < mlp.num_tiles(); ++tile) {
      mlp.weight_gradients(tile, kBatch, {x.data(), kInputs}, gradients);
    }
  }

  static double label(std::size_t s) { return s % 3 == 0 ? 1.0 : 0.0; }

  base::Random random;
  Mlp<double> mlp;
  std::vector<double> x, dx;
  double logits[kBatch];
};

TEST(Mlp, DerivativesAgreeWithDifferences) {
  // 70 outputs need two tiles of weight gradients; no hidden layer is logistic regression.
  for (const auto& hidden : std::vector<std::vector<std::size_t>>{{}, {5}, {70, 3}}) {
    Network network(hidden);
    network.backward();
    const auto loss = [&] { return network.loss(); };
    for (std::size_t i = 0; i < network.x.size(); ++i) {
      expect_derivative(loss, &network.x[i], network.dx[i], "input " + std::to_string(i));
    }
    std::vector<ParameterView<double>> parameters;
    network.mlp.collect(parameters);
    for (const auto& p : parameters) {
      for (std::size_t i = 0; i < p.rows * p.cols; ++i) {
        expect_derivative(loss, p.values.data + i, p.gradients.data[i], p.name + " " + std::to_string(i));
      }
    }
  }
}

TEST(Loss, IsTheCrossEntropyAndDoesNotOverflow) {
  EXPECT_NEAR(binary_cross_entropy(0.3, 1.0), -std::log(1 / (1 + std::exp(-0.3))), 1e-15);
  EXPECT_NEAR(binary_cross_entropy(0.3, 0.0), -std::log(1 - 1 / (1 + std::exp(-0.3))), 1e-15);
  EXPECT_EQ(binary_cross_entropy(1000.0, 0.0), 1000.0);
  EXPECT_EQ(binary_cross_entropy(-1000.0, 0.0), 0.0);
  for (const double label : {0.0, 1.0}) {
    double logit = -0.7;
    const double gradient = binary_cross_entropy_gradient(logit, label, 1);
    expect_derivative([&] { return binary_cross_entropy(logit, label); }, &logit, gradient, "logit");
  }
}

TEST(Adam, FirstStepMovesByTheLearningRate) {
  Parameter<double> parameter("p", 1, 3);
  parameter.gradients()[0] = 5.0;
  parameter.gradients()[1] = -0.001;
  parameter.update(adam_step<double>({0.1}, 1));
  EXPECT_NEAR(parameter.values()[0], -0.1, 1e-6);
  EXPECT_NEAR(parameter.values()[1], 0.1, 1e-5);
  EXPECT_EQ(parameter.values()[2], 0.0);
}

}  // namespace
}  // namespace neume::nn
