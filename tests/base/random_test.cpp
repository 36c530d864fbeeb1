// Random numbers: reproducible, in range, and distributed as they say.

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <set>

#include "base/random.hpp"

namespace neume::base {
namespace {

TEST(Random, SameSeedSameNumbersAndAnotherSeedOthers) {
  Random a(7), b(7), c(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const auto x = a.next();
    EXPECT_EQ(x, b.next());
    differs |= x != c.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Random, CopyGoesOnWhereTheOriginalStands) {
  Random a(7);
  a.next();
  Random b = a;
  EXPECT_EQ(a.next(), b.next());
}

TEST(Random, MixIsAStepOfSplitMix64) {
  // The first two outputs of its reference implementation with seed 0, whose state grows by the golden ratio.
  EXPECT_EQ(mix64(0), 0xE220A8397B1DCDAFULL);
  EXPECT_EQ(mix64(0x9E3779B97F4A7C15ULL), 0x6E789E6AA1B965F4ULL);
}

TEST(Random, DerivedSeedsDiffer) {
  std::set<std::uint64_t> seeds;
  for (std::uint64_t seed = 0; seed < 30; ++seed)
    for (std::uint64_t stream = 0; stream < 30; ++stream) seeds.insert(derive_seed(seed, stream));
  EXPECT_EQ(seeds.size(), 900u);
}

TEST(Random, UniformHasItsMeanAndVariance) {
  Random random(3);
  constexpr int kDraws = 100000;
  double sum = 0.0, squares = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.uniform();
    ASSERT_GE(x, 0.0);
    ASSERT_LT(x, 1.0);
    sum += x;
    squares += x * x;
  }
  // Five standard errors: sd of x is 1/sqrt(12), of x^2 sqrt(4/45).
  EXPECT_NEAR(sum / kDraws, 0.5, 5 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kDraws));
}

TEST(Random, NormalHasItsMoments) {
  Random random(4);
  constexpr int kDraws = 100000;
  double sum = 0.0, squares = 0.0, fourth = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  // Five standard errors: the variances of x, x^2 and x^4 are 1, 2 and 96.
  EXPECT_NEAR(sum / kDraws, 0.0, 5 / std::sqrt(double{kDraws}));
  EXPECT_NEAR(squares / kDraws, 1.0, 5 * std::sqrt(2.0 / kDraws));
  EXPECT_NEAR(fourth / kDraws, 3.0, 5 * std::sqrt(96.0 / kDraws));
}

TEST(Random, IndexIsUnbiased) {
  Random random(5);
  constexpr std::size_t kValues = 6;
  constexpr int kDraws = 60000;
  std::array<int, kValues> counts{};
  for (int i = 0; i < kDraws; ++i) {
    const auto x = random.index(kValues);
    ASSERT_LT(x, kValues);
    ++counts[x];
  }
  double chi_squared = 0.0;
  const double expected = double{kDraws} / kValues;
  for (const int count : counts) chi_squared += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi_squared, 25.7) << "5 degrees of freedom, p = 1e-4";
  EXPECT_EQ(random.index(1), 0u);
}

TEST(Random, IndexCoversLargeRangesWithoutFoldingThem) {
  // With n = 3 * 2^62 a plain modulo of 64 bits would give the lowest third half of the draws.
  Random random(6);
  const std::uint64_t third = std::uint64_t{1} << 62;
  int low = 0;
  for (int i = 0; i < 3000; ++i) low += random.index(3 * third) < third ? 1 : 0;
  EXPECT_NEAR(low, 1000, 5 * std::sqrt(3000 * (1.0 / 3) * (2.0 / 3)));
}

}  // namespace
}  // namespace neume::base
