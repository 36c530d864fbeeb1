// What judging fills in, and its JSON.

#include "rank/evaluation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include <neume/error.hpp>

#include "base/random.hpp"
#include "eval/ranking_metrics.hpp"
#include "rank/metrics_json.hpp"

namespace neume::rank {
namespace {

struct Scored {
  std::vector<float> logits;
  std::vector<std::uint8_t> labels;
  std::vector<std::uint32_t> targets;
  std::vector<std::uint32_t> users;
  std::vector<std::uint32_t> item_counts;

  RankerMetrics judge(const JudgingOptions& options) const {
    return judge_scores({logits, labels, targets}, users, item_counts, options);
  }
};

Scored random_scores(std::size_t rows) {
  base::Random random(4);
  Scored scored;
  for (std::uint32_t item = 0; item < 50; ++item) scored.item_counts.push_back(item * item / 8);
  for (std::size_t i = 0; i < rows; ++i) {
    scored.targets.push_back(static_cast<std::uint32_t>(random.index(50)));
    scored.users.push_back(static_cast<std::uint32_t>(random.index(20)));
    scored.labels.push_back(random.index(3) == 0 ? 1 : 0);
    scored.logits.push_back(static_cast<float>(random.uniform() - 0.5 + 0.3 * scored.labels.back()));
  }
  return scored;
}

TEST(Evaluation, SlicesPartTheSamples) {
  const Scored scored = random_scores(800);
  const RankerMetrics metrics = scored.judge({.cold_threshold = 30, .cold_thresholds = {30, 1, 1000}});
  ASSERT_EQ(metrics.cold.size(), 3u);
  EXPECT_EQ(metrics.cold[0].name, "cold<30");
  EXPECT_EQ(metrics.cold[0].auc, metrics.auc_cold);
  EXPECT_EQ(metrics.cold[0].samples, metrics.cold_samples);
  EXPECT_EQ(metrics.cold[0].items, 16u);  // i * i / 8 < 30 up to item 15
  EXPECT_EQ(metrics.cold[2].auc, metrics.auc);
  EXPECT_EQ(metrics.cold[2].logloss, metrics.logloss);
  ASSERT_EQ(metrics.popularity.size(), 4u);
  std::size_t items = 0, samples = 0, positives = 0;
  for (const SliceMetrics& slice : metrics.popularity) {
    items += slice.items;
    samples += slice.samples;
    positives += slice.positives;
  }
  EXPECT_EQ(items, 50u);
  EXPECT_EQ(samples, metrics.samples);
  EXPECT_EQ(positives, metrics.positives);
  EXPECT_EQ(metrics.popularity[0].name, "head");
  EXPECT_LT(metrics.popularity[0].items, metrics.popularity[2].items);
  EXPECT_EQ(metrics.popularity[3].name, "unseen");
  EXPECT_EQ(metrics.popularity[3].items, metrics.cold[1].items);
  EXPECT_EQ(metrics.popularity[3].auc, metrics.cold[1].auc);
}

TEST(Evaluation, ReliabilityHoldsAllSamples) {
  const RankerMetrics metrics = random_scores(800).judge({});
  ASSERT_EQ(metrics.reliability.size(), 10u);
  double predicted = 0.0, came = 0.0;
  for (const ReliabilityBin& bin : metrics.reliability) {
    predicted += bin.mean_prediction * static_cast<double>(bin.samples) / 800;
    came += bin.positive_rate * static_cast<double>(bin.samples) / 800;
  }
  EXPECT_NEAR(predicted, metrics.mean_prediction, 1e-12);
  EXPECT_NEAR(came, metrics.base_rate, 1e-12);
  EXPECT_GE(metrics.calibration_error, std::abs(metrics.mean_prediction - metrics.base_rate) - 1e-12);
}

TEST(Evaluation, WeighsUsersAsTold) {
  const Scored scored = random_scores(300);
  for (const GaucMode mode : {GaucMode::impression, GaucMode::uniform, GaucMode::positive}) {
    const RankerMetrics metrics = scored.judge({.gauc_mode = mode});
    EXPECT_EQ(metrics.gauc_mode, mode);
    EXPECT_EQ(metrics.gauc, eval::gauc(scored.logits, scored.labels, scored.users, mode).value);
  }
  EXPECT_NE(scored.judge({.gauc_mode = GaucMode::uniform}).gauc, scored.judge({}).gauc);
}

TEST(Evaluation, JsonIsReadBackWhole) {
  Scored scored = random_scores(200);
  scored.item_counts.assign(50, 3);  // slices without samples: undefined metrics
  RankerMetrics metrics = scored.judge({.cold_threshold = 2, .gauc_mode = GaucMode::positive});
  metrics.skipped_rows = 5;
  ASSERT_FALSE(metrics.auc_cold.has_value());
  const auto written = metrics_to_json(metrics);
  const auto read = metrics_from_json(nlohmann::json::parse(written.dump()));
  EXPECT_EQ(metrics_to_json(read), written);
  EXPECT_EQ(written.size(), 18u);
  EXPECT_EQ(read.gauc_mode, GaucMode::positive);
  EXPECT_EQ(read.popularity[0].auc, metrics.popularity[0].auc);
  EXPECT_EQ(read.reliability[3].positive_rate, metrics.reliability[3].positive_rate);
}

TEST(Evaluation, JsonOfAnotherVersionIsRefused) {
  auto json = nlohmann::json::parse(metrics_to_json(random_scores(50).judge({})).dump());
  json["gauc_mode"] = "clicks";
  EXPECT_THROW(metrics_from_json(json), DataError);
  json["gauc_mode"] = "uniform";
  EXPECT_NO_THROW(metrics_from_json(json));
  json.erase("reliability");
  EXPECT_THROW(metrics_from_json(json), nlohmann::json::exception);
}

}  // namespace
}  // namespace neume::rank
