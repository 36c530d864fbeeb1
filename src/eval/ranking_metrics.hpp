#pragma once
// How well scores order and predict clicks: functions of scores, labels and groups only. Labels are 0 or 1. Every
// function throws InvalidArgument where the spans differ in length, where a score is not a number or where a label is
// neither 0 nor 1 (with the row). All are pure, so safe from any thread; sums run in a fixed order.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <neume/ranker.hpp>

namespace neume::eval {

/// Area under the ROC curve: P(s+ > s-) + P(s+ = s-)/2 over all pairs of a positive and a negative, exact (ties count
/// one half). Nothing where one of the classes is absent. O(n log n).
std::optional<double> auc(std::span<const float> scores, std::span<const std::uint8_t> labels);

/// Mean binary cross-entropy of logits z: mean of ln(1 + e^z) - y z, in nats, computed so that no z overflows.
/// Throws InvalidArgument for no rows.
double log_loss(std::span<const float> logits, std::span<const std::uint8_t> labels);

/// Mean of 1 / (1 + e^-z): beside base_rate it tells whether a model is calibrated on average.
/// Throws InvalidArgument for no rows.
double mean_prediction(std::span<const float> logits);

/// Share of positives. Throws InvalidArgument for no rows.
double base_rate(std::span<const std::uint8_t> labels);

/// `ne`: log_loss divided by the entropy of the base rate p, -(p ln p + (1-p) ln(1-p)); 1 is what the constant p gets.
/// Nothing where one of the classes is absent.
std::optional<double> normalised_entropy(std::span<const float> logits, std::span<const std::uint8_t> labels);

struct Gauc {
  std::optional<double> value;  ///< nothing where no group has both classes
  GaucMode mode = GaucMode::impression;
  std::size_t groups_used = 0;     ///< groups with both classes
  std::size_t groups_dropped = 0;  ///< groups with one class: they have no AUC
};

/// sum_g w_g auc_g / sum_g w_g over the groups that have both classes; w_g by `mode`. `groups` names the group of each
/// row, in any order. O(n log n).
Gauc gauc(std::span<const float> scores, std::span<const std::uint8_t> labels, std::span<const std::uint32_t> groups,
          GaucMode mode = GaucMode::impression);

// One user's full ranking, given the 0-based ranks (0 = best) of that user's relevant items, distinct and in any order
// (ranks_of_relevant makes them of scores). All four are 0 for a user without relevant items; RankingAverage leaves
// such users out.

/// (relevant items with rank < k) / (relevant items). Not divided by min(k, relevant): it cannot reach 1 for a user
/// with more than k relevant items.
double recall_at(std::span<const std::uint32_t> ranks, std::size_t k);

/// DCG / ideal DCG, with DCG = sum of 1 / log2(rank + 2) over relevant items of rank < k, and the ideal that of
/// min(k, relevant) items on the first ranks.
double ndcg_at(std::span<const std::uint32_t> ranks, std::size_t k);

/// 1 where some relevant item has rank < k, else 0.
double hit_at(std::span<const std::uint32_t> ranks, std::size_t k);

/// 1 / (1 + best rank).
double reciprocal_rank(std::span<const std::uint32_t> ranks);

/// Ranks of `relevant` items among the candidates: all items less `excluded`. `scores`: one an item. The rank of a
/// relevant item is the number of other candidates that score as much or more (ties count against it); relevant items
/// that tie with each other take the last places of their tie. Both lists distinct, within the items, and without a
/// common item. Ascending. O(n log(relevant)): nothing is sorted but the relevant scores.
std::vector<std::uint32_t> ranks_of_relevant(std::span<const float> scores, std::span<const std::uint32_t> relevant,
                                             std::span<const std::uint32_t> excluded);

/// Means over users of the metrics above, at one cutoff k.
struct RankingAtCutoff {
  std::size_t k = 0;
  double recall = 0.0;
  double ndcg = 0.0;
  double hit = 0.0;
};

struct RankingSummary {
  std::size_t users = 0;           ///< users that the means run over
  std::size_t users_left_out = 0;  ///< users without relevant items
  double mrr = 0.0;
  std::vector<RankingAtCutoff> at;  ///< one entry a cutoff, in the order given
};

/// Averages over users, each with weight one. The means depend on the order of the calls to `add` in the last bits:
/// add users in a fixed order. Not thread-safe.
class RankingAverage {
 public:
  /// Throws InvalidArgument for a cutoff of 0.
  explicit RankingAverage(std::span<const std::size_t> cutoffs);

  /// Adds one user's relevant ranks.
  void add(std::span<const std::uint32_t> ranks);

  /// Means so far; all 0 where no user was added.
  RankingSummary summary() const;

 private:
  RankingSummary sums_;
};

}  // namespace neume::eval
