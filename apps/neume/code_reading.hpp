#pragma once
// Codes that can be read: "layer 1, code 17: finnish, metal".

#include <cstddef>
#include <string>

#include <neume/semantic_ids.hpp>

#include "family_rows.hpp"
#include "item_info.hpp"
#include "json_file.hpp"
#include "text_table.hpp"

namespace neume::app {

/// The groups of a family as docs/formats/report.md has them: "tree" (prefixes of depth 1 to 3), "layer_codes" (each
/// layer's codes alone), and "left_out" (groups beyond `max_groups` a depth or layer, the smallest). `rows` gives the
/// typical items; without it there are none.
Json reading_json(const CodeFamily& family, const ItemInfo& info, const FamilyRows* rows,
                  std::size_t max_groups = 2000);

/// The `count` largest codes of layer 1 of a reading: code, items, name, typical items.
TextTable reading_table(const Json& reading, std::size_t count);

}  // namespace neume::app
