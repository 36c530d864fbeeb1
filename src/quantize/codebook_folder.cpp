#include "quantize/codebook_folder.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <neume/error.hpp>

#include "base/file.hpp"

namespace neume::quantize {

namespace {

using nlohmann::json;

struct ManifestEntry {
  std::string name;
  std::filesystem::path file;
  std::string fingerprint;
};

std::vector<ManifestEntry> entries_of(const json& manifest, const std::filesystem::path& path) {
  if (manifest.at("format") != kCodebooksFormat || manifest.at("version") != kCodebooksVersion) {
    throw DataError(fmt::format("{}: expected format {} version {}, found {} version {}", path.string(),
                                kCodebooksFormat, kCodebooksVersion, manifest.at("format").dump(),
                                manifest.at("version").dump()));
  }
  std::vector<ManifestEntry> entries;
  for (const json& family : manifest.at("families")) {
    entries.push_back(
        {family.at("name"), path.parent_path() / family.at("file").get<std::string>(), family.at("fingerprint")});
  }
  return entries;
}

std::vector<ManifestEntry> read_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "manifest.json";
  if (!std::filesystem::exists(path)) {
    throw DataError(
        fmt::format("{}: no manifest.json: expected a folder in which neume fit has finished", folder.string()));
  }
  try {
    return entries_of(json::parse(base::read_file(path)), path);
  } catch (const json::parse_error& error) {
    throw DataError(fmt::format("{}: expected JSON: {}", path.string(), error.what()));
  } catch (const json::exception& error) {
    throw DataError(fmt::format("{}: not a manifest of neume fit: {}", path.string(), error.what()));
  }
}

}  // namespace

std::vector<Codebook> load_codebooks(const std::filesystem::path& folder) {
  std::vector<Codebook> codebooks;
  for (const auto& [name, file, expected] : read_manifest(folder)) {
    const std::string found = base::fingerprint_of_file(file);
    if (found != expected) {
      throw DataError(fmt::format("{}: expected the fingerprint {} of the manifest, found {}: fit again", file.string(),
                                  expected, found));
    }
    codebooks.push_back({name, Quantizer::load(file)});
  }
  return codebooks;
}

std::vector<std::string> codebook_fingerprints(const std::filesystem::path& folder) {
  std::vector<std::string> fingerprints;
  for (const ManifestEntry& entry : read_manifest(folder)) fingerprints.push_back(entry.fingerprint);
  return fingerprints;
}

}  // namespace neume::quantize
