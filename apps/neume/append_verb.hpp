#pragma once
// neume encode --append: new items join the semantic IDs of others, whose IDs never change.

#include <string>
#include <vector>

#include "data/sids_origin.hpp"
#include "settings.hpp"

namespace neume::app {

/// What the codes of each family of a folder of neume fit are made with. Throws what load_codebooks throws.
std::vector<data::CodeOrigin> origins_of(const std::string& codebooks, const IdSettings& ids);

/// Adds the items of the sources that settings.out does not have yet, with codes from frozen codebooks, and puts the
/// longer file in its place at once. Old items keep their rows, new ones follow in the order of the sources. Throws
/// DataError where there is no such file, or codebooks, rule or kind of ids are others than those it was made with.
int append_new_items(const EncodeSettings& settings, Console& console);

}  // namespace neume::app
