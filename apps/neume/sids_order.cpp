#include "sids_order.hpp"

#include <fmt/format.h>

#include <neume/error.hpp>

#include "data/id_index.hpp"

namespace neume::app {

SemanticIds in_order_of(const ItemIds& items, SemanticIds sids, const std::string& file) {
  if (sids.items == items) return sids;
  const data::IdIndex index(sids.items);
  SemanticIds ordered{items, {}};
  for (const CodeFamily& family : sids.families) ordered.families.push_back({family.name, family.codebook_sizes, {}});
  for (std::size_t item = 0; item < items.size(); ++item) {
    const auto row = index.find(items, item);
    if (!row) {
      throw DataError(fmt::format("{}: found no item {}, which the modalities or the other IDs have; encode again",
                                  file, items.name(item)));
    }
    for (std::size_t f = 0; f < sids.families.size(); ++f) {
      const auto codes = sids.families[f].of(*row);
      ordered.families[f].codes.insert(ordered.families[f].codes.end(), codes.begin(), codes.end());
    }
  }
  if (sids.items.size() != items.size()) {
    throw DataError(fmt::format("{}: holds {} items, the modalities or the other IDs {}; encode again", file,
                                sids.items.size(), items.size()));
  }
  return ordered;
}

}  // namespace neume::app
