#pragma once
// The judgement of semantic IDs as JSON and as a table.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "json_file.hpp"
#include "text_table.hpp"

namespace neume::app {

/// Cumulative variance explained by layer, for the families where it is known.
using VarianceByFamily = std::map<std::string, std::vector<double>>;

/// Judges every family, and beside it the control in which every layer repeats layer 1. `labels`: one an item, or none.
Json quality_json(const SemanticIds& sids, std::span<const std::uint32_t> labels, std::uint64_t seed,
                  const VarianceByFamily& variance);

/// One row a layer of every family in a quality_json, and a row of the control. A column that no family has is left
/// out. `quantizer` opens each row where it is not empty.
TextTable quality_table(const std::vector<std::pair<std::string, Json>>& quality_by_quantizer);

/// What the columns of quality_table mean, in two or three sentences.
std::string quality_legend(bool has_labels);

}  // namespace neume::app
