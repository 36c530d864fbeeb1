#pragma once
// What the codes of a sids.parquet were made with: to add items later, the same must be used again.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include <neume/semantic_ids.hpp>

namespace neume::data {

class SidsSource;

/// Of one family.
struct CodeOrigin {
  std::string codebook;          ///< fingerprint of the codebook file
  std::size_t beam = 1;          ///< of the search
  std::string resolve = "none";  ///< what was done where items shared an ID: none, suffix, reassign
  /// First row of the items that were added later, one for each time; rising.
  std::vector<std::size_t> added_from = {};

  bool operator==(const CodeOrigin&) const = default;
};

/// write_semantic_ids with the origin of every family. Throws InvalidArgument where there are more or fewer origins
/// than families.
void write_semantic_ids(const std::filesystem::path& path, const SemanticIds& sids,
                        const std::vector<CodeOrigin>& origins);
void write_semantic_ids(const std::filesystem::path& path, const SidsSource& sids,
                        const std::vector<CodeOrigin>& origins);

/// The origins of the families in a file; empty where it does not tell. Throws DataError for a file that is not a sids
/// file.
std::vector<CodeOrigin> read_origins(const std::filesystem::path& path);

}  // namespace neume::data
