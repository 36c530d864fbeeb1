#pragma once
// What the pages that neume writes have in common: one HTML file, its data inside.

#include <string>
#include <string_view>

#include "json_file.hpp"

namespace neume::app {

/// Returns `page`, a template of web/bundle.mjs, with `data` at its mark. Names in the data are data: none can end
/// their element. Bytes that are not UTF-8 become U+FFFD. Throws InternalError where the template has no mark.
std::string fill_page(std::string_view page, const Json& data);

}  // namespace neume::app
