#include "store/redis_url.hpp"

#include <algorithm>
#include <charconv>

#include <neume/error.hpp>

namespace neume::store {

namespace {

constexpr std::string_view kScheme = "redis://";

[[noreturn]] void refuse(std::string_view what) {
  throw InvalidArgument("store: " + std::string(what) +
                        "; expected redis://[[user]:password@]host[:port][/database] or a folder");
}

template <class Number>
Number number(std::string_view text, std::string_view what) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    refuse("the " + std::string(what) + " of the Redis URL is " + std::string(text));
  }
  return value;
}

std::string decoded(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = static_cast<unsigned char>(text[i]);
    if (byte == '%') {
      const std::string_view digits = text.substr(i + 1, 2);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      if (error != std::errc{} || end != digits.data() + 2) refuse("a Redis login has a '%' without two hex digits");
      i += 2;
    }
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

/// host, host:port, [host] or [host]:port.
void parse_host(std::string_view text, RedisUrl& url) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) refuse("the host of the Redis URL has '[' but no ']'");
    url.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') refuse("the host of the Redis URL goes on after ']'");
  } else {
    const auto end = std::min(text.find(':'), text.size());
    url.host = text.substr(0, end);
    port = text.substr(end);
  }
  if (url.host.empty()) refuse("a Redis URL has no host");
  if (port.empty()) return;
  url.port = number<std::uint16_t>(port.substr(1), "port");
  if (url.port == 0) refuse("the port of the Redis URL is 0");
}

}  // namespace

RedisUrl RedisUrl::parse(std::string_view text) {
  if (!is_url(text)) refuse("not a Redis URL");
  text.remove_prefix(kScheme.size());
  RedisUrl url;
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = text.substr(0, at);
    const auto colon = login.find(':');
    if (colon == std::string_view::npos) refuse("a Redis login has no ':' before its password");
    url.user = decoded(login.substr(0, colon));
    url.password = decoded(login.substr(colon + 1));
    text.remove_prefix(at + 1);
  }
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view database = text.substr(slash + 1);
    if (!database.empty()) url.database = number<std::size_t>(database, "database");
    text = text.substr(0, slash);
  }
  parse_host(text, url);
  return url;
}

}  // namespace neume::store
