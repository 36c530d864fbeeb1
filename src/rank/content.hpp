#pragma once
// The items' content vectors, for the rankers that read them directly (vbpr, simtier-make, qarm's alignment).

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <neume/matrix.hpp>

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

}  // namespace neume::rank
