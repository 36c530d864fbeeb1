#pragma once
// What the server takes and answers, as an OpenAPI 3.0 document. Tests hold every answer to it.

#include <string>

namespace neume::serve {

/// Made once, of routes() and the tables in openapi.cpp.
const std::string& openapi_document();

}  // namespace neume::serve
