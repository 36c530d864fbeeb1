#pragma once
// How far two ways of grouping the same rows agree: codes against labels. n = rows, n_g and n_y = sizes of group g and
// of label y, n_gy = rows in both; H and I in nats with the probabilities n_g/n, n_y/n, n_gy/n.

#include <cstdint>
#include <span>

namespace neume::eval {

/// Agreement of groups and labels; definitions as scikit-learn's defaults.
struct LabelAgreement {
  double nmi = 0.0;  ///< normalised mutual information: I(g;y) / ((H(g) + H(y)) / 2), 0..1. Grows with fine groups.
  /// Adjusted mutual information (Vinh, Epps, Bailey 2010): (I - E) / ((H(g) + H(y)) / 2 - E), where E is the expected
  /// I of two random partitions with these sizes (hypergeometric, exact). 1 = equal, about 0 = chance.
  double ami = 0.0;
  double purity = 0.0;  ///< 1/n sum_g max_y n_gy: rows whose label is the most frequent of their group. Never adjusted.
};

/// Judges groups[i] against labels[i]; any numbers will do as names. Equal partitions, one group and one label among
/// them, give 1 for all three; otherwise nmi and ami are 0 where one side has a single group. No rows give zeros.
/// Throws InvalidArgument where the lengths differ.
///
/// O(n log n), and for E the pairs of distinct sizes times the width of their distribution: at most
/// O(sqrt(n) sqrt(n) sqrt(largest n_g)), in practice well below the sort. 12 bytes a row. Uses base::parallel_for; the
/// result does not depend on the number of threads.
LabelAgreement label_agreement(std::span<const std::uint32_t> groups, std::span<const std::uint32_t> labels);

/// E above: sum over groups and labels, and over the possible m = n_gy, of (m/n) ln(n m / (n_g n_y)) times the
/// hypergeometric probability of m. `group_sizes` and `label_sizes` are at least 1 and have the same sum n.
double expected_mutual_information(std::span<const std::size_t> group_sizes, std::span<const std::size_t> label_sizes);

}  // namespace neume::eval
