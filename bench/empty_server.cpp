// The HTTP server with a handler that does nothing, for `load` and hostile_requests.py: what the server itself costs.
//
//   empty_server PORT [WORKERS]     /now is answered on the network thread, /v1/... by a worker, where the body is
//                                   {"ok":true}; ends with its input

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "http/server.hpp"

namespace {

using namespace neume::http;

constexpr std::string_view kBody = R"({"ok":true})";

class EmptyHandler : public Handler {
 public:
  std::optional<Response> answer_at_once(const Request& request) override {
    if (request.path == "/now" || request.path == "/healthz") return Response{200, "{}"};
    if (!request.path.starts_with("/v1/")) return error_response(404, "no such route");
    return std::nullopt;
  }
  Response answer(const Request& request) override {
    if (request.body != kBody) return error_response(400, "body: expected {\"ok\":true}");
    return {200, "{}"};
  }
  void observe(const Request&, const Response&, const Timing&) override {}
};

}  // namespace

int main(int argc, char** argv) {
  ServerOptions options;
  const int port = argc > 1 ? std::atoi(argv[1]) : -1;
  if (port < 0 || port > 65'535) {
    fmt::print(stderr, "usage: empty_server PORT [WORKERS]\n");
    return 2;
  }
  options.port = static_cast<std::uint16_t>(port);
  if (argc > 2) options.workers = static_cast<std::size_t>(std::stoi(argv[2]));
  EmptyHandler handler;
  Server server(options, handler);
  fmt::print("listening on port {}\n", server.port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server.stop();
}
