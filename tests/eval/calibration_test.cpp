// Reliability bins and the calibration error: hand-worked cases and laws.

#include "eval/calibration.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <neume/error.hpp>

#include "base/random.hpp"
#include "eval/ranking_metrics.hpp"

namespace neume::eval {
namespace {

using Labels = std::vector<std::uint8_t>;
using Logits = std::vector<float>;

float logit_of(double probability) {
  return static_cast<float>(std::log(probability / (1.0 - probability)));
}

std::vector<std::size_t> counts_of(const std::vector<ReliabilityBin>& bins) {
  std::vector<std::size_t> counts;
  for (const auto& bin : bins) counts.push_back(bin.samples);
  return counts;
}

TEST(Reliability, HandWorkedTable) {
  // In order: .1 .2 | .4 .6 | .8 .9 with labels 0 1 | 0 1 | 1 1; rows given in another order.
  const Logits logits{logit_of(0.6), logit_of(0.1), logit_of(0.9), logit_of(0.4), logit_of(0.2), logit_of(0.8)};
  const auto bins = reliability(logits, Labels{1, 0, 1, 0, 1, 1}, 3);
  ASSERT_EQ(counts_of(bins), (std::vector<std::size_t>{2, 2, 2}));
  const double predicted[] = {0.15, 0.5, 0.85}, came[] = {0.5, 0.5, 1.0};
  for (std::size_t b = 0; b < 3; ++b) {
    EXPECT_NEAR(bins[b].mean_prediction, predicted[b], 1e-7);
    EXPECT_EQ(bins[b].positive_rate, came[b]);
  }
  EXPECT_NEAR(expected_calibration_error(bins), (0.35 + 0.0 + 0.15) / 3, 1e-7);
}

TEST(Reliability, BinsHaveEqualCountsWithoutTies) {
  for (const std::size_t rows : {10u, 11u, 19u, 100u, 1234u}) {
    Logits logits(rows);
    for (std::size_t i = 0; i < rows; ++i) logits[i] = static_cast<float>((i * 7919) % rows) * 0.01f;
    const auto counts = counts_of(reliability(logits, Labels(rows, 1)));
    ASSERT_EQ(counts.size(), 10u) << rows;
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::size_t{0}), rows);
    EXPECT_LE(*std::ranges::max_element(counts) - *std::ranges::min_element(counts), 1u) << rows;
  }
}

TEST(Reliability, EqualPredictionsShareTheBinOfTheirFirst) {
  // Quarters of 8 rows would end after 2, 4, 6: the tie of places 1 to 5 takes what is left of the first two and the
  // whole of the third.
  const Logits logits{-3, 1, 1, 1, 1, 1, 2, 4};
  EXPECT_EQ(counts_of(reliability(logits, Labels(8, 0), 4)), (std::vector<std::size_t>{6, 2}));
  EXPECT_EQ(counts_of(reliability(Logits(7, 0.5f), Labels(7, 1), 4)), (std::vector<std::size_t>{7}));
  EXPECT_EQ(counts_of(reliability(Logits{0.0f, -0.0f, 1.0f}, Labels{0, 1, 1}, 3)), (std::vector<std::size_t>{2, 1}));
}

TEST(Reliability, FewerRowsThanBins) {
  EXPECT_EQ(counts_of(reliability(Logits{2, 1, 3}, Labels{0, 1, 1})), (std::vector<std::size_t>{1, 1, 1}));
  EXPECT_TRUE(reliability(Logits{}, Labels{}).empty());
  EXPECT_EQ(expected_calibration_error({}), 0.0);
  EXPECT_THROW(reliability(Logits{1}, Labels{1}, 0), InvalidArgument);
  EXPECT_THROW(reliability(Logits{1}, Labels{1, 0}), InvalidArgument);
}

TEST(Reliability, OrderOfRowsDoesNotMatter) {
  base::Random random(3);
  std::vector<std::pair<float, std::uint8_t>> rows(500);
  for (auto& [logit, label] : rows) {
    logit = static_cast<float>(random.index(40)) * 0.1f - 2.0f;
    label = random.index(2) == 0 ? 1 : 0;
  }
  std::vector<std::vector<ReliabilityBin>> results;
  for (int round = 0; round < 3; ++round) {
    Logits logits;
    Labels labels;
    for (const auto& [logit, label] : rows) {
      logits.push_back(logit);
      labels.push_back(label);
    }
    results.push_back(reliability(logits, labels));
    for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random.index(i)]);
  }
  for (std::size_t b = 0; b < results[0].size(); ++b) {
    EXPECT_EQ(results[0][b].mean_prediction, results[1][b].mean_prediction);
    EXPECT_EQ(results[0][b].positive_rate, results[2][b].positive_rate);
  }
}

TEST(Reliability, LabelsDrawnFromThePredictionsAreCalibrated) {
  base::Random random(8);
  Logits logits;
  Labels labels;
  for (int i = 0; i < 100000; ++i) {
    const double p = 0.02 + 0.96 * random.uniform();
    logits.push_back(logit_of(p));
    labels.push_back(random.uniform() < p ? 1 : 0);
  }
  // A bin's rate has a standard deviation of at most 1/2 / sqrt(10000) = 0.005.
  for (const auto& bin : reliability(logits, labels)) EXPECT_NEAR(bin.mean_prediction, bin.positive_rate, 0.02);
  EXPECT_LT(expected_calibration_error(reliability(logits, labels)), 0.01);
  for (float& logit : logits) logit += 1.0f;
  const auto shifted = reliability(logits, labels);
  EXPECT_NEAR(expected_calibration_error(shifted), mean_prediction(logits) - base_rate(labels), 1e-9);
  EXPECT_GT(expected_calibration_error(shifted), 0.1);
}

}  // namespace
}  // namespace neume::eval
