#pragma once
// Items like another one, by their semantic IDs.

#include <cstddef>
#include <string>
#include <vector>

#include "serve/served_model.hpp"

namespace neume::serve {

struct SimilarItem {
  std::string item_id;
  std::size_t common_prefix = 0;  ///< codes, from the first on, that both have
  double distance = 0.0;          ///< of the ranker's embeddings of the two IDs; 0 where it has none
};

/// The `top` items that are most like `item_id` in a family of the model: the longest common prefix first, then the
/// smallest distance between what the ranker has learnt of the two IDs (the layers' embeddings together), then the
/// catalogue's order. Looks at every item: some ten nanoseconds each, and a distance for those at the prefix lengths
/// that are needed. Throws RequestError: 404 for an unknown item, 400 for an unknown family or an item without codes in
/// it. An empty `family` is joint where the item has it, else the first one that it has.
std::vector<SimilarItem> similar_items(const ServedModel& model, const std::string& item_id, std::string& family,
                                       std::size_t top);

}  // namespace neume::serve
