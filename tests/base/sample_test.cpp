#include "base/sample.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace neume::base {
namespace {

using Numbers = std::vector<std::uint32_t>;

TEST(DrawSample, RisingAndWithoutRepetition) {
  for (const std::size_t count : {0u, 1u, 7u, 99u, 100u}) {
    const Numbers drawn = draw_sample(100, count, 3);
    EXPECT_EQ(drawn.size(), count);
    EXPECT_TRUE(std::ranges::is_sorted(drawn));
    EXPECT_EQ(std::set<std::uint32_t>(drawn.begin(), drawn.end()).size(), count);
    EXPECT_TRUE(drawn.empty() || drawn.back() < 100);
  }
  EXPECT_EQ(draw_sample(3, 5, 1), (Numbers{0, 1, 2}));
  EXPECT_TRUE(draw_sample(0, 5, 1).empty());
}

TEST(DrawSample, TheSeedDecides) {
  EXPECT_EQ(draw_sample(1000, 10, 5), draw_sample(1000, 10, 5));
  EXPECT_NE(draw_sample(1000, 10, 5), draw_sample(1000, 10, 6));
}

// Two of four numbers, 6,000 times: each of the six pairs about 1,000 times (standard deviation 29).
TEST(DrawSample, EverySetIsEquallyLikely) {
  std::vector<int> seen(16);
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    const Numbers pair = draw_sample(4, 2, seed);
    ++seen[pair[0] * 4 + pair[1]];
  }
  for (std::size_t a = 0; a < 4; ++a)
    for (std::size_t b = a + 1; b < 4; ++b) EXPECT_NEAR(seen[a * 4 + b], 1000, 150);
}

}  // namespace
}  // namespace neume::base
