// The RQ-VAE in training: codebooks that are moving averages, and the derivatives of the loss.

#include "quantize/rqvae_network.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nn/gradient_check.hpp"

namespace neume::quantize {
namespace {

using nn::RowRange;
using nn::Strided;

/// Two codewords on a line, at 0 and 4, each chosen by two rows a batch.
AveragedCodebook<double> two_codewords() {
  AveragedCodebook<double> codebook(2, 1);
  const float values[] = {0.0f, 4.0f};
  codebook.start_from(values, {2.0, 2.0});
  return codebook;
}

TEST(AveragedCodebook, AssignsTheNearestCodewordAndTheLowestOfEquals) {
  const auto codebook = two_codewords();
  const double rows[] = {-1.0, 1.9, 2.0, 2.1, 9.0};  // 2 is as far from 0 as from 4
  double scores[10];
  Code codes[5];
  codebook.assign(5, {rows, 1}, scores, codes);
  EXPECT_EQ(std::vector<Code>(codes, codes + 5), (std::vector<Code>{0, 0, 0, 1, 1}));
}

TEST(AveragedCodebook, LearnsTheAverageOfItsRows) {
  auto codebook = two_codewords();
  const double rows[] = {1.0, 3.0, 2.0, 8.0};
  const Code codes[] = {0, 0, 0, 1};
  codebook.learn(4, {rows, 1}, codes, 0.75);
  // Code 0: N = .75 * 2 + .25 * 3 = 2.25, S = .75 * 0 + .25 * 6 = 1.5, e = 2/3.
  // Code 1: N = .75 * 2 + .25 * 1 = 1.75, S = .75 * 8 + .25 * 8 = 8,   e = 32/7.
  EXPECT_DOUBLE_EQ(*codebook.codeword(0), 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(*codebook.codeword(1), 32.0 / 7.0);
  const Code all_first[] = {0, 0, 0, 0};
  for (int batch = 0; batch < 3; ++batch) codebook.learn(4, {rows, 1}, all_first, 0.75);
  EXPECT_DOUBLE_EQ(*codebook.codeword(1), 32.0 / 7.0) << "a code that nobody chooses stays where it is";
}

TEST(AveragedCodebook, WithoutMemoryItMinimisesTheCodebookLoss) {
  base::Random random(4);
  std::vector<double> rows(12 * 3), values(2 * 3);
  for (auto& x : rows) x = random.normal();
  std::vector<Code> codes(12);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = i % 3 == 0 ? 1 : 0;
  AveragedCodebook<double> codebook(2, 3);
  codebook.learn(12, {rows.data(), 3}, codes.data(), 0.0);
  std::copy_n(codebook.codeword(0), 6, values.begin());
  const auto loss = [&] {
    double sum = 0.0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double gap = rows[i] - values[codes[i / 3] * 3 + i % 3];
      sum += gap * gap;
    }
    return sum / 12;
  };
  for (std::size_t i = 0; i < values.size(); ++i) nn::expect_derivative(loss, &values[i], 0.0, std::to_string(i));
}

TEST(AveragedCodebook, RevivesUnusedCodesAtTheFarthestDistinctRows) {
  AveragedCodebook<double> codebook(4, 1);
  const float values[] = {0.0f, 50.0f, 60.0f, 70.0f};
  codebook.start_from(values, {1.0, 1.0, 1.0, 1.0});
  // Only code 0 is chosen. Distances from 0: 9, 9, 1, 0; the two rows at 3 are one, and the row at 0 needs no codeword
  // of its own, so codes 1 and 2 move and code 3 stays.
  const double rows[] = {3.0, 3.0, 1.0, 0.0};
  const double distances[] = {9.0, 9.0, 1.0, 0.0};
  const Code codes[] = {0, 0, 0, 0};
  codebook.learn(4, {rows, 1}, codes, 1.0);
  EXPECT_EQ(codebook.revive(4, {rows, 1}, distances), 2);
  EXPECT_EQ(*codebook.codeword(0), 0.0);
  EXPECT_EQ(*codebook.codeword(1), 3.0);
  EXPECT_EQ(*codebook.codeword(2), 1.0);
  EXPECT_EQ(*codebook.codeword(3), 70.0);
  const Code used[] = {0, 1, 2, 3};
  codebook.learn(4, {rows, 1}, used, 1.0);
  EXPECT_EQ(codebook.revive(4, {rows, 1}, distances), 0) << "every code was chosen since";
}

constexpr std::size_t kBatch = 7;
constexpr std::size_t kWidth = 5;
constexpr std::size_t kLatent = 3;
constexpr double kCommitment = 0.4;
const RqVaeShape kShape{kWidth, {6, 4}, kLatent, {4, 3}, kBatch};

/// A network on random rows, with random codewords; phases in two row blocks, as training does it.
struct Fixture {
  Fixture() : random(11), network(kShape, random) {
    for (std::size_t i = 0; i < kBatch * kWidth; ++i) network.inputs().data[i] = random.normal();
    for (AveragedCodebook<double>& codebook : network.codebooks()) {
      std::vector<float> values(codebook.size() * kLatent);
      for (float& x : values) x = 0.3f * static_cast<float>(random.normal());
      codebook.start_from(values.data(), std::vector<double>(codebook.size(), 1.0));
    }
  }

