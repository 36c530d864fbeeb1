// The product against a naive double loop, and the promise that callers build determinism on: with a fixed shape, an
// element depends on its own row and column alone.

#include "kernels/matmul.hpp"

#include <gtest/gtest.h>

#include <cmath>
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

}  // namespace
}  // namespace neume::kernels
