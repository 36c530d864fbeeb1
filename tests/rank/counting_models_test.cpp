// Popularity and item-kNN against a log small enough to work out by hand, and the calibration of their scores.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "nn/loss.hpp"
#include "rank/item_knn.hpp"
#include "rank/popularity.hpp"

namespace neume::rank {
namespace {

constexpr kernels::AdamStep<float> kNoStep{};

/// Users: 0 likes {0, 1, 2}, 1 likes {0, 1}, 2 likes {1, 3}, 3 likes {0} (twice in the log). Nobody likes 4.
data::Interactions small_log() {
  data::Interactions log;
  log.users = {0, 0, 0, 1, 1, 2, 2, 3, 3};
  log.items = {0, 1, 2, 0, 1, 1, 3, 0, 0};
  return log;
}

Batch make_pairs(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& pairs, float label) {
  Batch batch;
  batch.clear();
  for (const auto& [user, item] : pairs) batch.add(item, label, user);
  return batch;
}

TEST(Popularity, CountsListenersOnce) {
  const data::Histories histories(small_log(), 4, 1);
  EXPECT_EQ(count_listeners(histories, 5), (std::vector<std::uint32_t>{3, 3, 1, 1, 0}));
  const Popularity model(histories, 5, 32);
  const Batch batch = make_pairs({{2, 0}, {2, 4}, {0, 0}}, 1.0f);
  const auto scores = model.raw_scores(batch, false);
  EXPECT_FLOAT_EQ(scores[0], std::log(4.0f));
  EXPECT_FLOAT_EQ(scores[1], 0.0f);
  EXPECT_FLOAT_EQ(scores[2], std::log(4.0f));
  const auto held_out = model.raw_scores(batch, true);
  EXPECT_FLOAT_EQ(held_out[0], std::log(4.0f));  // user 2 does not like item 0: nothing to take out
  EXPECT_FLOAT_EQ(held_out[2], std::log(3.0f));
}

TEST(ItemKnn, SumsCosinesByHand) {
  const data::Histories histories(small_log(), 4, 1);
  const ItemKnn model(histories, 5, 32);
  // n = 3 3 1 1 0; co(0,1) = 2, co(0,2) = 1, co(1,2) = 1, co(1,3) = 1.
  const Batch batch = make_pairs({{2, 0}, {1, 2}, {3, 3}, {0, 3}, {0, 0}, {1, 4}, {Batch::kNoUser, 0}}, 0.0f);
  const auto s = model.raw_scores(batch, true);              // label 0: nothing is taken out
  EXPECT_FLOAT_EQ(s[0], 2.0f / 3.0f);                        // item 1: 2 / sqrt(3 * 3); item 3: none together
  EXPECT_FLOAT_EQ(s[1], 2.0f / std::sqrt(3.0f));             // items 0 and 1: 1 / sqrt(1 * 3) each
  EXPECT_FLOAT_EQ(s[2], 0.0f);                               // nobody has items 0 and 3
  EXPECT_FLOAT_EQ(s[3], 1.0f / std::sqrt(3.0f));             // item 1 alone
  EXPECT_FLOAT_EQ(s[4], 2.0f / 3 + 1.0f / std::sqrt(3.0f));  // items 1 and 2, not item 0 itself
  EXPECT_FLOAT_EQ(s[5], 0.0f);
  EXPECT_FLOAT_EQ(s[6], 0.0f);
}

TEST(ItemKnn, ATrainingPositiveDoesNotSeeItself) {
  const data::Interactions log = small_log();
  const data::Histories histories(log, 4, 1);
  const ItemKnn model(histories, 5, 32);
  const auto held_out = model.raw_scores(make_pairs({{0, 0}, {1, 1}, {2, 3}, {0, 2}}, 1.0f), true);
  EXPECT_FLOAT_EQ(held_out[0], 1.0f / std::sqrt(2.0f * 3.0f));  // item 1: co 2 - 1, n_0 3 - 1; item 2: co 1 - 1
  for (std::size_t row : {0u, 4u, 6u, 2u}) {
    // The same as the model of the log without that row says.
    data::Interactions rest;
    for (std::size_t i = 0; i < log.size(); ++i) {
      if (i == row) continue;
      rest.users.push_back(log.users[i]);
      rest.items.push_back(log.items[i]);
    }
    const data::Histories other_histories(rest, 4, 1);
    const ItemKnn other(other_histories, 5, 32);
    const Batch batch = make_pairs({{log.users[row], log.items[row]}}, 1.0f);
    EXPECT_FLOAT_EQ(model.raw_scores(batch, true)[0], other.raw_scores(batch, false)[0]) << row;
  }
}

data::Interactions random_log(std::size_t users, std::size_t items, std::size_t rows) {
  base::Random random(6);
  data::Interactions log;
  for (std::size_t i = 0; i < rows; ++i) {
    log.users.push_back(static_cast<std::uint32_t>(random.index(users)));
    log.items.push_back(static_cast<std::uint32_t>(std::sqrt(random.uniform()) * static_cast<double>(items)));
  }
  return log;
}

TEST(CoListening, EqualsAPlainCount) {
  const data::Histories histories(random_log(60, 40, 700), 60, 1);
  const CoListening co(histories, 40, {});
  for (std::uint32_t i = 0; i < 40; ++i) {
    std::vector<std::uint32_t> found(40, 0);
    for (const auto& n : co.neighbours(i)) found[n.item] = n.users;
    for (std::uint32_t j = 0; j < 40; ++j) {
      std::uint32_t both = 0;
      for (std::uint32_t u = 0; u < 60; ++u) both += histories.is_positive(u, i) && histories.is_positive(u, j) ? 1 : 0;
      EXPECT_EQ(found[j], i == j ? 0u : both) << i << " " << j;
    }
  }
}

TEST(CoListening, KeepsTheNearestWhereThereAreTooMany) {
  const data::Histories histories(random_log(60, 40, 700), 60, 1);
  const CoListening all(histories, 40, {});
  const CoListening few(histories, 40, {10, 5});
  for (std::size_t i = 0; i < 40; ++i) {
    ASSERT_LE(few.neighbours(i).size(), 5u);
    const auto cosine = [&](const CoListening::Neighbour& n) {
      return n.users / std::sqrt(double(all.listeners(n.item)));
    };
    double least = 1e9;
    for (const auto& n : few.neighbours(i)) least = std::min(least, cosine(n));
    std::size_t nearer = 0;
    for (const auto& n : all.neighbours(i)) nearer += cosine(n) > least + 1e-9 ? 1 : 0;
    EXPECT_LT(nearer, 5u);
    EXPECT_TRUE(std::ranges::is_sorted(few.neighbours(i), {}, &CoListening::Neighbour::item));
  }
}

/// Scores with labels drawn from a known logistic line.
struct Drawn {
  explicit Drawn(std::size_t size, double intercept, double slope) {
    base::Random random(3);
    for (std::size_t i = 0; i < size; ++i) {
      const double s = 5.0 + 2.0 * random.normal();
      scores.push_back(static_cast<float>(s));
      labels.push_back(random.uniform() < nn::sigmoid(intercept + slope * (s - 5.0) / 2.0) ? 1 : 0);
    }
  }
  std::vector<float> scores;
  std::vector<std::uint8_t> labels;
};

TEST(Calibration, FindsTheLineThatDrewTheLabels) {
  const Drawn drawn(200'000, -1.0, 0.7);
  const Calibration line = fit_calibration(drawn.scores, drawn.labels);
  // Standard errors of a and b at this size are about 0.006.
  EXPECT_NEAR(line.mean, 5.0, 0.02);
  EXPECT_NEAR(line.deviation, 2.0, 0.02);
  EXPECT_NEAR(line.intercept, -1.0, 0.03);
  EXPECT_NEAR(line.slope, 0.7, 0.03);
  // At the minimum the mean prediction is the base rate.
  double predicted = 0.0;
  for (const float s : drawn.scores) predicted += nn::sigmoid(double(line.logit(s)));
  EXPECT_NEAR(predicted, std::accumulate(drawn.labels.begin(), drawn.labels.end(), 0.0), 1.0);
}

TEST(Calibration, KeepsTheOrderAndStaysFinite) {
  const Drawn reversed(2000, 0.0, -2.0);
  EXPECT_FLOAT_EQ(fit_calibration(reversed.scores, reversed.labels).slope, static_cast<float>(kLeastSlope));
  const std::vector<float> scores = {0, 0, 1, 1};
  for (const std::vector<std::uint8_t>& labels : {std::vector<std::uint8_t>{0, 0, 1, 1}, {1, 1, 1, 1}, {0, 0, 0, 0}}) {
    const Calibration line = fit_calibration(scores, labels);
    for (std::size_t i = 0; i < 4; ++i) {
      ASSERT_TRUE(std::isfinite(line.logit(scores[i])));
      EXPECT_EQ(line.logit(scores[i]) > 0, labels[i] == 1);
    }
  }
  const std::vector<float> equal(4, 2.5f);
  const Calibration flat = fit_calibration(equal, std::vector<std::uint8_t>{0, 0, 0, 1});
  EXPECT_NEAR(flat.logit(2.5f), std::log(1.0 / 3.0), 1e-2);
}

TEST(CountingModels, CalibrateOnTheTrainingSamples) {
  const data::Interactions log = random_log(200, 40, 2000);
  const data::Histories histories(log, 200, 1);
  std::vector<Calibration> fitted;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    base::set_num_threads(threads);
    ItemKnn model(histories, 40, 100);
    base::Random random(2);
    Batch batch;
    batch.clear();
    for (std::size_t i = 0; i < 100; ++i) {
      const auto user = static_cast<std::uint32_t>(random.index(200));
      const auto item = static_cast<std::uint32_t>(random.index(40));
      batch.add(item, histories.is_positive(user, item) ? 1.0f : 0.0f, user);
    }
    const double before = model.train(batch, kNoStep);
    EXPECT_NEAR(before, 100 * std::log(2.0), 1e-3);  // nothing fitted yet: one half
    const double after = model.fit_calibration();
    EXPECT_LT(after, before);
    EXPECT_NEAR(model.compute_gradients(batch), after, 1e-3);
    EXPECT_EQ(model.fit_calibration(), 0.0);  // what was kept is gone
    const float* values = model.parameters()[0].values.data;
    fitted.push_back({values[0], values[1], values[2], values[3]});
    EXPECT_GT(fitted.back().slope, 0.0f);
  }
  base::set_num_threads(0);
  for (const auto& line : fitted) {
    EXPECT_EQ(line.intercept, fitted[0].intercept);
    EXPECT_EQ(line.slope, fitted[0].slope);
    EXPECT_EQ(line.mean, fitted[0].mean);
  }
}

}  // namespace
}  // namespace neume::rank
