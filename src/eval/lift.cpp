#include "eval/lift.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <neume/error.hpp>

namespace neume::eval {

namespace {

constexpr double kNormal95 = 1.959963984540054;  // 97.5th percentile of the standard normal distribution

/// A rate and the variance of its logarithm.
struct LogRate {
  double rate = 0.0;
  double variance = 0.0;
};

bool has_rate(const UserSums& sums) {
  return sums.users >= 2.0 && sums.y > 0.0 && sums.x > 0.0;
}

/// Sample covariance of a and b over n users, from their sums.
double covariance(double ab, double a, double b, double n) {
  return (ab - a * b / n) / (n - 1.0);
}

LogRate mean_rate(const UserSums& sums) {
  const double n = sums.users, mean = sums.y / n;
  return {mean, covariance(sums.yy, sums.y, sums.y, n) / (n * mean * mean)};
}

LogRate ratio_rate(const UserSums& sums) {
  const double n = sums.users, my = sums.y / n, mx = sums.x / n;
  const double variance = covariance(sums.yy, sums.y, sums.y, n) / (my * my) +
                          covariance(sums.xx, sums.x, sums.x, n) / (mx * mx) -
                          2.0 * covariance(sums.xy, sums.x, sums.y, n) / (mx * my);
  return {my / mx, variance / n};
}

Lift lift_of(const LogRate& variant, const LogRate& control) {
  const double log_ratio = std::log(variant.rate / control.rate);
  const double error = std::sqrt(std::max(0.0, variant.variance + control.variance));
  Lift lift;
  lift.value = std::expm1(log_ratio);
  lift.low = std::expm1(log_ratio - kNormal95 * error);
  lift.high = std::expm1(log_ratio + kNormal95 * error);
  if (error > 0.0) {
    lift.p = std::erfc(std::abs(log_ratio) / error / std::sqrt(2.0));
  } else {
    lift.p = log_ratio == 0.0 ? 1.0 : 0.0;
  }
  return lift;
}

}  // namespace

std::optional<Lift> lift_of_means(const UserSums& variant, const UserSums& control) {
  if (!has_rate(variant) || !has_rate(control)) return std::nullopt;
  return lift_of(mean_rate(variant), mean_rate(control));
}

std::optional<Lift> lift_of_ratios(const UserSums& variant, const UserSums& control) {
  if (!has_rate(variant) || !has_rate(control)) return std::nullopt;
  return lift_of(ratio_rate(variant), ratio_rate(control));
}

double chi_square_tail(double x, std::size_t degrees) {
  if (!(x > 0.0)) return 1.0;
  // Q(degrees / 2, x / 2) by Q(a + 1, z) = Q(a, z) + z^a exp(-z) / Gamma(a + 1), from Q(1/2, z) = erfc(sqrt z) or
  // Q(1, z) = exp(-z): all terms are positive, so nothing cancels.
  const double z = x / 2.0;
  const bool odd = degrees % 2 == 1;
  double a = odd ? 0.5 : 1.0;
  double tail = odd ? std::erfc(std::sqrt(z)) : std::exp(-z);
  for (std::size_t d = odd ? 1 : 2; d < degrees; d += 2) {
    tail += std::exp(a * std::log(z) - z - std::lgamma(a + 1.0));
    a += 1.0;
  }
  return std::min(1.0, tail);
}

double sample_ratio_p(std::span<const double> counts, std::span<const double> shares) {
  if (counts.size() != shares.size()) {
    throw InvalidArgument(fmt::format("{} counts of users, but {} shares", counts.size(), shares.size()));
  }
  for (const double share : shares) {
    if (!(share > 0.0) || !std::isfinite(share)) {
      throw InvalidArgument(fmt::format("expected positive shares, found {}", share));
    }
  }
  const double users = std::accumulate(counts.begin(), counts.end(), 0.0);
  if (counts.size() < 2 || users == 0.0) return 1.0;
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  double chi_square = 0.0;
  for (std::size_t v = 0; v < counts.size(); ++v) {
    const double expected = users * shares[v] / total;
    chi_square += (counts[v] - expected) * (counts[v] - expected) / expected;
  }
  return chi_square_tail(chi_square, counts.size() - 1);
}

}  // namespace neume::eval
