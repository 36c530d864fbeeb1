#pragma once
// sids.parquet: item_id and one LIST<USMALLINT> column a code family (docs/formats/sids.md).

#include <filesystem>

#include <neume/semantic_ids.hpp>

namespace neume::data {

/// Writes atomically. An item without a code in a family gets null there. The codebook sizes and the format version go
/// into the file's key-value metadata under "neume".
void write_semantic_ids(const std::filesystem::path& path, const SemanticIds& sids);

/// Throws DataError for a file that is not a sids file, a row whose list has another length, a code outside its
/// codebook, an id that occurs twice.
SemanticIds read_semantic_ids(const std::filesystem::path& path);

/// Writes `{"item": ..., "<family>": ["<a_12>", "<b_3>", "<c_7>"]}`, one JSON object a line; for the eyes and for
/// language models.
void write_semantic_ids_json(const std::filesystem::path& path, const SemanticIds& sids);

}  // namespace neume::data
