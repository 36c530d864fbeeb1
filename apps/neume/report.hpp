#pragma once
// The data of the report page (docs/formats/report.md), gathered from quantizers that were judged.

#include <cstddef>
#include <string>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "codebooks.hpp"
#include "console.hpp"
#include "family_rows.hpp"
#include "item_info.hpp"
#include "json_file.hpp"
#include "quality.hpp"

namespace neume::app {

/// One set of semantic IDs; what the report shows of it.
struct JudgedQuantizer {
  std::string name;
  SemanticIds sids;                 ///< items as in every other one of the report
  std::vector<Codebook> codebooks;  ///< none where they were not given
  RowsByFamily rows;                ///< likewise
  Json quality;                     ///< quality_json
};

struct ReportOptions {
  std::string title;
  std::size_t points = 1500;  ///< items on the map
  std::uint64_t seed = 1;
};

/// Everything but "sweep".
Json report_json(const std::vector<JudgedQuantizer>& quantizers, const ItemInfo& info, const ReportOptions& options,
                 Console& console);

/// A point of "sweep" for each family in a quality_json; `codebook` tells the method.
std::vector<Json> sweep_points(const QuantizerOptions& options, const Json& quality);

/// Fills "share_of_rq" of the points: the variance explained, divided by that of rq (or weight 0) of the same family,
/// layers and codes, where there is one.
void add_shares_of_rq(std::vector<Json>& points);

/// Writes report_page(report) atomically.
void write_report(const std::filesystem::path& path, const Json& report);

}  // namespace neume::app
