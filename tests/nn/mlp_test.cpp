// The perceptron: derivatives of weights, biases and inputs, and the loss on top of it.

#include "nn/mlp.hpp"

#include <gtest/gtest.h>

#include "nn/gradient_check.hpp"
#include "nn/loss.hpp"

namespace neume::nn {
namespace {

constexpr std::size_t kBatch = 9;
constexpr std::size_t kInputs = 7;

/// Cross-entropy of an MLP on random rows, summed over its outputs, mean over rows; backward in two row blocks, as
/// training does it.
struct Network {
  explicit Network(const MlpShape& shape)
      : random(3),
        mlp("mlp", shape, kBatch, random),
        outputs(shape.outputs),
        x(kBatch * kInputs),
        dx(kBatch * kInputs),
        logits(kBatch * outputs),
        gradients(kBatch * outputs) {
    for (auto& value : x) value = random.normal();
  }

  double loss() {
    mlp.forward({0, 4}, {x.data(), kInputs}, {logits.data(), outputs});
    mlp.forward({4, kBatch}, {x.data(), kInputs}, {logits.data(), outputs});
    double sum = 0.0;
    for (std::size_t i = 0; i < logits.size(); ++i) sum += binary_cross_entropy(logits[i], label(i));
    return sum / kBatch;
  }

  void backward(bool with_inputs = true) {
    loss();
    for (std::size_t i = 0; i < logits.size(); ++i) {
      gradients[i] = binary_cross_entropy_gradient(logits[i], label(i), kBatch);
    }
    const Strided<double> input_gradients{with_inputs ? dx.data() : nullptr, kInputs};
    mlp.backward({0, 4}, {gradients.data(), outputs}, input_gradients);
    mlp.backward({4, kBatch}, {gradients.data(), outputs}, input_gradients);
    for (std::size_t tile = 0; tile < mlp.num_tiles(); ++tile) {
      mlp.weight_gradients(tile, kBatch, {x.data(), kInputs}, {gradients.data(), outputs});
    }
  }

  std::vector<ParameterView<double>> parameters() {
    std::vector<ParameterView<double>> views;
    mlp.collect(views);
    return views;
  }

  static double label(std::size_t i) { return i % 3 == 0 ? 1.0 : 0.0; }

  base::Random random;
  Mlp<double> mlp;
  std::size_t outputs;
  std::vector<double> x, dx, logits, gradients;
};

TEST(Mlp, DerivativesAgreeWithDifferences) {
  // 70 outputs of a layer need two tiles of weight gradients; no hidden layer is logistic regression.
  for (const auto& shape : std::vector<MlpShape>{
           {kInputs, {}, 1}, {kInputs, {5}, 1}, {kInputs, {70, 3}, 1}, {kInputs, {}, 70}, {kInputs, {5, 4}, 3}}) {
    Network network(shape);
    network.backward();
    const auto loss = [&] { return network.loss(); };
    for (std::size_t i = 0; i < network.x.size(); ++i) {
      expect_derivative(loss, &network.x[i], network.dx[i], "input " + std::to_string(i));
    }
    for (const auto& p : network.parameters()) {
      for (std::size_t i = 0; i < p.rows * p.cols; ++i) {
        expect_derivative(loss, p.values.data + i, p.gradients.data[i], p.name + " " + std::to_string(i));
      }
    }
  }
}

TEST(Mlp, WeightGradientsAreTheSameWithoutInputGradients) {
  Network with({kInputs, {5}, 2}), without({kInputs, {5}, 2});
  with.backward();
  without.backward(false);
  const auto expected = with.parameters(), found = without.parameters();
  for (std::size_t p = 0; p < expected.size(); ++p) {
    for (std::size_t i = 0; i < expected[p].rows * expected[p].cols; ++i) {
      EXPECT_EQ(found[p].gradients.data[i], expected[p].gradients.data[i]) << expected[p].name << " " << i;
    }
  }
  EXPECT_EQ(without.dx, std::vector<double>(kBatch * kInputs, 0.0));
}

TEST(Mlp, NamesAndShapesOfParameters) {
  Network network({kInputs, {5}, 2});
  const auto parameters = network.parameters();
  ASSERT_EQ(parameters.size(), 4);
  EXPECT_EQ(parameters[0].name, "mlp.0.weight");
  EXPECT_EQ(parameters[0].rows, 5);
  EXPECT_EQ(parameters[0].cols, kInputs);
  EXPECT_EQ(parameters[3].name, "mlp.1.bias");
  EXPECT_EQ(parameters[3].cols, 2);
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