  void step(bool quantizing) {
    network.set_quantizing(quantizing);
    for (const RowRange range : {RowRange{0, 4}, RowRange{4, kBatch}}) {
      network.encode(range);
      network.quantize(range);
      network.decode(range);
      network.backward(range, kBatch, kCommitment);
    }
    for (std::size_t tile = 0; tile < network.num_tiles(); ++tile) network.weight_gradients(tile, kBatch);
  }

  double reconstruction() const {
    double sum = 0.0;
    for (std::size_t i = 0; i < kBatch * kWidth; ++i) {
      const double error = network.approximations().data[i] - inputs()[i];
      sum += error * error;
    }
    return sum / kBatch;
  }

  const double* inputs() const { return const_cast<RqVaeNetwork<double>&>(network).inputs().data; }

  void expect_derivatives(const std::function<double()>& loss) {
    for (const auto& p : network.parameters()) {
      for (std::size_t i = 0; i < p.rows * p.cols; ++i)
        nn::expect_derivative(loss, p.values.data + i, p.gradients.data[i], p.name + " " + std::to_string(i));
    }
  }

  base::Random random;
  RqVaeNetwork<double> network;
};

TEST(RqVaeNetwork, DerivativesWithoutQuantizer) {
  Fixture f;
  f.step(false);
  f.expect_derivatives([&] {
    f.network.encode({0, kBatch});
    f.network.quantize({0, kBatch});
    f.network.decode({0, kBatch});
    return f.reconstruction();
  });
}

// Straight through means: the gradient is that of a loss in which q = z + (q0 - z0) and the sums of codewords
// s_l = e_1 + ... + e_l are the constants that they were in the step.
TEST(RqVaeNetwork, DerivativesStraightThroughTheQuantizer) {
  Fixture f;
  f.step(true);
  std::vector<double> offset(kBatch * kLatent);
  std::vector<std::vector<double>> sums(2, std::vector<double>(kBatch * kLatent));
  for (std::size_t i = 0; i < offset.size(); ++i) {
    const std::size_t row = i / kLatent, j = i % kLatent;
    const double first = f.network.codebooks()[0].codeword(f.network.codes(0)[row])[j];
    const double second = f.network.codebooks()[1].codeword(f.network.codes(1)[row])[j];
    sums[0][i] = first;
    sums[1][i] = first + second;
    EXPECT_DOUBLE_EQ(f.network.quantized().data[i], sums[1][i]);
    offset[i] = sums[1][i] - f.network.latents().data[i];
  }
  f.expect_derivatives([&] {
    f.network.encode({0, kBatch});
    const double* z = f.network.latents().data;
    double commitment = 0.0;
    for (std::size_t i = 0; i < offset.size(); ++i) {
      f.network.quantized().data[i] = z[i] + offset[i];
      for (const auto& sum : sums) commitment += (z[i] - sum[i]) * (z[i] - sum[i]);
    }
    f.network.decode({0, kBatch});
    return f.reconstruction() + kCommitment * commitment / kBatch;
  });
}

TEST(RqVaeNetwork, LossIsTheSumOverRows) {
  Fixture f;
  f.step(true);
  const RqVaeLoss all = f.network.loss({0, kBatch});
  EXPECT_NEAR(all.reconstruction, kBatch * f.reconstruction(), 1e-12 * all.reconstruction);
  double second = 0.0;
  for (std::size_t i = 0; i < kBatch * kLatent; ++i) {
    const double gap = f.network.latents().data[i] - f.network.quantized().data[i];
    second += gap * gap;
  }
  EXPECT_NEAR(all.distances[1], second, 1e-12 * second);
  const RqVaeLoss head = f.network.loss({0, 3}), tail = f.network.loss({3, kBatch});
  EXPECT_NEAR(head.distances[0] + tail.distances[0], all.distances[0], 1e-12 * all.distances[0]);
}

}  // namespace
}  // namespace neume::quantize
