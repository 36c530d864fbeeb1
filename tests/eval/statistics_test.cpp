// Confidence intervals: against the printed tables of Student's distribution, and against its density.

#include "eval/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include <neume/error.hpp>

namespace neume::eval {
namespace {

/// P(|T| <= t) by Simpson's rule on the density.
double integrated_probability(double t, double degrees) {
  const double norm =
      std::exp(std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2)) / std::sqrt(degrees * std::numbers::pi);
  const auto density = [&](double x) { return norm * std::pow(1 + x * x / degrees, -(degrees + 1) / 2); };
  const int steps = 20000;
  double sum = density(0) + density(t);
  for (int i = 1; i < steps; ++i) sum += (i % 2 == 1 ? 4 : 2) * density(t * i / steps);
  return 2 * sum * t / (3 * steps);
}

TEST(StudentT, CoversNinetyFivePercentOfTheDensity) {
  for (const std::size_t degrees : {1, 2, 3, 4, 5, 8, 9, 29, 100}) {
    EXPECT_NEAR(integrated_probability(student_t95(degrees), static_cast<double>(degrees)), 0.95, 1e-7) << degrees;
  }
}

TEST(StudentT, MatchesThePrintedTable) {
  EXPECT_NEAR(student_t95(1), 12.7062, 5e-5);
  EXPECT_NEAR(student_t95(2), 4.30265, 5e-6);
  EXPECT_NEAR(student_t95(4), 2.77645, 5e-6);
  EXPECT_NEAR(student_t95(100000), 1.96, 1e-4);
  EXPECT_THROW(student_t95(0), InvalidArgument);
}

TEST(MeanAndInterval, HandWorkedSample) {
  const Estimate estimate = mean_and_interval(std::vector<double>{1, 2, 3, 4, 5});
  EXPECT_DOUBLE_EQ(estimate.mean, 3.0);
  EXPECT_NEAR(estimate.half_width, 2.7764451 * std::sqrt(2.5 / 5), 1e-6);
  EXPECT_TRUE(estimate.excludes_zero());
  EXPECT_EQ(estimate.count, 5u);
}

TEST(MeanAndInterval, OneValueHasNoBounds) {
  const Estimate estimate = mean_and_interval(std::vector<double>{0.7});
  EXPECT_EQ(estimate.mean, 0.7);
  EXPECT_TRUE(std::isinf(estimate.half_width));
  EXPECT_FALSE(estimate.excludes_zero());
  EXPECT_THROW(mean_and_interval(std::vector<double>{}), InvalidArgument);
}

TEST(PairedDifference, SeesAMarginThatTheSpreadOfSeedsHides) {
  const std::vector<double> a{0.71, 0.75, 0.79, 0.83};
  const std::vector<double> b{0.70, 0.741, 0.78, 0.82};
  EXPECT_GT(mean_and_interval(a).low(), 0.0);
  EXPECT_LT(mean_and_interval(a).low(), mean_and_interval(b).high());
  const Estimate difference = paired_difference(a, b);
  EXPECT_NEAR(difference.mean, 0.00975, 1e-12);
  EXPECT_TRUE(difference.excludes_zero());
  EXPECT_NEAR(paired_difference(b, a).mean, -difference.mean, 1e-15);
  EXPECT_THROW(paired_difference(a, std::vector<double>{1.0}), InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
