// Churn between two fits: cases worked by hand.

#include "eval/churn.hpp"

#include <gtest/gtest.h>

#include <vector>

#include <neume/error.hpp>

#include "base/random.hpp"
#include "eval/matching.hpp"

namespace neume::eval {
namespace {

CodeFamily family(std::vector<std::size_t> sizes, std::vector<Code> codes) {
  return {.name = "text", .codebook_sizes = std::move(sizes), .codes = std::move(codes)};
}

TEST(Churn, HandWorkedFamilies) {
  // Layer 1: names 0 and 1 change places, and item 3 moves. Layer 2: item 0 moves, nothing is renamed.
  //            item:     0     1     2     3     4
  const CodeFamily before = family({2, 3}, {0, 0, 0, 1, 1, 2, 1, 1, 1, 2});
  const CodeFamily after = family({2, 3}, {1, 1, 1, 1, 0, 2, 1, 1, 0, 2});
  const Churn found = churn(before, after);
  EXPECT_EQ(found.items, 5u);
  // c_1: 0->1, 0->1, 1->0, 1->1, 1->0. All but item 3 differ; renamed 0<->1 only item 3 differs.
  EXPECT_DOUBLE_EQ(found.layers[0].changed, 0.8);
  EXPECT_DOUBLE_EQ(found.layers[0].changed_after_matching, 0.2);
  EXPECT_DOUBLE_EQ(found.layers[0].prefix_changed, 0.8);
  EXPECT_DOUBLE_EQ(found.layers[0].prefix_changed_after_matching, 0.2);
  // c_2: 0->1, 1->1, 2->2, 1->1, 2->2. Best is 1-1 and 2-2.
  EXPECT_DOUBLE_EQ(found.layers[1].changed, 0.2);
  EXPECT_DOUBLE_EQ(found.layers[1].changed_after_matching, 0.2);
  EXPECT_DOUBLE_EQ(found.layers[1].prefix_changed, 0.8);
  EXPECT_DOUBLE_EQ(found.layers[1].prefix_changed_after_matching, 0.4);  // items 0 and 3
  EXPECT_TRUE(found.layers[0].is_optimal);
}

TEST(Churn, RenamingAloneIsNoChange) {
  base::Random random(1);
  CodeFamily before = family({16, 16}, {}), after = family({16, 20}, {});
  for (std::size_t item = 0; item < 2000; ++item) {
    const auto first = static_cast<Code>(random.index(16)), second = static_cast<Code>(random.index(16));
    before.codes.insert(before.codes.end(), {first, second});
    after.codes.insert(after.codes.end(), {static_cast<Code>((first * 5 + 3) % 16), static_cast<Code>(19 - second)});
  }
  const Churn found = churn(before, after);
  for (const LayerChurn& layer : found.layers) {
    EXPECT_GT(layer.changed, 0.5);
    EXPECT_EQ(layer.changed_after_matching, 0.0);
    EXPECT_EQ(layer.prefix_changed_after_matching, 0.0);
  }
}

TEST(Churn, NothingChanged) {
  const CodeFamily same = family({4, 4}, {0, 1, 2, 3, 2, 3, kNoCode, kNoCode});
  const Churn found = churn(same, same);
  EXPECT_EQ(found.items, 3u);
  for (const LayerChurn& layer : found.layers) {
    EXPECT_EQ(layer.changed, 0.0);
    EXPECT_EQ(layer.prefix_changed, 0.0);
    EXPECT_EQ(layer.changed_after_matching, 0.0);
  }
}

TEST(Churn, ItemsWithACodeOnOneSide) {
  const Churn found = churn(family({2}, {0, kNoCode, 1, kNoCode, 1}), family({2}, {1, 0, kNoCode, kNoCode, 0}));
  EXPECT_EQ(found.items, 2u);
  EXPECT_EQ(found.only_in_before, 1u);
  EXPECT_EQ(found.only_in_after, 1u);
  EXPECT_DOUBLE_EQ(found.layers[0].changed, 1.0);
  EXPECT_DOUBLE_EQ(found.layers[0].changed_after_matching, 0.0);
}

TEST(Churn, FewerCodesAfterwards) {
  // Three codes become two: one of them must lose its name. Best is 0-0 and 1-1 (two items each).
  const Churn found = churn(family({3}, {0, 0, 1, 1, 2}), family({2}, {0, 0, 1, 1, 1}));
  EXPECT_DOUBLE_EQ(found.layers[0].changed_after_matching, 0.2);
}

TEST(Churn, WideLayersAreMatchedGreedily) {
  const std::size_t wide = kMostMatchedExactly + 1;
  const Churn found = churn(family({wide}, {0, 2048, 7}), family({wide}, {5, 9, 7}));
  EXPECT_FALSE(found.layers[0].is_optimal);
  EXPECT_DOUBLE_EQ(found.layers[0].changed, 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(found.layers[0].changed_after_matching, 0.0);
}

TEST(Churn, NoItemsInCommon) {
  const Churn found = churn(family({2}, {0, kNoCode}), family({2}, {kNoCode, 1}));
  EXPECT_EQ(found.items, 0u);
  EXPECT_EQ(found.layers[0].changed, 0.0);
  EXPECT_EQ(found.layers[0].changed_after_matching, 0.0);
  EXPECT_EQ(churn(family({2}, {}), family({2}, {})).layers.size(), 1u);
}

TEST(Churn, RejectsOtherItemsOrLayers) {
  EXPECT_THROW(churn(family({2}, {0, 1}), family({2}, {0})), InvalidArgument);
  EXPECT_THROW(churn(family({2}, {0, 1}), family({2, 2}, {0, 1, 0, 1})), InvalidArgument);
  EXPECT_THROW(churn(family({2}, {2}), family({2}, {0})), InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
