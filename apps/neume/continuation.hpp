#pragma once
// How many semantic IDs a fit with --continue-from keeps.

#include <string>
#include <vector>

#include "codebooks.hpp"
#include "data/catalogue.hpp"
#include "text_table.hpp"

namespace neume::app {

/// One row a family and layer: shares of the catalogue's items whose code, and whose codes up to that layer, are those
/// that `before` gives them. `warm` continues from `before`; `cold`, where there is one, is a fit afresh, whose codes
/// are renamed to those of `before` as well as can be before they are compared.
TextTable kept_table(const data::Catalogue& catalogue, const std::vector<Codebook>& before, const FittedCodebooks& warm,
                     const FittedCodebooks* cold);

}  // namespace neume::app
