// Distinct items of a batch: shared ones first, then those of each block of samples.

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.hpp"
#include "rank/batch.hpp"

namespace neume::rank {
namespace {

Batch batch_of(const std::vector<std::vector<std::uint32_t>>& histories, const std::vector<std::uint32_t>& targets) {
  Batch batch;
  batch.clear();
  for (std::size_t s = 0; s < targets.size(); ++s) {
    batch.history.insert(batch.history.end(), histories[s].begin(), histories[s].end());
    batch.add(targets[s], 0.0f);
  }
  return batch;
}

std::vector<std::uint32_t> items_of(const BatchSlots& slots, nn::RowRange range) {
  const auto begin = slots.items().begin();
  return {begin + static_cast<std::ptrdiff_t>(range.begin), begin + static_cast<std::ptrdiff_t>(range.end)};
}

TEST(BatchSlots, SharedItemsComeFirstThenThoseOfEachBlock) {
  const ItemCodes no_codes(20);
  BatchSlots slots;
  // Blocks of two samples. 7 is read by the first and the second block, 5 twice by the second block alone.
  slots.build(batch_of({{3, 7}, {3}, {5}, {}, {7, 9}}, {1, 2, 7, 5, 8}), no_codes, 2);
  EXPECT_EQ(slots.num_blocks(), 3);
  EXPECT_EQ(items_of(slots, slots.shared()), (std::vector<std::uint32_t>{7}));
  EXPECT_EQ(items_of(slots, slots.of_block(0)), (std::vector<std::uint32_t>{3, 1, 2}));
  EXPECT_EQ(items_of(slots, slots.of_block(1)), (std::vector<std::uint32_t>{5}));
  EXPECT_EQ(items_of(slots, slots.of_block(2)), (std::vector<std::uint32_t>{9, 8}));
  EXPECT_EQ(slots.history_slots(), (std::vector<std::uint32_t>{1, 0, 1, 4, 0, 5}));
  EXPECT_EQ(slots.target_slots(), (std::vector<std::uint32_t>{2, 3, 0, 4, 6}));
}

TEST(BatchSlots, EveryLookUpFindsItsItem) {
  constexpr std::uint32_t kItems = 300;
  const ItemCodes no_codes(kItems);
  base::Random random(5);
  BatchSlots slots;
  for (const std::size_t block_size : {1u, 7u, 64u, 1000u}) {
    std::vector<std::vector<std::uint32_t>> histories(100);
    std::vector<std::uint32_t> targets;
    for (auto& history : histories) {
      for (std::size_t n = random.index(6); n > 0; --n) history.push_back(random.index(kItems));
      targets.push_back(random.index(kItems));
    }
    const Batch batch = batch_of(histories, targets);
    slots.build(batch, no_codes, block_size);
    std::vector<std::uint32_t> items = slots.items();
    for (std::size_t i = 0; i < batch.history.size(); ++i) {
      EXPECT_EQ(items[slots.history_slots()[i]], batch.history[i]);
    }
    for (std::size_t s = 0; s < batch.size(); ++s) EXPECT_EQ(items[slots.target_slots()[s]], batch.targets[s]);
    std::ranges::sort(items);
    EXPECT_EQ(std::ranges::adjacent_find(items), items.end()) << "an item has two slots";
    EXPECT_EQ(slots.of_block(slots.num_blocks() - 1).end, items.size());
  }
}

TEST(BatchSlots, NoSamples) {
  BatchSlots slots;
  slots.build(batch_of({}, {}), ItemCodes(3), 4);
  EXPECT_EQ(slots.num_blocks(), 0);
  EXPECT_EQ(slots.shared().size(), 0);
}

}  // namespace
}  // namespace neume::rank
