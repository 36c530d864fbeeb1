#include "http/message.hpp"

#include <nlohmann/json.hpp>

namespace neume::http {

Response error_response(int status, std::string_view reason) {
  const nlohmann::json body = {{"error", {{"status", status}, {"reason", reason}}}};
  return {status, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

}  // namespace neume::http
