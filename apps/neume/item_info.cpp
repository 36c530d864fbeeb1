#include "item_info.hpp"

#include "data/id_index.hpp"

namespace neume::app {

namespace {

eval::ItemTags tags_of(const data::ItemLabels& labels) {
  eval::ItemTags tags{labels.names, {0}, {}};
  for (const std::uint32_t label : labels.of_item) {
    if (label != data::ItemLabels::kNone) tags.tags.push_back(label);
    tags.offsets.push_back(tags.tags.size());
  }
  return tags;
}

}  // namespace

ItemInfo read_item_info(const ItemIds& items, const ItemInfoSources& sources) {
  ItemInfo info;
  const data::IdIndex index(items);
  if (!sources.labels.empty()) info.labels = data::read_item_labels(sources.labels, index, sources.item_column);
  if (!sources.tags.empty()) {
    data::ItemTags tags = data::read_item_tags(sources.tags, index, sources.item_column);
    info.tags = {std::move(tags.names), std::move(tags.offsets), std::move(tags.tags)};
  } else if (!sources.labels.empty()) {
    info.tags = tags_of(info.labels);
  }
  data::ItemLabels names;
  if (!sources.names.empty()) names = data::read_item_labels(sources.names, index, sources.item_column);
  for (std::size_t item = 0; item < items.size(); ++item) {
    const bool has_name = !names.of_item.empty() && names.of_item[item] != data::ItemLabels::kNone;
    info.names.push_back(has_name ? names.names[names.of_item[item]] : items.name(item));
  }
  return info;
}

}  // namespace neume::app
