#pragma once
// Drift of all families of a folder of codebooks, as a table and as JSON (docs/formats/drift.md).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "codebooks.hpp"
#include "json_file.hpp"
#include "quantize/drift.hpp"

namespace neume::app {

struct DriftReport {
  std::vector<quantize::FamilyDrift> families;
  std::vector<std::string> not_measured;  ///< families whose codebook has no statistics, or that no new item has
};

/// Compares `items` of the catalogue with what the codebooks were fitted to.
DriftReport measure_drift(const data::Catalogue& catalogue, const std::vector<Codebook>& codebooks,
                          std::span<const std::uint32_t> items);

/// One row a layer, then a verdict a family, in words.
std::string drift_text(const DriftReport& report);

Json drift_json(const DriftReport& report);

}  // namespace neume::app
