#pragma once
// JSON files: results, manifests and saved configurations.

#include <filesystem>
#include <nlohmann/json.hpp>

namespace neume::app {

/// Keys stay in the order in which they were written.
using Json = nlohmann::ordered_json;

/// Throws DataError where the file cannot be read or is not JSON.
Json read_json(const std::filesystem::path& path);

/// Writes atomically, indented.
void write_json(const std::filesystem::path& path, const Json& json);

/// Throws DataError unless a file can be put at `path` (nothing but a file stands there, and its folder, or the nearest
/// one above that exists, is a folder that may be written): asked before long work starts, so that it is not lost at
/// its end.
void check_writable(const std::filesystem::path& path);

}  // namespace neume::app
