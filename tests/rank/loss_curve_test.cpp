// The learning curve of an epoch.

#include "rank/loss_curve.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace neume::rank {
namespace {

/// An epoch of `total` samples in batches of `batch`, the loss of sample i being i.
LossCurve curve_of(std::size_t total, std::size_t batch) {
  LossCurve curve;
  std::size_t number = 40;
  for (std::size_t begin = 0; begin < total; begin += batch) {
    const std::size_t end = std::min(total, begin + batch);
    double sum = 0.0;
    for (std::size_t i = begin; i < end; ++i) sum += static_cast<double>(i);
    curve.add({++number, end - begin, sum, 0.5}, end, total);
  }
  return curve;
}

TEST(LossCurve, HasAHundredMeansOfEqualParts) {
  const auto points = curve_of(5000, 10).points();
  ASSERT_EQ(points.size(), 100u);
  for (std::size_t p = 0; p < 100; ++p) {
    EXPECT_EQ(points[p].step, 40 + 5 * (p + 1));
    EXPECT_DOUBLE_EQ(points[p].training_loss, 50.0 * static_cast<double>(p) + 24.5);
    EXPECT_EQ(points[p].learning_rate, 0.5);
  }
}

TEST(LossCurve, HasAPointAStepInAShortEpoch) {
  const auto points = curve_of(70, 32).points();
  ASSERT_EQ(points.size(), 3u);
  EXPECT_DOUBLE_EQ(points[0].training_loss, 15.5);
  EXPECT_DOUBLE_EQ(points[2].training_loss, 66.5);  // samples 64 .. 69
  EXPECT_EQ(points[2].step, 43u);
}

TEST(LossCurve, UnevenBatchesLeaveNothingOut) {
  for (const std::size_t batch : {1u, 7u, 13u, 64u, 1000u}) {
    const auto points = curve_of(997, batch).points();
    const std::size_t steps = (997 + batch - 1) / batch;
    EXPECT_EQ(points.size(), std::min<std::size_t>(100, steps)) << batch;
    EXPECT_EQ(points.back().step, 40 + steps);
  }
}

TEST(LossCurve, GoesOnFromItsJson) {
  const LossCurve whole = curve_of(997, 7);
  LossCurve curve;
  std::size_t number = 40;
  for (std::size_t begin = 0; begin < 997; begin += 7) {
    const std::size_t end = std::min<std::size_t>(997, begin + 7);
    double sum = 0.0;
    for (std::size_t i = begin; i < end; ++i) sum += static_cast<double>(i);
    curve = nlohmann::json::parse(nlohmann::json(curve).dump()).get<LossCurve>();
    curve.add({++number, end - begin, sum, 0.5}, end, 997);
  }
  EXPECT_EQ(curve_to_json(curve.points()), curve_to_json(whole.points()));
  EXPECT_EQ(curve_to_json(curve_from_json(curve_to_json(whole.points()))), curve_to_json(whole.points()));
}

}  // namespace
}  // namespace neume::rank
