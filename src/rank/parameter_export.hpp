#pragma once
// A trained ranker's tables for users of other frameworks (docs/formats/ranker.md, "neume export --safetensors").

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "nn/parameter.hpp"
#include "rank/item_codes.hpp"

namespace neume::rank {

/// Semantic IDs of family number `family` as a network reads them (permuted where it was trained so): num_items x L,
/// row-major, -1 where the item has none.
std::vector<std::int32_t> codes_of_family(const ItemCodes& codes, std::size_t family);

/// What export writes.
struct ExportedParameters {
  const std::vector<nn::ParameterView<float>>& parameters;
  const ItemCodes& codes;
  std::span<const std::uint32_t> item_interactions;
};

/// Writes safetensors: every parameter under its name ([rows, columns], f32), sids.F for every family in use (i32) and
/// item_interactions (i32; more than 2^31 - 1 are written as that). Throws DataError where it cannot be written.
void write_exported_parameters(const std::filesystem::path& path, const ExportedParameters& exported);

}  // namespace neume::rank
