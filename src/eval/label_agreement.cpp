#include "eval/label_agreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "eval/partition.hpp"

namespace neume::eval {

namespace {

/// Terms this much below the largest are left out of a hypergeometric sum: all of them together stay below the last bit
/// of a double, as they fall faster than geometrically.
constexpr double kNegligible = 1e-22;

/// One size with the number of groups that have it: what E depends on.
struct SizeClass {
  std::size_t size = 0;
  std::size_t groups = 0;
};

std::vector<SizeClass> classes_of(std::span<const std::size_t> sizes) {
  std::map<std::size_t, std::size_t> counts;
  for (const std::size_t size : sizes) ++counts[size];
  std::vector<SizeClass> classes;
  classes.reserve(counts.size());
  for (const auto& [size, groups] : counts) classes.push_back({size, groups});
  return classes;
}

/// ln m for m = 1 .. largest; entry 0 is never used.
std::vector<double> table_of_logs(std::size_t largest) {
  std::vector<double> logs(largest + 1, 0.0);
  for (std::size_t m = 1; m <= largest; ++m) logs[m] = std::log(static_cast<double>(m));
  return logs;
}

/// Hypergeometric mean of (m/n) ln(n m / (a b)), where m of the a rows of a group fall among the b rows of a label.
/// Probabilities are walked from the mode outwards by their ratios and divided by their sum, which loses no digits to
/// differences of large lgamma values.
class MeanTerm {
 public:
  explicit MeanTerm(std::size_t n, std::size_t largest_size)
      : n_(static_cast<double>(n)), log_n_(std::log(n_)), logs_(table_of_logs(largest_size)) {}

  double operator()(std::size_t group_size, std::size_t label_size) const {
    const double a = static_cast<double>(group_size), b = static_cast<double>(label_size);
    const double shift = log_n_ - logs_[group_size] - logs_[label_size];
    const double mode = std::floor((a + 1.0) * (b + 1.0) / (n_ + 2.0));
    const double most = std::min(a, b), least = std::max(0.0, a + b - n_);
    Sums sums;
    double p = 1.0;
    for (double m = mode; m <= most && p > kNegligible; ++m) {
      add(m, p, shift, sums);
      p *= (a - m) * (b - m) / ((m + 1.0) * (n_ - a - b + m + 1.0));
    }
    p = 1.0;
    for (double m = mode; m > least; --m) {
      p *= m * (n_ - a - b + m) / ((a - m + 1.0) * (b - m + 1.0));
      if (p <= kNegligible) break;
      add(m - 1.0, p, shift, sums);
    }
    return sums.weighted / (sums.probability * n_);
  }

 private:
  struct Sums {
    double probability = 0.0;
    double weighted = 0.0;
  };

  void add(double m, double p, double shift, Sums& sums) const {
    sums.probability += p;
    sums.weighted += p * m * (shift + logs_[static_cast<std::size_t>(m)]);
  }

  double n_;
  double log_n_;
  std::vector<double> logs_;
};

/// The cells n_gy > 0 of the table of groups and labels.
struct Cells {
  std::vector<std::size_t> counts;       ///< of every cell, sorted by (group, label)
  std::vector<std::size_t> group_sizes;  ///< by rising group
  std::vector<std::size_t> label_sizes;  ///< by rising label
  std::size_t rows_of_majority = 0;      ///< sum over groups of their largest cell
};

std::vector<std::size_t> run_lengths(std::span<const std::uint32_t> sorted) {
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || sorted[i] != sorted[i - 1]) lengths.push_back(0);
    ++lengths.back();
  }
  return lengths;
}

Cells cells_of(std::span<const std::uint32_t> groups, std::span<const std::uint32_t> labels) {
  std::vector<std::uint64_t> keys(groups.size());
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<std::uint64_t>(groups[i]) << 32 | labels[i];
  std::sort(keys.begin(), keys.end());
  Cells cells;
  std::size_t majority = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i == 0 || keys[i] >> 32 != keys[i - 1] >> 32) {
      cells.group_sizes.push_back(0);
      cells.rows_of_majority += majority;
      majority = 0;
    }
    if (i == 0 || keys[i] != keys[i - 1]) cells.counts.push_back(0);
    ++cells.group_sizes.back();
    majority = std::max(majority, ++cells.counts.back());
  }
  cells.rows_of_majority += majority;
  std::vector<std::uint32_t> sorted(labels.begin(), labels.end());
  std::sort(sorted.begin(), sorted.end());
  cells.label_sizes = run_lengths(sorted);
  return cells;
}

}  // namespace

double expected_mutual_information(std::span<const std::size_t> group_sizes, std::span<const std::size_t> label_sizes) {
  const std::vector<SizeClass> groups = classes_of(group_sizes), labels = classes_of(label_sizes);
  if (groups.empty() || labels.empty()) return 0.0;
  std::size_t n = 0;
  for (const std::size_t size : group_sizes) n += size;
  const MeanTerm mean_term(n, std::max(groups.back().size, labels.back().size));
  std::vector<double> parts(groups.size(), 0.0);
  base::parallel_for(groups.size(), [&](std::size_t g) {
    for (const SizeClass& label : labels)
      parts[g] += static_cast<double>(label.groups) * mean_term(groups[g].size, label.size);
  });
  double sum = 0.0;
  for (std::size_t g = 0; g < groups.size(); ++g) sum += static_cast<double>(groups[g].groups) * parts[g];
  return sum;
}

LabelAgreement label_agreement(std::span<const std::uint32_t> groups, std::span<const std::uint32_t> labels) {
  if (groups.size() != labels.size()) {
    throw InvalidArgument(
        fmt::format("label agreement: {} groups and {} labels; give one of each a row", groups.size(), labels.size()));
  }
  if (groups.empty()) return {};
  const Cells cells = cells_of(groups, labels);
  LabelAgreement agreement;
  agreement.purity = static_cast<double>(cells.rows_of_majority) / static_cast<double>(groups.size());
  const std::size_t num_groups = cells.group_sizes.size(), num_labels = cells.label_sizes.size();
  if (num_groups == cells.counts.size() && num_labels == cells.counts.size()) {
    // One cell in every line of the table: equal partitions. Both quotients could be 0 / 0 here.
    agreement.nmi = agreement.ami = 1.0;
    return agreement;
  }
  if (num_groups == 1 || num_labels == 1) return agreement;
  const double group_entropy = entropy_of_counts(cells.group_sizes);
  const double label_entropy = entropy_of_counts(cells.label_sizes);
  const double information = std::max(0.0, group_entropy + label_entropy - entropy_of_counts(cells.counts));
  const double expected = expected_mutual_information(cells.group_sizes, cells.label_sizes);
  const double most = (group_entropy + label_entropy) / 2.0;
  agreement.nmi = information / most;
  // Only equal partitions reach most == expected, and they have returned above.
  agreement.ami = (information - expected) / (most - expected);
  return agreement;
}

}  // namespace neume::eval
