#pragma once
// A folder of codebooks as neume fit leaves it: one file a code family, and a manifest that vouches for them
// (docs/formats/manifests.md).

#include <filesystem>
#include <string>
#include <vector>

#include <neume/quantizer.hpp>

namespace neume::quantize {

inline constexpr const char* kCodebooksFormat = "neume-codebooks";
inline constexpr int kCodebooksVersion = 1;

struct Codebook {
  std::string name;  ///< of the family
  Quantizer quantizer;
};

/// The codebooks in the manifest's order. Throws DataError for a folder without a manifest (no fit has finished there),
/// or files that are not those of the manifest.
std::vector<Codebook> load_codebooks(const std::filesystem::path& folder);

/// The fingerprints of the codebook files in the manifest's order. Throws DataError where there is no such manifest.
std::vector<std::string> codebook_fingerprints(const std::filesystem::path& folder);

}  // namespace neume::quantize
