#include "rank/initial_tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include <neume/error.hpp>

namespace neume::rank {

namespace {

bool can_start_from_centroids(RankerModel model) {
  return model == RankerModel::mcca || model == RankerModel::din || model == RankerModel::qarm;
}

void check_family(const FamilyLayout& family, const InitialTables& tables) {
  const auto found = tables.centroids.find(family.name);
  if (found == tables.centroids.end()) {
    throw InvalidArgument(
        fmt::format("table-init: the codebooks have no family '{}'; give the folder that the semantic IDs were made "
                    "with (--codebooks)",
                    family.name));
  }
  std::vector<std::size_t> sizes;
  for (const Matrix& layer : found->second) sizes.push_back(layer.rows());
  if (sizes != family.codebook_sizes) {
    throw InvalidArgument(
        fmt::format("table-init: family {}: the semantic IDs have layers of [{}] codes, the codebooks have [{}]; give "
                    "the codebooks that the IDs were made with (--codebooks), and IDs without a suffix",
                    family.name, fmt::join(family.codebook_sizes, ", "), fmt::join(sizes, ", ")));
  }
}

}  // namespace

const InitialTables* initial_tables(const RankerOptions& options, const InitialTables& tables, const ItemCodes& codes) {
  if (options.table_init != TableInit::centroids) return nullptr;
  const std::string_view model = kRankerModelNames[static_cast<std::size_t>(options.model)];
  if (!can_start_from_centroids(options.model)) {
    throw InvalidArgument(fmt::format("table-init: {} has no tables of codes that start from centroids", model));
  }
  if (codes.families().empty()) {
    throw InvalidArgument(
        fmt::format("table-init: {} reads no code families here, so nothing can start from centroids; name some "
                    "(--families)",
                    model));
  }
  for (const FamilyLayout& family : codes.families()) check_family(family, tables);
  return &tables;
}

}  // namespace neume::rank
