// The HTTP server with a handler that does nothing, for `load` and hostile_requests.py: what the server itself costs.
//
//   empty_server PORT [WORKERS]     /now is answered on the network thread, all else by a worker; ends with its input

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <string>

#include "http/server.hpp"

namespace {

using namespace neume::http;

class EmptyHandler : public Handler {
 public:
  std::optional<Response> answer_at_once(const Request& request) override {
    if (request.path == "/now") return Response{200, "{}"};
    if (!request.path.starts_with("/v1/")) return error_response(404, "no such route");
    return std::nullopt;
  }
  Response answer(const Request& request) override {
    if (request.method == "POST" && !request.body.starts_with('{')) return error_response(400, "body: expected {");
    return {200, "{}"};
  }
  void observe(const Request&, const Response&, const Timing&) override {}
};

}  // namespace

int main(int argc, char** argv) {
  ServerOptions options;
  if (argc > 1) options.port = static_cast<std::uint16_t>(std::stoi(argv[1]));
  if (argc > 2) options.workers = static_cast<std::size_t>(std::stoi(argv[2]));
  EmptyHandler handler;
  Server server(options, handler);
  fmt::print("listening on port {}\n", server.port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server.stop();
}
