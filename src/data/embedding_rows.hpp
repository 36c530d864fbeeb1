#pragma once
// The rows of one modality as they come from its source, validated: what open_catalogue joins to a catalogue.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <neume/item_ids.hpp>

#include "data/catalogue.hpp"
#include "data/table_source.hpp"

namespace neume::data {

struct LoadedRows {
  ItemIds ids;  ///< one a row of the source (of the sample), in its order; may hold an id twice
  std::vector<std::int64_t> stored_row;  ///< by that row: its place in `rows`, or -1 where the row has no embedding
  std::vector<std::size_t> source_row;   ///< the same: its number in the source; empty where they are 0, 1, 2, ...
  std::size_t width = 0;
  std::unique_ptr<Modality::Rows> rows;
  std::size_t source_rows = 0;        ///< rows of the source
  std::size_t source_embeddings = 0;  ///< and those of them with an embedding
};

/// Maps an NPY file; ids are row numbers. Every value is looked at once, in parallel. Throws DataError for what NpyFile
/// refuses and for the first value (in order of rows, then columns) that is not a finite float.
LoadedRows load_npy(const std::filesystem::path& path, const CatalogueOptions& options);

/// Numbers in the first embedding of a list column. Throws DataError where there is none.
std::size_t width_of_table(TableSource& table, const std::string& column);

/// Reads a list column into memory: 4 bytes a value, blocks of some megabytes, no copy at the end. Throws DataError
/// with the row (0-based, of the table) and the item for the first row that is wrong.
LoadedRows load_table(TableSource& table, const std::string& column, const CatalogueOptions& options);

}  // namespace neume::data
