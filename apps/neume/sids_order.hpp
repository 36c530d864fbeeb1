#pragma once
// Semantic IDs in the order of the items at hand.

#include <string>

#include <neume/item_ids.hpp>
#include <neume/semantic_ids.hpp>

namespace neume::app {

/// `sids` with its items in the order of `items`. Throws DataError, which names `file`, unless both hold the same ones.
SemanticIds in_order_of(const ItemIds& items, SemanticIds sids, const std::string& file);

}  // namespace neume::app
