// AUC, log-loss, GAUC and the metrics of a full ranking, against their definitions.

#include "eval/ranking_metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::eval {
namespace {

using Labels = std::vector<std::uint8_t>;
using Scores = std::vector<float>;

double brute_force_auc(const Scores& scores, const Labels& labels) {
  double wins = 0.0;
  double pairs = 0.0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    for (std::size_t j = 0; j < scores.size(); ++j) {
      if (labels[i] != 1 || labels[j] != 0) continue;
      pairs += 1.0;
      if (scores[i] > scores[j]) wins += 1.0;
      if (scores[i] == scores[j]) wins += 0.5;
    }
  }
  return wins / pairs;
}

struct Rows {
  Scores scores;
  Labels labels;
  std::vector<std::uint32_t> groups;
};

/// Scores on a grid of `levels` values around 0, so that ties, negative values and both zeros occur.
Rows random_rows(std::size_t count, std::uint64_t levels, std::uint64_t seed) {
  base::Random random(seed);
  Rows rows;
  for (std::size_t i = 0; i < count; ++i) {
    const float level = static_cast<float>(random.index(levels)) - static_cast<float>(levels / 2);
    rows.scores.push_back(level == 0.0f && random.index(2) == 0 ? -0.0f : level * 0.37f);
    rows.labels.push_back(static_cast<std::uint8_t>(random.index(3) == 0));
    rows.groups.push_back(static_cast<std::uint32_t>(random.index(7) * 1000003));
  }
  return rows;
}

TEST(Auc, EqualsAllPairsWithTies) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Rows rows = random_rows(20 + 10 * seed, 2 + seed * seed, seed);
    const auto value = auc(rows.scores, rows.labels);
    ASSERT_TRUE(value.has_value());
    EXPECT_DOUBLE_EQ(*value, brute_force_auc(rows.scores, rows.labels)) << "seed " << seed;
  }
}

TEST(Auc, ReversedScoresGiveTheComplement) {
  Rows rows = random_rows(300, 20, 5);
  const double value = *auc(rows.scores, rows.labels);
  for (float& score : rows.scores) score = -score;
  EXPECT_NEAR(*auc(rows.scores, rows.labels), 1.0 - value, 1e-15);
}

TEST(Auc, ConstantScoresGiveOneHalf) {
  EXPECT_EQ(auc(Scores(5, 3.0f), Labels{0, 1, 1, 0, 1}), 0.5);
  EXPECT_EQ(auc(Scores{0.0f, -0.0f}, Labels{0, 1}), 0.5);
}

TEST(Auc, OrdersInfinitiesAndDenormals) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float tiny = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(auc(Scores{-infinity, -1.0f, -tiny, tiny, 1.0f, infinity}, Labels{0, 0, 0, 1, 1, 1}), 1.0);
}

TEST(Auc, HasNoValueWithoutBothClasses) {
  EXPECT_FALSE(auc(Scores{1, 2}, Labels{1, 1}).has_value());
  EXPECT_FALSE(auc(Scores{1, 2}, Labels{0, 0}).has_value());
  EXPECT_FALSE(auc(Scores{}, Labels{}).has_value());
}

TEST(Auc, RejectsWhatIsNotAScoreOrALabel) {
  EXPECT_THROW(auc(Scores{1, std::nanf("")}, Labels{0, 1}), InvalidArgument);
  EXPECT_THROW(auc(Scores{1, 2}, Labels{0, 2}), InvalidArgument);
  EXPECT_THROW(auc(Scores{1, 2}, Labels{0}), InvalidArgument);
}

TEST(LogLoss, EqualsTheDefinitionWhereThatIsExact) {
  const Rows rows = random_rows(200, 21, 3);
  double sum = 0.0;
  for (std::size_t i = 0; i < rows.scores.size(); ++i) {
    const double p = 1.0 / (1.0 + std::exp(-static_cast<double>(rows.scores[i])));
    sum -= rows.labels[i] == 1 ? std::log(p) : std::log(1.0 - p);
  }
  EXPECT_NEAR(log_loss(rows.scores, rows.labels), sum / 200.0, 1e-12);
}

TEST(LogLoss, IsStableAtTheEnds) {
  EXPECT_DOUBLE_EQ(log_loss(Scores{1000.0f}, Labels{0}), 1000.0);
  EXPECT_DOUBLE_EQ(log_loss(Scores{-1000.0f}, Labels{1}), 1000.0);
  EXPECT_EQ(log_loss(Scores{1000.0f, -1000.0f}, Labels{1, 0}), 0.0);
  EXPECT_DOUBLE_EQ(log_loss(Scores{-50.0f}, Labels{0}), std::exp(-50.0));
  EXPECT_DOUBLE_EQ(log_loss(Scores{0.0f}, Labels{1}), std::log(2.0));
}

