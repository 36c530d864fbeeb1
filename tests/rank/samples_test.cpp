// Samples: labelled rows as they are; sampled negatives that no user likes, the same ones whenever they are asked for.

#include "rank/samples.hpp"

#include <gtest/gtest.h>

#include <set>

#include <neume/error.hpp>

namespace neume::rank {
namespace {

data::Interactions positives_only() {
  data::Interactions log;
  log.users = {0, 0, 0, 1};
  log.items = {1, 2, 3, 4};
  return log;
}

TEST(Samples, SampledNegativesAreNeverLiked) {
  const auto log = positives_only();
  const data::Histories histories(log, 2, 1);
  const Samples samples(log, histories, {6, 20, 3, 1, true});
  ASSERT_EQ(samples.size(), 16u);
  std::set<std::uint32_t> seen;
  for (std::uint64_t epoch = 1; epoch < 20; ++epoch) {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      Batch batch;
      batch.clear();
      samples.append(i, epoch, batch);
      EXPECT_EQ(batch.labels[0] > 0.5f, i % 4 == 0);
      if (i % 4 == 0) {
        EXPECT_EQ(batch.targets[0], log.items[i / 4]);
      } else {
        EXPECT_FALSE(histories.is_positive(samples.user(i), batch.targets[0]));
        if (i < 12) seen.insert(batch.targets[0]);
      }
    }
  }
  EXPECT_EQ(seen, (std::set<std::uint32_t>{0, 4, 5}));  // user 0 likes 1, 2, 3
}

TEST(Samples, AreTheSameWheneverTheyAreAskedFor) {
  const auto log = positives_only();
  const data::Histories histories(log, 2, 1);
  const Samples samples(log, histories, {1000, 20, 3, 1, true});
  Batch a, b, other;
  a.clear();
  b.clear();
  other.clear();
  for (std::size_t i = 0; i < 16; ++i) samples.append(i, 2, a);
  for (std::size_t i = 0; i < 16; ++i) samples.append(i, 2, b);
  for (std::size_t i = 0; i < 16; ++i) samples.append(i, 3, other);
  EXPECT_EQ(a.targets, b.targets);
  EXPECT_EQ(a.history, b.history);
  EXPECT_NE(a.targets, other.targets);
}

TEST(Samples, ANegativeSeesTheHistoryOfItsPositive) {
  const auto log = positives_only();
  const data::Histories histories(log, 2, 1);
  const Samples samples(log, histories, {1000, 20, 1, 1, true});
  Batch batch;
  batch.clear();
  samples.append(0, 1, batch);
  samples.append(1, 1, batch);
  const std::vector<std::uint32_t> positive(batch.history.begin(), batch.history.begin() + 2);
  const std::vector<std::uint32_t> negative(batch.history.begin() + 2, batch.history.end());
  EXPECT_EQ(positive, negative);
  EXPECT_EQ(std::set(positive.begin(), positive.end()), (std::set<std::uint32_t>{2, 3}));
}

TEST(Samples, LabelledRowsSeeOnlyThePast) {
  data::Interactions log;
  log.users = {0, 0, 0};
  log.items = {1, 2, 3};
  log.timestamps = {10, 20, 30};
  log.labels = {1, 0, 1};
  const data::Histories histories(log, 1, 1);
  const Samples samples(log, histories, {4, 20, 3, 1, true});
  ASSERT_EQ(samples.size(), 3u);
  Batch batch;
  batch.clear();
  for (std::size_t i = 0; i < 3; ++i) samples.append(i, 1, batch);
  EXPECT_EQ(batch.labels, (std::vector<float>{1, 0, 1}));
  EXPECT_EQ(batch.history_offsets, (std::vector<std::uint32_t>{0, 0, 1, 2}));
  EXPECT_EQ(batch.history, (std::vector<std::uint32_t>{1, 1}));
}

TEST(Samples, AUserWhoLikesEverythingIsReported) {
  data::Interactions log;
  log.users = {0, 0};
  log.items = {0, 1};
  const data::Histories histories(log, 1, 1);
  const Samples samples(log, histories, {2, 20, 1, 1, true});
  Batch batch;
  batch.clear();
  EXPECT_THROW(samples.append(1, 1, batch), DataError);
}

}  // namespace
}  // namespace neume::rank
