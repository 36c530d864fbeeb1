#pragma once
// What follows the method in a request's first line: the path with its percent-encoding undone, and the query.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace neume::http {

struct Target {
  std::string path;   ///< decoded, begins with '/', UTF-8 without NUL
  std::string query;  ///< what follows '?', as it came
};

/// Reads "/v1/items/a%20b?x=1" or, as proxies write it, "http://host/v1/items/a%20b?x=1" (RFC 9112, section 3.2).
/// Nothing: another form, an escape that is none, a NUL, or bytes that are not UTF-8.
std::optional<Target> parse_target(std::string_view target);

/// Name and value of every part of a query "top=5&family=text", decoded ('+' is a space), in order; a part without '='
/// has an empty value. Nothing where an escape is none, or bytes are NUL or not UTF-8.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

}  // namespace neume::http
