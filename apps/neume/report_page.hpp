#pragma once
// The report as one HTML page that needs nothing else: no server, no network, no other file.

#include <string>

#include "json_file.hpp"

namespace neume::app {

/// Returns the page (UTF-8) that shows `report`, an object as docs/formats/report.md defines it: the page's template
/// with the data inside. Names in it are data: none can end the data's element, and the page's script shows them as
/// text alone. Bytes that are not UTF-8 become U+FFFD. The same report gives the same bytes. Cost: a few copies of the
/// data; the template is about 0.6 MB.
///
/// Throws InvalidArgument unless `report` is an object with "format" "neume-report" and "version" 1.
std::string report_page(const Json& report);

}  // namespace neume::app
