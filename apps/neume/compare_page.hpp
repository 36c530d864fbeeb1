#pragma once
// A comparison as one HTML page that needs nothing else: no server, no network, no other file.

#include <string>

#include "json_file.hpp"

namespace neume::app {

/// Returns the page (UTF-8) that shows a comparison as docs/formats/compare.md defines it: intervals, differences,
/// buckets, reliability, training curves and tables. The same comparison gives the same bytes.
///
/// Throws InvalidArgument unless it is an object with "format" "neume-compare" and "version" 1.
std::string compare_page(const Json& comparison);

}  // namespace neume::app
