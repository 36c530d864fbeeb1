#pragma once
// The figures of metrics.json as a summary or a comparison lists them: which there are, their values by seed, and how
// means and differences are written.

#include <optional>
#include <string>
#include <vector>

#include "eval/statistics.hpp"
#include "json_file.hpp"

namespace neume::app {

enum class Better { higher, lower, neither };

/// One figure of a judgement.
struct Metric {
  std::string key;    ///< "auc", "recall@20", "cold/cold<5/auc"
  std::string title;  ///< "AUC"
  std::string group;  ///< "main", "cold", "popularity" or "calibration"
  std::string slice;  ///< of cold and popularity: which samples; otherwise empty
  Better better = Better::higher;
  std::vector<std::string> path;  ///< keys down metrics.json; in a list, the entry with this "name"
};

/// AUC, AUC cold, log-loss, GAUC, and with a full ranking Recall@k and NDCG@k.
std::vector<Metric> main_metrics(const Json& metrics);

/// The same, then those of the cold thresholds, the popularity buckets and the calibration, where they are there.
std::vector<Metric> all_metrics(const Json& metrics);

/// Nothing where it is absent, or undefined (one class only).
std::optional<double> value_of(const Json& metrics, const Metric& metric);

/// One value for each judgement (each seed); nothing where one of them has none.
std::optional<std::vector<double>> values_of(const std::vector<Json>& judgements, const Metric& metric);

/// {"mean", "half_width_95"}; null for the half width of one value.
Json estimate_json(const eval::Estimate& estimate);

/// ".7312 ±.0021", without the interval where there is one seed; differences with their sign, and a * where the
/// interval leaves out 0.
std::string estimate_text(const eval::Estimate& estimate, bool is_difference);

}  // namespace neume::app
