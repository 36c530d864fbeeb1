#pragma once
// What a handful of seeds say about a metric: mean, 95% confidence interval, and the same for paired runs.

#include <cstddef>
#include <span>

namespace neume::eval {

/// A mean with its 95% confidence interval [mean - half_width, mean + half_width].
struct Estimate {
  double mean = 0.0;
  double half_width = 0.0;  ///< infinite for one value: one run says nothing about its own spread
  std::size_t count = 0;

  double low() const { return mean - half_width; }
  double high() const { return mean + half_width; }
  /// Whether the interval leaves out 0: for a paired difference, whether the two methods differ at the 5% level.
  bool excludes_zero() const { return low() > 0.0 || high() < 0.0; }
};

/// The t with P(|T| <= t) = 0.95 for Student's distribution with `degrees` >= 1 degrees of freedom, to 1e-12 relative.
/// Throws InvalidArgument for 0.
double student_t95(std::size_t degrees);

/// Mean of n values, half_width = t95(n - 1) s / sqrt(n) with s the sample standard deviation (divisor n - 1).
/// Throws InvalidArgument for no values.
Estimate mean_and_interval(std::span<const double> values);

/// mean_and_interval of a_i - b_i, where run i of both had the same seed. Throws InvalidArgument where the lengths
/// differ or are 0.
Estimate paired_difference(std::span<const double> a, std::span<const double> b);

}  // namespace neume::eval
