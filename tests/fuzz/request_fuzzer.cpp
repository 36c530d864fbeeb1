// What a request's bytes go through after Beast's parser, whose authors fuzz it: paths and queries, and bodies of every
// route that has one. The first byte says which. Refused (nothing, or a RequestError with a status 4xx), or read.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/target.hpp"
#include "serve/requests.hpp"
#include "serve/routes.hpp"

namespace {

using namespace neume;  // NOLINT: a program of one file

void require(bool holds) {
  if (!holds) std::abort();
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    char escape[4];
    std::snprintf(escape, sizeof escape, "%%%02x", static_cast<unsigned char>(c));
    encoded += c == '/' ? "/" : escape;
  }
  return encoded;
}

void read_target(std::string_view text) {
  const auto target = http::parse_target(text);
  if (!target) return;
  require(target->path.starts_with('/') && target->path.find('\0') == std::string::npos);
  const auto again = http::parse_target(percent_encode(target->path) + "?" + target->query);
  require(again && again->path == target->path && again->query == target->query);
  static_cast<void>(serve::match_route("GET", target->path));
  static_cast<void>(http::parse_query(target->query));
}

void read_query(std::string_view text) {
  const auto parts = http::parse_query(text);
  if (!parts) return;
  std::string encoded;
  for (const auto& [name, value] : *parts) encoded += percent_encode(name) + "=" + percent_encode(value) + "&";
  // percent_encode leaves '/' as it is, which a query may hold, too.
  require(http::parse_query(encoded) == parts);
}

constexpr std::array kReaders{
    read_target,
    read_query,
    +[](std::string_view body) { static_cast<void>(serve::RankRequest::parse(body, {})); },
    +[](std::string_view body) { static_cast<void>(serve::EventsRequest::parse(body, 7, {})); },
    +[](std::string_view body) { static_cast<void>(serve::ItemRequest::parse(body, {})); },
    +[](std::string_view body) { static_cast<void>(serve::parse_encode_request(body, {})); },
    +[](std::string_view body) { static_cast<void>(serve::ModelRequest::parse(body, {})); },
    +[](std::string_view body) { static_cast<void>(serve::ModelRequest::parse_restore(body, {})); },
    +[](std::string_view body) { static_cast<void>(serve::InferRequest::parse(body, {})); },
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    kReaders[data[0] % kReaders.size()]({reinterpret_cast<const char*>(data) + 1, size - 1});
  } catch (const serve::RequestError& error) {
    require(error.status() >= 400 && error.status() < 500 && error.what()[0] != '\0');
  }
  return 0;
}