TEST(LogLoss, OfNothingIsAnError) {
  EXPECT_THROW(log_loss(Scores{}, Labels{}), InvalidArgument);
  EXPECT_THROW(mean_prediction(Scores{}), InvalidArgument);
  EXPECT_THROW(base_rate(Labels{}), InvalidArgument);
}

TEST(NormalisedEntropy, OfTheBaseRateIsOne) {
  const Labels labels{1, 0, 0, 0, 1};
  const Scores constant(5, static_cast<float>(std::log(0.4 / 0.6)));
  EXPECT_NEAR(*normalised_entropy(constant, labels), 1.0, 1e-7);
  EXPECT_NEAR(mean_prediction(constant), base_rate(labels), 1e-7);
  EXPECT_FALSE(normalised_entropy(constant, Labels(5, 1)).has_value());
}

TEST(Gauc, EqualsAucGroupByGroup) {
  const Rows rows = random_rows(400, 30, 9);
  std::map<std::uint32_t, Rows> by_group;
  for (std::size_t i = 0; i < rows.scores.size(); ++i) {
    by_group[rows.groups[i]].scores.push_back(rows.scores[i]);
    by_group[rows.groups[i]].labels.push_back(rows.labels[i]);
  }
  for (const GaucMode mode : {GaucMode::impression, GaucMode::uniform, GaucMode::positive}) {
    double sum = 0.0;
    double weights = 0.0;
    for (const auto& [group, part] : by_group) {
      const double positives = std::accumulate(part.labels.begin(), part.labels.end(), 0.0);
      const double weight = mode == GaucMode::impression ? static_cast<double>(part.labels.size())
                            : mode == GaucMode::uniform  ? 1.0
                                                         : positives;
      sum += weight * brute_force_auc(part.scores, part.labels);
      weights += weight;
    }
    const Gauc result = gauc(rows.scores, rows.labels, rows.groups, mode);
    EXPECT_NEAR(*result.value, sum / weights, 1e-12);
    EXPECT_EQ(result.mode, mode);
    EXPECT_EQ(result.groups_used, by_group.size());
  }
}

TEST(Gauc, ModesDifferAndOneClassGroupsAreCounted) {
  // Group 7: AUC 1, 2 rows, 1 positive. Group 3: AUC 1/4, 5 rows, 4 positives. Group 5: positives only.
  const Scores scores{2, 1, 9, 1, 2, 3, 4, 3.5, 8};
  const Labels labels{1, 0, 1, 1, 1, 1, 1, 0, 1};
  const std::vector<std::uint32_t> groups{7, 7, 5, 3, 3, 3, 3, 3, 5};
  const Gauc impression = gauc(scores, labels, groups, GaucMode::impression);
  EXPECT_DOUBLE_EQ(*impression.value, (2 * 1.0 + 5 * 0.25) / 7);
  EXPECT_DOUBLE_EQ(*gauc(scores, labels, groups, GaucMode::uniform).value, 0.625);
  EXPECT_DOUBLE_EQ(*gauc(scores, labels, groups, GaucMode::positive).value, (1 * 1.0 + 4 * 0.25) / 5);
  EXPECT_EQ(impression.groups_used, 2u);
  EXPECT_EQ(impression.groups_dropped, 1u);
}

TEST(Gauc, HasNoValueWhereEveryGroupHasOneClass) {
  const Gauc result = gauc(Scores{1, 2}, Labels{0, 1}, std::vector<std::uint32_t>{1, 2});
  EXPECT_FALSE(result.value.has_value());
  EXPECT_EQ(result.groups_dropped, 2u);
}

