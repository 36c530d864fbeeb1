// The metrics of scores beside scikit-learn's, where that is installed.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/random.hpp"
#include "eval/calibration.hpp"
#include "eval/ranking_metrics.hpp"

namespace neume::eval {
namespace {

/// Rows of a test log.
struct Log {
  std::vector<float> logits;
  std::vector<std::uint8_t> labels;
  std::vector<std::uint32_t> groups;
};

/// With `levels` distinct logits, or all distinct for 0. Positives score higher on the whole. Every group has both
/// classes.
Log random_log(std::size_t rows, std::size_t levels, std::uint64_t seed) {
  base::Random random(seed);
  Log log;
  for (std::size_t i = 0; i < rows; ++i) {
    const bool first_rows = i < 14;
    const bool positive = first_rows ? i % 2 == 0 : random.uniform() < 0.3;
    const double z = 3.0 * random.uniform() - 2.0 + (positive ? 0.5 : 0.0);
    const double step = 3.5 / static_cast<double>(levels);
    log.logits.push_back(static_cast<float>(levels == 0 ? z : std::floor(z / step) * step));
    log.labels.push_back(positive ? 1 : 0);
    log.groups.push_back(static_cast<std::uint32_t>(first_rows ? i / 2 : random.index(7)));
  }
  return log;
}

/// One user of a full ranking: distinct scores.
struct Ranking {
  std::vector<float> scores;
  std::vector<std::uint32_t> relevant;  // ascending
};

Ranking random_ranking(std::size_t items, std::size_t relevant, std::uint64_t seed) {
  base::Random random(seed);
  Ranking ranking;
  for (std::size_t i = 0; i < items; ++i) ranking.scores.push_back(static_cast<float>(i) * 0.125f);
  for (std::size_t i = items; i > 1; --i) std::swap(ranking.scores[i - 1], ranking.scores[random.index(i)]);
  for (std::size_t i = 0; i < relevant; ++i)
    ranking.relevant.push_back(static_cast<std::uint32_t>(i * items / relevant));
  return ranking;
}

constexpr int kNoOracle = 77;
constexpr std::size_t kCutoffs[] = {1, 5, 20};

/// A log's lines are "log CASE LOGIT LABEL GROUP": answers AUC, log-loss, GAUC in three modes, ECE, then the bins. A
/// ranking's are "rank CASE SCORE RELEVANT": answers recall and NDCG at each cutoff, then the average precision.
constexpr const char* kOracleScript = R"(
import collections, sys
try:
    import numpy as np
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import (label_ranking_average_precision_score, log_loss, ndcg_score, recall_score,
                                 roc_auc_score)
except ImportError:
    sys.exit(77)
logs, ranks = collections.defaultdict(list), collections.defaultdict(list)
for line in open(sys.argv[1]):
    kind, case, *values = line.split()
    (logs if kind == "log" else ranks)[int(case)].append([float(v) for v in values])

def judge_log(rows):
    z, y, group = np.array(rows).T
    p = 1 / (1 + np.exp(-z))
    parts = [(z[group == g], y[group == g]) for g in np.unique(group)]
    aucs = [roc_auc_score(b, a) for a, b in parts]
    answers = [roc_auc_score(y, z), log_loss(y, p), np.average(aucs, weights=[len(b) for a, b in parts]),
               np.mean(aucs), np.average(aucs, weights=[b.sum() for a, b in parts])]
    came, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
    edges = np.percentile(p, np.linspace(0, 100, 11))
    counts = np.bincount(np.searchsorted(edges[1:-1], p), minlength=10)
    counts = counts[counts > 0]
    answers.append(np.average(np.abs(predicted - came), weights=counts))
    for row in zip(counts, predicted, came):
        answers += row
    return answers

def judge_ranking(rows):
    scores, relevant = np.array(rows).T
    answers = []
    for k in (1, 5, 20):
        best = np.zeros_like(relevant)
        best[np.argsort(-scores)[:k]] = 1
        answers += [recall_score(relevant, best), ndcg_score([relevant], [scores], k=k)]
    return answers + [label_ranking_average_precision_score([relevant], [scores])]

for case in sorted(logs):
    print(*[repr(float(a)) for a in judge_log(logs[case])])
for case in sorted(ranks):
    print(*[repr(float(a)) for a in judge_ranking(ranks[case])])
)";

/// One line of numbers a case, logs first. Returns the exit status.
int ask_scikit_learn(const std::vector<Log>& logs, const std::vector<Ranking>& rankings,
                     std::vector<std::vector<double>>& answers) {
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("neume-metrics-{}", getpid());
  std::filesystem::create_directories(folder);
  std::string rows;
  for (std::size_t c = 0; c < logs.size(); ++c) {
    for (std::size_t i = 0; i < logs[c].logits.size(); ++i)
      rows += fmt::format("log {} {} {} {}\n", c, static_cast<double>(logs[c].logits[i]), logs[c].labels[i],
                          logs[c].groups[i]);
  }
  for (std::size_t c = 0; c < rankings.size(); ++c) {
    for (std::uint32_t i = 0; i < rankings[c].scores.size(); ++i) {
      const bool relevant = std::ranges::binary_search(rankings[c].relevant, i);
      rows += fmt::format("rank {} {} {}\n", c, rankings[c].scores[i], relevant ? 1 : 0);
    }
  }
  base::write_file(folder / "rows", rows);
  base::write_file(folder / "judge.py", kOracleScript);
  const int status = std::system(
      fmt::format("/usr/bin/python3 '{0}/judge.py' '{0}/rows' > '{0}/answers' 2> '{0}/errors'", folder.string())
          .c_str());
  std::istringstream lines(base::read_file(folder / "answers"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    std::vector<double>& answer = answers.emplace_back();
    for (double number = 0.0; numbers >> number;) answer.push_back(number);
  }
  std::filesystem::remove_all(folder);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<double> judge(const Log& log) {
  std::vector<double> values{*auc(log.logits, log.labels), log_loss(log.logits, log.labels)};
  for (const GaucMode mode : {GaucMode::impression, GaucMode::uniform, GaucMode::positive})
    values.push_back(*gauc(log.logits, log.labels, log.groups, mode).value);
  const auto bins = reliability(log.logits, log.labels);
  values.push_back(expected_calibration_error(bins));
  for (const auto& bin : bins)
    values.insert(values.end(), {static_cast<double>(bin.samples), bin.mean_prediction, bin.positive_rate});
  return values;
}

std::vector<double> judge(const Ranking& ranking) {
  const auto ranks = ranks_of_relevant(ranking.scores, ranking.relevant, {});
  std::vector<double> values;
  for (const std::size_t k : kCutoffs) values.insert(values.end(), {recall_at(ranks, k), ndcg_at(ranks, k)});
  // Average precision is the mean over relevant items of (relevant items so far) / (items so far); with one relevant
  // item it is the reciprocal rank.
  double precision = 0.0;
  for (std::size_t i = 0; i < ranks.size(); ++i)
    precision += static_cast<double>(i + 1) / (1.0 + static_cast<double>(ranks[i]));
  values.push_back(ranks.size() == 1 ? reciprocal_rank(ranks) : precision / static_cast<double>(ranks.size()));
  return values;
}

TEST(ScikitLearn, AgreesOnEveryMetric) {
  // Of 997 and 1994 rows no border of a tenth but the middle falls on a row: there, rounding would decide.
  const std::vector<Log> logs{random_log(997, 0, 1), random_log(1994, 0, 2), random_log(997, 25, 3),
                              random_log(1994, 4, 4)};
  const std::vector<Ranking> rankings{random_ranking(300, 1, 5), random_ranking(300, 12, 6), random_ranking(50, 40, 7),
                                      random_ranking(1000, 1, 8)};
  std::vector<std::vector<double>> answers;
  const int status = ask_scikit_learn(logs, rankings, answers);
  if (status == kNoOracle || status == 127)
    GTEST_SKIP() << "scikit-learn is the oracle, and /usr/bin/python3 does not have it (package python3-sklearn)";
  ASSERT_EQ(status, 0);
  ASSERT_EQ(answers.size(), logs.size() + rankings.size());
  for (std::size_t c = 0; c < answers.size(); ++c) {
    const auto found = c < logs.size() ? judge(logs[c]) : judge(rankings[c - logs.size()]);
    ASSERT_EQ(found.size(), answers[c].size()) << "case " << c;
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(found[i], answers[c][i], 1e-12) << "case " << c << ", " << i;
  }
}

}  // namespace
}  // namespace neume::eval
