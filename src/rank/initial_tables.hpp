#pragma once
// What tables of codes may start from: the centroids that the codes stand for (--table-init centroids).

#include <map>
#include <string>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/ranker.hpp>

#include "rank/item_codes.hpp"

namespace neume::rank {

struct InitialTables {
  /// By code family: a matrix a layer, k x d, row c the centroid of code c. d may differ from family to family.
  std::map<std::string, std::vector<Matrix>> centroids;

  bool empty() const { return centroids.empty(); }
};

/// What the network of `options` starts from: `tables`, or nullptr where the options ask for random values. Throws
/// InvalidArgument where they ask for centroids and the model has no tables that could start from them, or `tables`
/// lacks a family of `codes` or one of its codes.
const InitialTables* initial_tables(const RankerOptions& options, const InitialTables& tables, const ItemCodes& codes);

}  // namespace neume::rank