TEST(Ranking, HandWorkedUser) {
  const std::vector<std::uint32_t> ranks{4, 0, 12};
  EXPECT_DOUBLE_EQ(recall_at(ranks, 5), 2.0 / 3.0);
  EXPECT_DOUBLE_EQ(recall_at(ranks, 4), 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(recall_at(ranks, 13), 1.0);
  const double ideal = 1.0 + 1.0 / std::log2(3.0) + 0.5;
  EXPECT_DOUBLE_EQ(ndcg_at(ranks, 5), (1.0 + 1.0 / std::log2(6.0)) / ideal);
  EXPECT_DOUBLE_EQ(ndcg_at(ranks, 1), 1.0);
  EXPECT_DOUBLE_EQ(reciprocal_rank(ranks), 1.0);
  EXPECT_DOUBLE_EQ(reciprocal_rank(std::vector<std::uint32_t>{3, 9}), 0.25);
  EXPECT_EQ(hit_at(std::vector<std::uint32_t>{3, 9}, 3), 0.0);
  EXPECT_EQ(hit_at(std::vector<std::uint32_t>{3, 9}, 4), 1.0);
}

/// The definition: sort the candidates, look every relevant item up behind its equals, part relevant ties.
std::vector<std::uint32_t> ranks_by_sorting(const Scores& scores, const std::vector<std::uint32_t>& relevant,
                                            const std::vector<std::uint32_t>& excluded) {
  Scores candidates;
  for (std::uint32_t i = 0; i < scores.size(); ++i)
    if (std::ranges::find(excluded, i) == excluded.end()) candidates.push_back(scores[i]);
  std::ranges::sort(candidates, std::greater<>());
  std::vector<std::uint32_t> ranks;
  for (const std::uint32_t item : relevant) {
    const auto worse = std::ranges::upper_bound(candidates, scores[item], std::greater<>());
    ranks.push_back(static_cast<std::uint32_t>(worse - candidates.begin()) - 1);
  }
  std::ranges::sort(ranks);
  for (std::size_t i = ranks.size(); i-- > 1;) ranks[i - 1] = std::min(ranks[i - 1], ranks[i] - 1);
  return ranks;
}

TEST(RanksOfRelevant, HandWorkedTies) {
  // Candidates by score: 9 | 5 5 5 | 2 2 | 1, without item 1 (score 7). Items 2 and 4 tie with item 6 at 5.
  const Scores scores{9, 7, 5, 2, 5, 1, 5, 2};
  EXPECT_EQ(ranks_of_relevant(scores, std::vector<std::uint32_t>{2, 4}, std::vector<std::uint32_t>{1}),
            (std::vector<std::uint32_t>{2, 3}));
  EXPECT_EQ(ranks_of_relevant(scores, std::vector<std::uint32_t>{0, 7}, std::vector<std::uint32_t>{1}),
            (std::vector<std::uint32_t>{0, 5}));
  EXPECT_TRUE(ranks_of_relevant(scores, {}, {}).empty());
  EXPECT_THROW(ranks_of_relevant(Scores{1, std::nanf("")}, std::vector<std::uint32_t>{0}, {}), InvalidArgument);
}

TEST(RanksOfRelevant, EqualsSortingTheCatalogue) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    base::Random random(seed);
    const Scores scores = random_rows(3 + 5 * seed, 2 + seed * seed / 8, seed).scores;
    std::vector<std::uint32_t> relevant, excluded;
    for (std::uint32_t i = 0; i < scores.size(); ++i) {
      const auto draw = random.index(10);
      if (draw < 1 + seed % 5) relevant.push_back(i);
      if (draw >= 8) excluded.push_back(i);
    }
    EXPECT_EQ(ranks_of_relevant(scores, relevant, excluded), ranks_by_sorting(scores, relevant, excluded)) << seed;
  }
}

TEST(Ranking, PerfectOrderGivesNdcgOneAtEveryCutoff) {
  const std::vector<std::uint32_t> ranks{2, 0, 1};
  for (std::size_t k = 1; k < 6; ++k) EXPECT_DOUBLE_EQ(ndcg_at(ranks, k), 1.0) << "k = " << k;
}

TEST(Ranking, AverageLeavesOutUsersWithoutRelevantItems) {
  RankingAverage average(std::vector<std::size_t>{1, 10});
  average.add(std::vector<std::uint32_t>{0});
  average.add(std::vector<std::uint32_t>{});
  average.add(std::vector<std::uint32_t>{3, 20});
  const RankingSummary summary = average.summary();
  EXPECT_EQ(summary.users, 2u);
  EXPECT_EQ(summary.users_left_out, 1u);
  EXPECT_DOUBLE_EQ(summary.mrr, (1.0 + 0.25) / 2);
  ASSERT_EQ(summary.at.size(), 2u);
  EXPECT_EQ(summary.at[1].k, 10u);
  EXPECT_DOUBLE_EQ(summary.at[0].recall, 0.5);
  EXPECT_DOUBLE_EQ(summary.at[1].recall, (1.0 + 0.5) / 2);
  EXPECT_DOUBLE_EQ(summary.at[1].hit, 1.0);
  EXPECT_DOUBLE_EQ(summary.at[1].ndcg, (1.0 + (1 / std::log2(5.0)) / (1 + 1 / std::log2(3.0))) / 2);
}

TEST(Ranking, ZeroCutoffIsAnError) {
  EXPECT_THROW(RankingAverage(std::vector<std::size_t>{10, 0}), InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
