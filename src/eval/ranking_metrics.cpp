#include "eval/ranking_metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include <neume/error.hpp>

#include "eval/score_rows.hpp"

namespace neume::eval {

namespace {

/// Rows sorted by `key`; rows of equal key are ties.
struct KeyedLabel {
  std::uint64_t key;
  std::uint8_t label;
};

struct ClassCounts {
  std::uint64_t positives = 0;
  std::uint64_t negatives = 0;
  std::uint64_t rows() const { return positives + negatives; }
  bool has_both() const { return positives > 0 && negatives > 0; }
};

struct RankStatistic {
  ClassCounts counts;
  /// Twice the number of ordered pairs, ties counting one: an integer, so nothing is rounded before the division.
  __uint128_t twice_pairs = 0;

  double auc() const {
    return static_cast<double>(twice_pairs) /
           (2.0 * static_cast<double>(counts.positives) * static_cast<double>(counts.negatives));
  }
};

/// `rows` sorted by key, of one group.
RankStatistic rank_statistic(std::span<const KeyedLabel> rows) {
  RankStatistic result;
  for (std::size_t begin = 0; begin < rows.size();) {
    ClassCounts tied;
    std::size_t end = begin;
    for (; end < rows.size() && rows[end].key == rows[begin].key; ++end) {
      tied.positives += rows[end].label;
      tied.negatives += 1U - rows[end].label;
    }
    result.twice_pairs += static_cast<__uint128_t>(tied.positives) * (2 * result.counts.negatives + tied.negatives);
    result.counts.positives += tied.positives;
    result.counts.negatives += tied.negatives;
    begin = end;
  }
  return result;
}

void sort_by_key(std::vector<KeyedLabel>& rows) {
  std::sort(rows.begin(), rows.end(), [](const KeyedLabel& a, const KeyedLabel& b) { return a.key < b.key; });
}

double weight_of_group(const ClassCounts& counts, GaucMode mode) {
  switch (mode) {
    case GaucMode::impression:
      return static_cast<double>(counts.rows());
    case GaucMode::uniform:
      return 1.0;
    case GaucMode::positive:
      return static_cast<double>(counts.positives);
  }
  throw InternalError("gauc: unknown mode");
}

double discount(std::size_t rank) {
  return 1.0 / std::log2(static_cast<double>(rank) + 2.0);
}

}  // namespace

std::optional<double> auc(std::span<const float> scores, std::span<const std::uint8_t> labels) {
  require_valid(scores, labels);
  std::vector<KeyedLabel> rows(scores.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {order_key(scores[i]), labels[i]};
  sort_by_key(rows);
  const RankStatistic statistic = rank_statistic(rows);
  if (!statistic.counts.has_both()) return std::nullopt;
  return statistic.auc();
}

double log_loss(std::span<const float> logits, std::span<const std::uint8_t> labels) {
  require_valid(logits, labels);
  require_rows(logits.size());
  double sum = 0.0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    // ln(1 + e^z) - y z is ln(1 + e^m) of the margin m, which is -z for a positive and z for a negative.
    const double margin = labels[i] != 0 ? -static_cast<double>(logits[i]) : static_cast<double>(logits[i]);
    sum += std::max(margin, 0.0) + std::log1p(std::exp(-std::abs(margin)));
  }
  return sum / static_cast<double>(logits.size());
}

double mean_prediction(std::span<const float> logits) {
  require_numbers(logits);
  require_rows(logits.size());
  double sum = 0.0;
  for (const float z : logits) sum += probability_of(z);
  return sum / static_cast<double>(logits.size());
}

double base_rate(std::span<const std::uint8_t> labels) {
  require_valid_labels(labels);
  require_rows(labels.size());
  std::size_t positives = 0;
  for (const std::uint8_t label : labels) positives += label;
  return static_cast<double>(positives) / static_cast<double>(labels.size());
}

std::optional<double> normalised_entropy(std::span<const float> logits, std::span<const std::uint8_t> labels) {
  const double loss = log_loss(logits, labels);
  const double p = base_rate(labels);
  if (p == 0.0 || p == 1.0) return std::nullopt;
  return loss / -(p * std::log(p) + (1.0 - p) * std::log1p(-p));
}

Gauc gauc(std::span<const float> scores, std::span<const std::uint8_t> labels, std::span<const std::uint32_t> groups,
          GaucMode mode) {
  require_valid(scores, labels);
  require_same_length(scores.size(), groups.size(), "the column of groups");
  std::vector<KeyedLabel> rows(scores.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = {static_cast<std::uint64_t>(groups[i]) << 32 | order_key(scores[i]), labels[i]};
  }
  sort_by_key(rows);

  Gauc result;
  result.mode = mode;
  double weighted = 0.0;
  double weights = 0.0;
  for (std::size_t begin = 0; begin < rows.size();) {
    const std::uint64_t group = rows[begin].key >> 32;
    std::size_t end = begin;
    while (end < rows.size() && rows[end].key >> 32 == group) ++end;
    const RankStatistic statistic = rank_statistic(std::span(rows).subspan(begin, end - begin));
    begin = end;
    if (!statistic.counts.has_both()) {
      ++result.groups_dropped;
      continue;
    }
    ++result.groups_used;
    const double weight = weight_of_group(statistic.counts, mode);
    weighted += weight * statistic.auc();
    weights += weight;
  }
  if (result.groups_used > 0) result.value = weighted / weights;
  return result;
}

double recall_at(std::span<const std::uint32_t> ranks, std::size_t k) {
  if (ranks.empty()) return 0.0;
  const auto found = std::count_if(ranks.begin(), ranks.end(), [k](std::uint32_t rank) { return rank < k; });
  return static_cast<double>(found) / static_cast<double>(ranks.size());
}

double ndcg_at(std::span<const std::uint32_t> ranks, std::size_t k) {
  if (ranks.empty() || k == 0) return 0.0;
  double gain = 0.0;
  for (const std::uint32_t rank : ranks) {
    if (rank < k) gain += discount(rank);
  }
  double ideal = 0.0;
  for (std::size_t i = 0; i < std::min(k, ranks.size()); ++i) ideal += discount(i);
  return gain / ideal;
}

double hit_at(std::span<const std::uint32_t> ranks, std::size_t k) {
  return std::any_of(ranks.begin(), ranks.end(), [k](std::uint32_t rank) { return rank < k; }) ? 1.0 : 0.0;
}

double reciprocal_rank(std::span<const std::uint32_t> ranks) {
  if (ranks.empty()) return 0.0;
  return 1.0 / (1.0 + static_cast<double>(*std::min_element(ranks.begin(), ranks.end())));
}

std::vector<std::uint32_t> ranks_of_relevant(std::span<const float> scores, std::span<const std::uint32_t> relevant,
                                             std::span<const std::uint32_t> excluded) {
  require_numbers(scores);
  std::vector<float> bars;  // the relevant scores, falling
  for (const std::uint32_t item : relevant) bars.push_back(scores[item]);
  std::ranges::sort(bars, std::greater<>());
  // A candidate counts against every bar that it reaches: the first of them and all lower ones.
  std::vector<std::uint32_t> first_reached(bars.size() + 1, 0);
  const auto first_of = [&](float score) {
    return static_cast<std::size_t>(std::ranges::lower_bound(bars, score, std::greater<>()) - bars.begin());
  };
  for (const float score : scores) ++first_reached[first_of(score)];
  for (const std::uint32_t item : excluded) --first_reached[first_of(scores[item])];
  std::vector<std::uint32_t> ranks;
  std::uint32_t reaching = 0;
  for (std::size_t i = 0; i < bars.size(); ++i) ranks.push_back((reaching += first_reached[i]) - 1);
  for (std::size_t i = ranks.size(); i-- > 1;) ranks[i - 1] = std::min(ranks[i - 1], ranks[i] - 1);
  return ranks;
}

RankingAverage::RankingAverage(std::span<const std::size_t> cutoffs) {
  for (const std::size_t k : cutoffs) {
    if (k == 0) throw InvalidArgument("cutoff k of a ranking metric: expected at least 1, found 0");
    sums_.at.emplace_back().k = k;
  }
}

void RankingAverage::add(std::span<const std::uint32_t> ranks) {
  if (ranks.empty()) {
    ++sums_.users_left_out;
    return;
  }
  ++sums_.users;
  sums_.mrr += reciprocal_rank(ranks);
  for (RankingAtCutoff& at : sums_.at) {
    at.recall += recall_at(ranks, at.k);
    at.ndcg += ndcg_at(ranks, at.k);
    at.hit += hit_at(ranks, at.k);
  }
}

RankingSummary RankingAverage::summary() const {
  RankingSummary means = sums_;
  if (means.users == 0) return means;
  const double users = static_cast<double>(means.users);
  means.mrr /= users;
  for (RankingAtCutoff& at : means.at) {
    at.recall /= users;
    at.ndcg /= users;
    at.hit /= users;
  }
  return means;
}

}  // namespace neume::eval
