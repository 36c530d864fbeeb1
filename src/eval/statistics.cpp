#include "eval/statistics.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include <neume/error.hpp>

namespace neume::eval {

namespace {

/// P(|T| <= t), t = sqrt(n) tan(angle): the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
double central_probability(double angle, std::size_t degrees) {
  const double cosine = std::cos(angle);
  const bool odd = degrees % 2 == 1;
  double term = odd ? cosine : 1.0;
  double sum = degrees == 1 ? 0.0 : term;
  for (std::size_t i = odd ? 3 : 2; i < degrees; i += 2) {
    term *= cosine * cosine * static_cast<double>(i - 1) / static_cast<double>(i);
    sum += term;
  }
  const double series = std::sin(angle) * sum;
  return odd ? 2.0 / std::numbers::pi * (angle + series) : series;
}

}  // namespace

double student_t95(std::size_t degrees) {
  if (degrees == 0) throw InvalidArgument("Student's distribution needs at least 1 degree of freedom, found 0");
  double low = 0.0;
  double high = std::numbers::pi / 2.0;
  // Bisection on the angle, in which the distribution has a bounded domain; 60 halvings exhaust a double.
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (central_probability(middle, degrees) < 0.95 ? low : high) = middle;
  }
  return std::sqrt(static_cast<double>(degrees)) * std::tan(low);
}

Estimate mean_and_interval(std::span<const double> values) {
  if (values.empty()) throw InvalidArgument("no values: a mean over nothing has no value");
  const double count = static_cast<double>(values.size());
  double mean = 0.0;
  for (const double value : values) mean += value / count;
  if (values.size() == 1) return {mean, std::numeric_limits<double>::infinity(), 1};
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / (count - 1.0));
  return {mean, student_t95(values.size() - 1) * deviation / std::sqrt(count), values.size()};
}

Estimate paired_difference(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) {
    throw InvalidArgument(
        fmt::format("paired difference: {} values against {}; run both with the same seeds", a.size(), b.size()));
  }
  std::vector<double> differences(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  return mean_and_interval(differences);
}

}  // namespace neume::eval
