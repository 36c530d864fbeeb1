#pragma once
// The judgement of semantic IDs as JSON (docs/formats/quality.md) and as tables.

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "family_rows.hpp"
#include "json_file.hpp"
#include "text_table.hpp"

namespace neume::app {

/// Judges every family, and beside it the control in which every layer repeats layer 1. `labels`: one an item, or none.
/// `rows`: of the families whose embeddings are known.
Json quality_json(const SemanticIds& sids, std::span<const std::uint32_t> labels, std::uint64_t seed,
                  const RowsByFamily& rows);

/// Quality by quantizer; a name is empty where there is one quantizer only.
using NamedQuality = std::vector<std::pair<std::string, Json>>;

/// One row a layer of every family, and a row of the control: the figures that tell most. A column that no family has
/// is left out.
TextTable quality_table(const NamedQuality& quality);

/// What the columns of quality_table mean, in two or three sentences.
std::string quality_legend(bool has_labels);

/// All figures, in tables of their own: use of codes, IDs, reconstruction, labels, neighbours. Each has a title and,
/// below it, what it means. A table that no family has figures for is left out.
struct QualitySection {
  std::string title;
  std::string legend;
  TextTable table;
};
std::vector<QualitySection> quality_sections(const NamedQuality& quality);

/// How much two sets of IDs of the same items differ, family by family, as JSON and as a table.
Json churn_json(const SemanticIds& before, const SemanticIds& after);
TextTable churn_table(const Json& churn);

}  // namespace neume::app
