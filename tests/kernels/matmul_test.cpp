// The product against a naive double loop, and the promise that callers build determinism on: with a fixed shape, an
// element depends on its own row and column alone.

#include "kernels/matmul.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/random.hpp"

namespace neume::kernels {
namespace {

std::vector<float> random_floats(std::size_t count, std::uint64_t seed) {
  base::Random random(seed);
  std::vector<float> values(count);
  for (auto& x : values) x = static_cast<float>(random.normal());
  return values;
}

TEST(Matmul, AgreesWithDoubleLoopForAllTransposes) {
  const MatmulShape shape{37, 19, 53};
  const auto a = random_floats(37 * 53, 1);
  const auto b = random_floats(53 * 19, 2);
  const std::vector<double> a64(a.begin(), a.end()), b64(b.begin(), b.end());
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      std::vector<float> c(37 * 19, 1.0f);
      std::vector<double> expected(37 * 19, 1.0);
      matmul(shape, {a.data(), ta ? 37u : 53u, ta}, {b.data(), tb ? 53u : 19u, tb}, Product<float>{c.data(), 19, 1.0f});
      matmul(shape, {a64.data(), ta ? 37u : 53u, ta}, {b64.data(), tb ? 53u : 19u, tb},
             Product<double>{expected.data(), 19, 1.0});
      // 53 products of unit normals: 1e-5 is fifty times the rounding error of such a sum.
      for (std::size_t i = 0; i < c.size(); ++i) EXPECT_NEAR(c[i], expected[i], 1e-5 * 10);
    }
  }
}

TEST(Matmul, ElementDependsOnItsRowAndColumnAlone) {
  for (const std::size_t depth : {1u, 7u, 64u, 200u, 257u, 384u, 1024u}) {
    for (const std::size_t width : {5u, 64u, 100u, 1024u}) {
      const std::size_t rows = 128;
      const auto a = random_floats(rows * depth, depth);
      const auto b = random_floats(width * depth, width + 1);
      std::vector<float> all(rows * width);
      const MatmulShape shape{rows, width, depth};
      matmul(shape, {a.data(), depth}, {b.data(), depth, true}, Product<float>{all.data(), width});
      // Every row in turn moved to another place, among other neighbours.
      std::vector<float> moved(a), shuffled(rows * width);
      const std::size_t shift = 51;
      for (std::size_t i = 0; i < rows; ++i)
        std::copy_n(a.data() + i * depth, depth, moved.data() + (i + shift) % rows * depth);
      matmul(shape, {moved.data(), depth}, {b.data(), depth, true}, Product<float>{shuffled.data(), width});
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < width; ++j)
          ASSERT_EQ(all[i * width + j], shuffled[(i + shift) % rows * width + j])
              << depth << " " << width << " " << i << " " << j;
      }
    }
  }
}

/// The nearest bf16, ties to even, as a float.
float to_bf16(float x) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}

TEST(Matmul, Bf16IsTheProductOfRoundedFactors) {
  if (!has_bf16_products()) GTEST_SKIP() << "this CPU has no bf16 products";
  for (const MatmulShape shape : {MatmulShape{37, 83, 53}, MatmulShape{6, 64, 32}, MatmulShape{1, 1, 1},
                                  MatmulShape{13, 130, 385}, MatmulShape{64, 16, 31}}) {
    const auto a = random_floats(shape.m * shape.k, 1);
    const auto b = random_floats(shape.k * shape.n, 2);
    std::vector<double> a64(a.begin(), a.end()), b64(b.begin(), b.end());
    for (auto& x : a64) x = to_bf16(static_cast<float>(x));
    for (auto& x : b64) x = to_bf16(static_cast<float>(x));
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        for (const float beta : {0.0f, 1.0f}) {
          const std::size_t as = ta ? shape.m : shape.k, bs = tb ? shape.k : shape.n;
          std::vector<float> c(shape.m * shape.n, 1.0f);
          std::vector<double> expected(shape.m * shape.n, 1.0);
          matmul_bf16(shape, {a.data(), as, ta}, {b.data(), bs, tb}, {c.data(), shape.n, beta});
          matmul(shape, {a64.data(), as, ta}, {b64.data(), bs, tb}, Product<double>{expected.data(), shape.n, beta});
          // Up to 385 products of unit normals, summed in single precision.
          for (std::size_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], expected[i], 1e-4) << i;
        }
      }
    }
  }
}

TEST(Matmul, Bf16ElementDependsOnItsRowAndColumnAlone) {
  if (!has_bf16_products()) GTEST_SKIP() << "this CPU has no bf16 products";
  const MatmulShape all{50, 70, 90}, one{1, 70, 90};
  const auto a = random_floats(50 * 90, 3);
  const auto b = random_floats(70 * 90, 4);
  std::vector<float> together(50 * 70), alone(70);
  matmul_bf16(all, {a.data(), 90}, {b.data(), 90, true}, {together.data(), 70});
  for (std::size_t i = 0; i < 50; ++i) {
    matmul_bf16(one, {a.data() + i * 90, 90}, {b.data(), 90, true}, {alone.data(), 70});
    for (std::size_t j = 0; j < 70; ++j) ASSERT_EQ(together[i * 70 + j], alone[j]);
  }
}

}  // namespace
}  // namespace neume::kernels
