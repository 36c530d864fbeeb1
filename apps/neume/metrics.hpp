#pragma once
// The judgement of a ranker as JSON and as a table.

#include <neume/ranker.hpp>

#include "eval/ranking_metrics.hpp"
#include "json_file.hpp"
#include "text_table.hpp"

namespace neume::app {

/// Names as in docs/glossary.md; a metric that one class's absence makes undefined is null.
Json metrics_json(const RankerMetrics& metrics);

/// Adds users, mrr, recall@k, ndcg@k and hit@k under "full_ranking".
void add_ranking(Json& json, const eval::RankingSummary& ranking);

/// metric | value, from a metrics_json.
TextTable metrics_table(const Json& metrics);

/// One line about validation or test: "auc .7312  auc_cold .6120  logloss .5521".
std::string metrics_line(const RankerMetrics& metrics);

}  // namespace neume::app
