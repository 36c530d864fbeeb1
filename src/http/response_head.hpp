#pragma once
// What goes before a response's body on the wire.

#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace neume::http {

struct HeadOptions {
  std::string_view request_id;
  std::string_view date;  ///< as RFC 9110, section 5.6.7, has it
  bool keep_alive = true;
};

/// Status line and headers, with the empty line that ends them. Control characters in a header of the response, which
/// could begin another header, become spaces.
std::string response_head(const Response& response, const HeadOptions& options);

/// 204 and 304 have no body (RFC 9110, sections 15.3.5 and 15.4.5).
bool may_have_body(int status);

/// "Sun, 22 Nov 2026 18:49:50 GMT"
std::string http_date(std::int64_t seconds_since_1970);

}  // namespace neume::http
