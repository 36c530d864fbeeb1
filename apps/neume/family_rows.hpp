#pragma once
// The embeddings behind a family of semantic IDs, as far as judging needs them.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/quantizer.hpp>
#include <neume/semantic_ids.hpp>

#include "codebooks.hpp"
#include "data/catalogue.hpp"
#include "eval/neighbours.hpp"

namespace neume::app {

struct RowOptions {
  std::size_t sample = 100000;
  std::size_t queries = 2000;
  std::size_t neighbours = 10;
  std::uint64_t seed = 1;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.number("sample", sample, {2, 1e9}, "with embeddings: items that neighbours and cohesion are measured among");
    visit.number("queries", queries, {1, 1e9}, "with embeddings: items whose nearest neighbours are looked at");
    visit.number("neighbours", neighbours, {1, 1000}, "with embeddings: nearest neighbours of each");
    visit.number("seed", seed, {0, 9007199254740992.0}, "seed of samples and of the shuffled labels of the null");
  }
};

struct FamilyRows {
  std::size_t available = 0;         ///< items with a code in the family
  std::vector<std::uint32_t> items;  ///< all of these or a sample, rising
  Matrix rows;                       ///< of `items`, as the quantizer sees them
  eval::Neighbours neighbours;       ///< of some of `rows`, row numbers
  Reconstruction reconstruction;     ///< over all items with a code, by the codebooks' layers
};

using RowsByFamily = std::map<std::string, FamilyRows>;

/// For every family of `sids` (items as in the catalogue). A family may have one layer more than its codebook: the
/// suffix of encode --resolve suffix, which stands for nothing. Throws DataError for a family without a codebook, or
/// with one of other layers.
RowsByFamily read_family_rows(const data::Catalogue& catalogue, const std::vector<Codebook>& codebooks,
                              const SemanticIds& sids, const RowOptions& options);

}  // namespace neume::app
