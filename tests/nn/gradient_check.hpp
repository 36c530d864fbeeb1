#pragma once
// Compares derivatives with central differences, in double.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

namespace neume::nn {

/// Expects d loss / d *value == gradient. With step h the quotient is wrong by rounding, about 1e-16 * |loss| / h =
/// 1e-10, and, where a relu's kink lies within h, by h times a slope: 1e-7 leaves room and still sees every wrong term.
inline void expect_derivative(const std::function<double()>& loss, double* value, double gradient,
                              const std::string& what) {
  const double h = 1e-6;
  const double saved = *value;
  *value = saved + h;
  const double above = loss();
  *value = saved - h;
  const double below = loss();
  *value = saved;
  const double quotient = (above - below) / (2 * h);
  EXPECT_NEAR(gradient, quotient, 1e-7 * std::max(1.0, std::abs(quotient))) << what;
}

}  // namespace neume::nn
