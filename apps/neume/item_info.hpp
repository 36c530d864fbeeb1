#pragma once
// What is known of the items besides their embeddings: a label each, tags, and what they are called.

#include <cstdint>
#include <string>
#include <vector>

#include <neume/item_ids.hpp>

#include "data/interactions.hpp"
#include "eval/code_names.hpp"

namespace neume::app {

/// Each is file:EXPRESSION or empty.
struct ItemInfoSources {
  std::string labels;
  std::string tags;
  std::string names;
  std::string item_column = "item_id";
};

struct ItemInfo {
  data::ItemLabels labels;         ///< empty where no source was given
  eval::ItemTags tags;             ///< the labels where no tags were given; empty where there are neither
  std::vector<std::string> names;  ///< one an item; its id where it has no other name

  bool has_tags() const { return !tags.names.empty(); }
};

/// Reads the sources for `items`, in their order. Throws what data::read_item_labels throws.
ItemInfo read_item_info(const ItemIds& items, const ItemInfoSources& sources);

}  // namespace neume::app
