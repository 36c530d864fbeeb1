// SimTier: histograms worked out by hand.

#include "rank/similarity_tiers.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.hpp"

namespace neume::rank {
namespace {

/// Items on a circle, so that cosines with item 0 are plain: 1, 0, -1, 0.6, none (missing), none (the zero vector).
Content circle_content() {
  const std::vector<std::vector<float>> rows = {{2, 0}, {0, 3}, {-1, 0}, {3, 4}, {0, 0}, {0, 0}};
  ContentBlock block{"text", Matrix(6, 2), {1, 1, 1, 1, 0, 1}};
  for (std::size_t i = 0; i < 6; ++i) std::copy(rows[i].begin(), rows[i].end(), block.rows.row(i).begin());
  Content content;
  content.blocks.push_back(std::move(block));
  return content;
}

std::vector<float> tiers_of(const SimilarityTiers& tiers, std::vector<std::uint32_t> history, std::uint32_t target) {
  Batch batch;
  batch.clear();
  batch.history = std::move(history);
  batch.add(target, 0.0f);
  std::vector<float> row(tiers.columns(), 7.0f);
  tiers.write(batch, {0, 1}, {row.data(), row.size()});
  return row;
}

TEST(SimilarityTiers, WorkedByHand) {
  const Content content = circle_content();
  const SimilarityTiers tiers(content, {5, 8});  // borders -1, -0.6, -0.2, 0.2, 0.6, 1
  ASSERT_EQ(tiers.columns(), 5u);
  // Cosine 1 twice (the target itself) in the last tier, 0 in the middle, -1 in the first.
  EXPECT_EQ(tiers_of(tiers, {0, 1, 2, 0}, 0), (std::vector<float>{0.125f, 0, 0.125f, 0, 0.25f}));
  // Items 4 and 5 have no direction: as history they count nowhere, as a target they leave zeros.
  EXPECT_EQ(tiers_of(tiers, {4, 1, 5}, 0), (std::vector<float>{0, 0, 0.125f, 0, 0}));
  EXPECT_EQ(tiers_of(tiers, {0, 1, 2, 4}, 4), std::vector<float>(5, 0.0f));
  EXPECT_EQ(tiers_of(tiers, {0, 1, 2, 5}, 5), std::vector<float>(5, 0.0f));
  EXPECT_EQ(tiers_of(tiers, {}, 0), std::vector<float>(5, 0.0f));
}

TEST(SimilarityTiers, LengthsOfVectorsDoNotCount) {
  const Content content = circle_content();
  const SimilarityTiers tiers(content, {4, 1});  // borders -1, -0.5, 0, 0.5, 1
  // cos(item 3, item 0) = 0.6, cos(item 3, item 1) = 0.8, cos(item 3, item 2) = -0.6; 0 begins the third tier.
  EXPECT_EQ(tiers_of(tiers, {0, 1, 2}, 3), (std::vector<float>{1, 0, 0, 2}));
  EXPECT_EQ(tiers_of(tiers, {1}, 0), (std::vector<float>{0, 0, 1, 0}));
}

TEST(SimilarityTiers, AnItemIsInTheLastTierOfItself) {
  base::Random random(3);
  ContentBlock block{"text", Matrix(200, 37), std::vector<std::uint8_t>(200, 1)};
  for (float& x : block.rows.flat()) x = static_cast<float>(random.normal());
  Content content;
  content.blocks.push_back(std::move(block));
  const SimilarityTiers tiers(content, {1000, 1});
  for (std::uint32_t item = 0; item < 200; ++item) {
    // Rounding may leave the cosine a little over 1 or under it, but by far less than the width of a tier.
    EXPECT_EQ(tiers_of(tiers, {item}, item).back(), 1.0f) << item;
  }
}

TEST(SimilarityTiers, ModalitiesStandSideBySide) {
  Content content = circle_content();
  ContentBlock audio{"audio", Matrix(6, 1), {1, 1, 0, 1, 1, 0}};
  for (std::size_t i = 0; i < 6; ++i) audio.rows.row(i)[0] = audio.present[i] == 0 ? 0.0f : i % 2 == 0 ? 1.0f : -2.0f;
  content.blocks.push_back(std::move(audio));
  const SimilarityTiers tiers(content, {2, 4});
  // text of 0, 1, 2, 4 with item 0: 1, 0 | -1 | missing. audio: 1, -1 | missing | 1.
  EXPECT_EQ(tiers_of(tiers, {0, 1, 2, 4}, 0), (std::vector<float>{0.25f, 0.5f, 0.25f, 0.5f}));
}

}  // namespace
}  // namespace neume::rank
