#pragma once
// Semantic IDs: for every item and every code family (one a modality, and "joint") a short tuple of codes.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <neume/item_ids.hpp>

namespace neume {

/// A code is the index of a codeword in the codebook of its layer.
using Code = std::uint16_t;

/// Marks an item that has no semantic ID in a family (it lacks the modality). If one layer has it, all layers do.
inline constexpr Code kNoCode = std::numeric_limits<Code>::max();

/// The codes of all items in one family.
struct CodeFamily {
  std::string name;                         ///< modality name, or "joint"
  std::vector<std::size_t> codebook_sizes;  ///< k of each layer; its length is L
  std::vector<Code> codes;                  ///< N x L, row-major

  std::size_t num_layers() const { return codebook_sizes.size(); }
  std::size_t num_items() const { return num_layers() == 0 ? 0 : codes.size() / num_layers(); }
  std::span<const Code> of(std::size_t item) const { return {codes.data() + item * num_layers(), num_layers()}; }
  bool has(std::size_t item) const { return of(item)[0] != kNoCode; }
};

/// The content of a `sids.parquet`: item names and one family of codes for each codebook file.
struct SemanticIds {
  ItemIds items;
  std::vector<CodeFamily> families;

  /// nullptr where there is no family of that name.
  const CodeFamily* find(const std::string& family) const;
};

}  // namespace neume
