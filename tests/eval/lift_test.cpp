// Lifts and their intervals against simulated experiments whose truth is known.

#include "eval/lift.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::eval {
namespace {

/// Users who differ from one another: each has 1 to 12 exposures, and likes what it is shown with a probability of its
/// own, `rate` in the mean.
UserSums simulate(base::Random& random, std::size_t users, double rate) {
  UserSums sums;
  for (std::size_t u = 0; u < users; ++u) {
    const double x = 1.0 + static_cast<double>(random.index(12));
    const double taste = rate * (random.uniform() + random.uniform());
    double y = 0.0;
    for (double e = 0.0; e < x; e += 1.0) y += random.uniform() < taste ? 1.0 : 0.0;
    sums.users += 1.0;
    sums.x += x;
    sums.y += y;
    sums.xx += x * x;
    sums.yy += y * y;
    sums.xy += x * y;
  }
  return sums;
}

/// How many simulated experiments; NEUME_TEST_SIMULATIONS for more.
std::size_t simulations() {
  const char* text = std::getenv("NEUME_TEST_SIMULATIONS");
  return text == nullptr ? 400 : std::stoul(text);
}

struct Coverage {
  double of_means = 0.0;  // share of simulations whose interval holds the true lift
  double of_ratios = 0.0;
  double alarms = 0.0;  // share with p < 0.05 for the mean
};

Coverage coverage(double true_lift, std::size_t users) {
  Coverage covered;
  const std::size_t count = simulations();
  for (std::size_t seed = 0; seed < count; ++seed) {
    base::Random random(base::derive_seed(11, seed));
    const UserSums control = simulate(random, users, 0.10);
    const UserSums variant = simulate(random, users, 0.10 * (1.0 + true_lift));
    const Lift mean = *lift_of_means(variant, control), ratio = *lift_of_ratios(variant, control);
    EXPECT_EQ(mean.p<0.05, mean.low> 0.0 || mean.high < 0.0);
    covered.of_means += mean.low <= true_lift && true_lift <= mean.high ? 1.0 : 0.0;
    covered.of_ratios += ratio.low <= true_lift && true_lift <= ratio.high ? 1.0 : 0.0;
    covered.alarms += mean.p < 0.05 ? 1.0 : 0.0;
  }
  const double n = static_cast<double>(count);
  return {covered.of_means / n, covered.of_ratios / n, covered.alarms / n};
}

TEST(Lift, IntervalsHoldTheTruthNineteenTimesOfTwenty) {
  const double slack = 3.3 * std::sqrt(0.95 * 0.05 / static_cast<double>(simulations()));
  for (const double lift : {0.0, 0.2}) {
    const Coverage found = coverage(lift, 1000);
    EXPECT_NEAR(found.of_means, 0.95, slack) << lift;
    EXPECT_NEAR(found.of_ratios, 0.95, slack) << lift;
    if (lift == 0.0) {
      EXPECT_NEAR(found.alarms, 0.05, slack);
    }
    const std::string of_lift = "_of_lift_" + std::to_string(static_cast<int>(100.0 * lift)) + "_percent";
    RecordProperty("means" + of_lift, std::to_string(found.of_means));
    RecordProperty("ratios" + of_lift, std::to_string(found.of_ratios));
  }
}

TEST(Lift, DependentExposuresAreNotCountedAsManyUsers) {
  // 20 exposures each, all liked or none: as much is known as from one exposure a user.
  const UserSums control{200.0, 20.0 * 100, 20.0 * 200, 400.0 * 100, 400.0 * 200, 400.0 * 100};
  const UserSums variant{200.0, 20.0 * 110, 20.0 * 200, 400.0 * 110, 400.0 * 200, 400.0 * 110};
  const Lift ratio = *lift_of_ratios(variant, control), mean = *lift_of_means(variant, control);
  EXPECT_NEAR(ratio.value, 0.1, 1e-12);
  EXPECT_NEAR(ratio.low, mean.low, 1e-12);
  EXPECT_GT(ratio.p, 0.05);
}

TEST(Lift, ByHand) {
  // y of the control: 1, 2, 3, 2 (mean 2, variance 2/3); of the variant: 3, 4, 2, 3 (mean 3, the same variance).
  const UserSums control{4, 8, 4, 18, 4, 8}, variant{4, 12, 4, 38, 4, 12};
  const Lift lift = *lift_of_means(variant, control);
  const double error = std::sqrt(2.0 / 3.0 / 4.0 / 4.0 + 2.0 / 3.0 / 4.0 / 9.0);
  EXPECT_NEAR(lift.value, 0.5, 1e-12);
  EXPECT_NEAR(lift.low, 1.5 * std::exp(-1.959963984540054 * error) - 1.0, 1e-12);
  EXPECT_NEAR(lift.high, 1.5 * std::exp(1.959963984540054 * error) - 1.0, 1e-12);
  const Lift same = *lift_of_ratios(variant, control);  // one exposure a user
  EXPECT_NEAR(same.low, lift.low, 1e-12);
}

TEST(Lift, NothingWithoutPositivesOrUsers) {
  const UserSums some{4, 8, 4, 18, 4, 8}, none{4, 0, 4, 0, 4, 0}, one{1, 2, 1, 4, 1, 2};
  EXPECT_FALSE(lift_of_means(none, some));
  EXPECT_FALSE(lift_of_means(some, none));
  EXPECT_FALSE(lift_of_ratios(one, some));
  EXPECT_FALSE(lift_of_ratios(some, UserSums{}));
}

TEST(ChiSquareTail, KnownValues) {
  // Critical values of tables (Abramowitz and Stegun, table 26.8).
  EXPECT_NEAR(chi_square_tail(3.841458820694124, 1), 0.05, 1e-12);
  EXPECT_NEAR(chi_square_tail(5.991464547107979, 2), 0.05, 1e-12);
  EXPECT_NEAR(chi_square_tail(7.814727903251179, 3), 0.05, 1e-12);
  EXPECT_NEAR(chi_square_tail(29.588298445074422, 10), 0.001, 1e-12);
  EXPECT_EQ(chi_square_tail(0.0, 3), 1.0);
  EXPECT_GT(chi_square_tail(1000.0, 5), 0.0);
  EXPECT_NEAR(std::log(chi_square_tail(1000.0, 2)), -500.0, 1e-9);
}

TEST(SampleRatio, FalseAlarmsAreRareAndTrueOnesSure) {
  const std::array<double, 3> shares{0.5, 0.3, 0.2};
  std::size_t alarms = 0, found = 0;
  const std::size_t count = 2000;
  for (std::size_t seed = 0; seed < count; ++seed) {
    base::Random random(base::derive_seed(23, seed));
    std::array<double, 3> counts{}, lossy{};
    for (std::size_t u = 0; u < 20'000; ++u) {
      const double place = random.uniform();
      const std::size_t v = place < 0.5 ? 0 : place < 0.8 ? 1 : 2;
      counts[v] += 1.0;
      lossy[v] += v == 1 && random.uniform() < 0.1 ? 0.0 : 1.0;  // one variant loses a tenth of its users
    }
    alarms += sample_ratio_p(counts, shares) < kSampleRatioAlarm ? 1 : 0;
    found += sample_ratio_p(lossy, shares) < kSampleRatioAlarm ? 1 : 0;
  }
  EXPECT_LE(alarms, 6u);  // 1 expected; P(more than 6) < 1e-4
  EXPECT_GE(found, count * 95 / 100);
  RecordProperty("alarms", std::to_string(alarms));
  RecordProperty("found", std::to_string(found));
}

TEST(SampleRatio, WrongShares) {
  const std::array<double, 2> counts{10.0, 10.0}, zero{1.0, 0.0};
  const std::array<double, 1> one{1.0};
  EXPECT_EQ(sample_ratio_p(counts, std::array<double, 2>{3.0, 3.0}), 1.0);
  EXPECT_THROW(sample_ratio_p(counts, zero), InvalidArgument);
  EXPECT_THROW(sample_ratio_p(counts, one), InvalidArgument);
  EXPECT_EQ(sample_ratio_p(one, one), 1.0);
}

}  // namespace
}  // namespace neume::eval
