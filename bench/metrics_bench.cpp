// Time of the metrics of a test log: GAUC of 200,000 rows in 20,000 groups, and what else evaluation asks of as many
// rows. Before it reports a time it checks AUC and GAUC against all pairs, group by group, on a small log with ties.
//
//   metrics_bench [--rows 200000] [--groups 20000] [--rounds 15]

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "eval/calibration.hpp"
#include "eval/ranking_metrics.hpp"

namespace {

using namespace neume;
using Clock = std::chrono::steady_clock;

struct Settings {
  std::size_t rows = 200000;
  std::size_t groups = 20000;
  std::size_t rounds = 15;
};

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const auto value = static_cast<std::size_t>(std::atof(argv[i + 1]));
    if (name == "--rows") settings.rows = value;
    if (name == "--groups") settings.groups = value;
    if (name == "--rounds") settings.rounds = value;
  }
  return settings;
}

struct Log {
  std::vector<float> scores;
  std::vector<std::uint8_t> labels;
  std::vector<std::uint32_t> groups;
};

/// Groups in random order; scores on a grid of `levels` values.
Log random_log(std::size_t rows, std::size_t groups, std::size_t levels) {
  base::Random random(1);
  Log log;
  for (std::size_t i = 0; i < rows; ++i) {
    log.scores.push_back(static_cast<float>(random.index(levels)) / static_cast<float>(levels) - 0.5f);
    log.labels.push_back(random.index(5) == 0 ? 1 : 0);
    log.groups.push_back(static_cast<std::uint32_t>(random.index(groups)));
  }
  return log;
}

/// Over all pairs of a group; weighted by rows.
double gauc_by_pairs(const Log& log) {
  std::map<std::uint32_t, std::vector<std::size_t>> rows_of;
  for (std::size_t i = 0; i < log.groups.size(); ++i) rows_of[log.groups[i]].push_back(i);
  double weighted = 0.0, weights = 0.0;
  for (const auto& [group, rows] : rows_of) {
    double wins = 0.0, pairs = 0.0;
    for (const std::size_t p : rows) {
      for (const std::size_t n : rows) {
        if (log.labels[p] != 1 || log.labels[n] != 0) continue;
        pairs += 1.0;
        wins += log.scores[p] > log.scores[n] ? 1.0 : log.scores[p] == log.scores[n] ? 0.5 : 0.0;
      }
    }
    if (pairs == 0.0) continue;
    weighted += static_cast<double>(rows.size()) * wins / pairs;
    weights += static_cast<double>(rows.size());
  }
  return weighted / weights;
}

bool verify() {
  const Log log = random_log(4000, 150, 200);
  if (std::abs(*eval::gauc(log.scores, log.labels, log.groups).value - gauc_by_pairs(log)) > 1e-12) return false;
  Log one_group = log;
  one_group.groups.assign(log.groups.size(), 7);
  if (std::abs(*eval::auc(log.scores, log.labels) - gauc_by_pairs(one_group)) > 1e-12) return false;
  std::size_t rows = 0;
  for (const ReliabilityBin& bin : eval::reliability(log.scores, log.labels)) rows += bin.samples;
  return rows == log.scores.size();
}

/// Median and extremes of `rounds` calls, in seconds.
void report(const char* what, std::size_t rounds, const std::function<void()>& work) {
  work();  // warm-up
  std::vector<double> seconds;
  for (std::size_t r = 0; r < rounds; ++r) {
    const auto start = Clock::now();
    work();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::ranges::sort(seconds);
  fmt::print("{:12} median {:.4f} s  (min {:.4f}, max {:.4f}, {} rounds)\n", what, seconds[rounds / 2], seconds.front(),
             seconds.back(), rounds);
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  if (!verify()) {
    fmt::print("a metric does not follow its definition: no time is reported\n");
    return 1;
  }
  const Log log = random_log(settings.rows, settings.groups, 1 << 24);
  fmt::print("{} rows in {} groups, one thread\n", settings.rows, settings.groups);
  double kept = 0.0;  // so that no call is left out
  report("gauc", settings.rounds, [&] { kept += *eval::gauc(log.scores, log.labels, log.groups).value; });
  report("auc", settings.rounds, [&] { kept += *eval::auc(log.scores, log.labels); });
  report("log-loss", settings.rounds, [&] { kept += eval::log_loss(log.scores, log.labels); });
  report("reliability", settings.rounds, [&] { kept += eval::reliability(log.scores, log.labels)[0].positive_rate; });
  return std::isfinite(kept) ? 0 : 1;
}
