#pragma once
// What an experiment says of two variants: relative differences with intervals, and whether users were shared out as
// planned. Users are the unit of analysis, because they were drawn: a user's exposures are not independent of each
// other (Kohavi, Tang, Xu 2020, chapter 18).

#include <cstddef>
#include <optional>
#include <span>

namespace neume::eval {

/// Sums over the users of a variant; of a user, y positives and x exposures.
struct UserSums {
  double users = 0.0;
  double y = 0.0;
  double x = 0.0;
  double yy = 0.0;  ///< of y^2, and so on
  double xx = 0.0;
  double xy = 0.0;
};

/// How much larger a rate is in one variant than in another: value = rate / rate of the other - 1.
struct Lift {
  double value = 0.0;
  double low = 0.0;  ///< 95% interval
  double high = 0.0;
  double p = 1.0;  ///< two-sided, of no difference; below 0.05 where the interval leaves out 0
};

/// Lift of the mean y of a user. Delta method on the logarithm of the two means' ratio (Deng, Knoblich, Lu 2018, arXiv
/// 1803.06336, section 2): var(log m) = var(y) / (n m^2), normal quantiles, so meant for hundreds of users. Nothing
/// where a variant has fewer than two users, or no positive.
std::optional<Lift> lift_of_means(const UserSums& variant, const UserSums& control);

/// Lift of r = (sum of y) / (sum of x), exposures of one user being dependent: var(log r) = (var(y) / my^2 + var(x) /
/// mx^2 - 2 cov(x, y) / (mx my)) / n (the same, section 3). Nothing as above.
std::optional<Lift> lift_of_ratios(const UserSums& variant, const UserSums& control);

/// P(X >= x) for a chi-square distribution with `degrees` >= 1 degrees of freedom, to 1e-12 relative above 1e-300.
double chi_square_tail(double x, std::size_t degrees);

/// p of Pearson's chi-square test that users fell as the shares say (Fabijan et al. 2019: a sample-ratio mismatch means
/// that something other than chance decides who is counted, and no figure can be trusted). `counts`: users of each
/// variant, `shares`: positive, of any sum. 1 for fewer than two variants or no users. Throws InvalidArgument where the
/// lengths differ or a share is not positive.
double sample_ratio_p(std::span<const double> counts, std::span<const double> shares);

/// Below this p of sample_ratio_p an experiment should not be believed.
inline constexpr double kSampleRatioAlarm = 0.0005;

}  // namespace neume::eval
