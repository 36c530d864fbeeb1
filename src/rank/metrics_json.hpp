#pragma once
// The judgement of a ranker as JSON (docs/formats/metrics.md): in metrics.json, in manifests and in checkpoints.

#include <nlohmann/json_fwd.hpp>

#include <neume/ranker.hpp>

namespace neume::rank {

/// Keys in the order of the document; a metric that one class's absence leaves undefined is null.
nlohmann::ordered_json metrics_to_json(const RankerMetrics& metrics);

/// What metrics_to_json wrote. Throws nlohmann::json::exception where a key is missing or of another type, DataError
/// for an unknown gauc_mode.
RankerMetrics metrics_from_json(const nlohmann::json& json);

}  // namespace neume::rank
