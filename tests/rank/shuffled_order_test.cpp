// The shuffled order: a permutation for every size and window, the same from wherever it is entered, and uniform.

#include "rank/shuffled_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/random.hpp"

namespace neume::rank {
namespace {

constexpr std::uint64_t kBlock = ShuffledOrder::kBlock;

std::vector<std::uint64_t> all_of(ShuffledOrder order) {
  std::vector<std::uint64_t> values;
  for (std::uint64_t i = 0; i < order.size(); ++i) values.push_back(order[i]);
  return values;
}

TEST(ShuffledOrder, IsAPermutation) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, kBlock - 1, kBlock, kBlock + 1,
                                   3 * kBlock - 1, 3 * kBlock, 3 * kBlock + 1, 10 * kBlock + 17}) {
    for (const std::uint64_t window : {std::uint64_t{1}, kBlock, kBlock + 1, 3 * kBlock, 100 * kBlock}) {
      for (std::uint64_t seed = 0; seed < 8; ++seed) {  // the short block falls into different windows
        auto values = all_of({size, window, seed});
        std::ranges::sort(values);
        for (std::uint64_t i = 0; i < size; ++i) ASSERT_EQ(values[i], i) << size << " " << window << " " << seed;
      }
    }
  }
}

TEST(ShuffledOrder, MayBeEnteredAnywhere) {
  const std::uint64_t size = 10 * kBlock + 17;
  for (const std::uint64_t window : {kBlock, 3 * kBlock, 100 * kBlock}) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const auto expected = all_of({size, window, seed});
      base::Random random(seed);
      ShuffledOrder jumping(size, window, seed);
      for (int i = 0; i < 200; ++i) {
        const std::uint64_t position = random.index(size);
        ShuffledOrder fresh(size, window, seed);
        ASSERT_EQ(fresh[position], expected[position]);
        ASSERT_EQ(jumping[position], expected[position]);
      }
    }
  }
}

TEST(ShuffledOrder, HasIndicesBeyond32Bits) {
  const std::uint64_t size = (std::uint64_t{1} << 33) + 5;
  ShuffledOrder order(size, kBlock, 3);
  std::uint64_t largest = 0;
  for (std::uint64_t position = 0; position < size; position += size / 1000)
    largest = std::max(largest, order[position]);
  EXPECT_GT(largest, std::uint64_t{1} << 32);
  EXPECT_LT(largest, size);
}

TEST(ShuffledOrder, OtherSeedsAreOtherOrders) {
  const std::uint64_t size = 5 * kBlock;
  EXPECT_NE(all_of({size, 2 * kBlock, 1}), all_of({size, 2 * kBlock, 2}));
  EXPECT_NE(all_of({size, size, 1}), all_of({size, size, 2}));
  EXPECT_EQ(all_of({size, 2 * kBlock, 1}), all_of({size, 2 * kBlock, 1}));
}

/// The sum of (found - expected)^2 / expected over equally likely cells.
double chi_square(const std::vector<double>& counts) {
  const double expected = std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size());
  double sum = 0.0;
  for (const double count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST(ShuffledOrder, PutsEverySampleAnywhereEquallyOften) {
  constexpr std::uint64_t kSize = 20;
  std::vector<double> first(kSize, 0.0), of_sample_7(kSize, 0.0);
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    const auto values = all_of({kSize, kBlock, base::mix64(seed)});
    ++first[values[0]];
    ++of_sample_7[static_cast<std::size_t>(std::ranges::find(values, 7u) - values.begin())];
  }
  // 19 degrees of freedom: above 55 with a chance below 3e-5.
  EXPECT_LT(chi_square(first), 55.0);
  EXPECT_LT(chi_square(of_sample_7), 55.0);
}

TEST(ShuffledOrder, SpreadsBlocksOverTheEpochAndSamplesOverTheirWindow) {
  const std::uint64_t num_blocks = 1024, window = 8 * kBlock;
  ShuffledOrder order(num_blocks * kBlock, window, 1);
  const double n = static_cast<double>(order.size());
  double product = 0.0;
  std::vector<double> place_of_block_start(8, 0.0);
  for (std::uint64_t position = 0; position < order.size(); ++position) {
    const std::uint64_t sample = order[position];
    product += (static_cast<double>(position) / n - 0.5) * (static_cast<double>(sample) / n - 0.5);
    // Which eighth of its window a sample from the first 64 rows of a block comes to.
    if (sample % kBlock < 64) ++place_of_block_start[position % window / kBlock];
  }
  const double correlation = 12.0 * product / n;
  EXPECT_LT(std::abs(correlation),
            4.0 / std::sqrt(static_cast<double>(num_blocks)));  // of 1,024 blocks in random order
  EXPECT_LT(chi_square(place_of_block_start), 35.0);  // 7 degrees of freedom: above with a chance of about 1e-5
}

}  // namespace
}  // namespace neume::rank
