#pragma once
// The judgement of a ranker as text, and what the program adds to its JSON (rank/metrics_json.hpp).

#include <string>

#include <neume/ranker.hpp>

#include "eval/ranking_metrics.hpp"
#include "json_file.hpp"

namespace neume::app {

/// Of metrics.json (docs/formats/metrics.md). 2 added slices, reliability, calibration_error and the modes of GAUC.
inline constexpr int kMetricsVersion = 2;

/// Adds users, mrr, recall@k, ndcg@k and hit@k under "full_ranking".
void add_ranking(Json& json, const eval::RankingSummary& ranking);

/// From a metrics.json: a table of the figures, one of the slices, one of reliability, and a line that sums up how
/// predictions and positives compare.
std::string metrics_text(const Json& metrics);

/// One line about validation or test: "auc .7312  auc_cold .6120  logloss .5521".
std::string metrics_line(const RankerMetrics& metrics);

}  // namespace neume::app
