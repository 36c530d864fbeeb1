#pragma once
// The items' content vectors, for the rankers that read them directly (vbpr, simtier-make, qarm's alignment).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <neume/item_ids.hpp>
#include <neume/matrix.hpp>
#include <neume/ranker.hpp>

#include "data/catalogue.hpp"

namespace neume::rank {

/// One modality on the rows of the catalogue.
struct ContentBlock {
  std::string name;
  Matrix rows;  ///< num_items x width, divided by the root mean squared norm of its rows; zeros where missing
  std::vector<std::uint8_t> present;  ///< num_items; 0 where the item lacks the modality
};

/// Content of all modalities in use; empty where the ranker needs none.
struct Content {
  std::vector<ContentBlock> blocks;

  bool empty() const { return blocks.empty(); }
};

/// Whether training the model needs content vectors.
bool reads_content(RankerModel model);

/// All modalities of a catalogue on the rows of `items`; an item that the catalogue lacks is missing in all of them.
/// Throws InvalidArgument for a modality that none of `items` has.
Content make_content(const data::Catalogue& catalogue, const ItemIds& items);

/// content.safetensors (docs/formats/ranker.md), written atomically. Throws DataError where it cannot be written.
void write_content(const std::filesystem::path& path, const Content& content);

/// Throws DataError for a broken file, or one that has not `num_items` rows.
Content read_content(const std::filesystem::path& path, std::size_t num_items);

}  // namespace neume::rank
