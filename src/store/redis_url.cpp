#include "store/redis_url.hpp"

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

}  // namespace

RedisUrl RedisUrl::parse(std::string_view text) {
  if (!is_url(text)) refuse("not a Redis URL");
  text.remove_prefix(kScheme.size());
  RedisUrl url;
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = text.substr(0, at);
    const auto colon = login.find(':');
    if (colon == std::string_view::npos) refuse("a Redis login has no ':' before its password");
    url.user = login.substr(0, colon);
    url.password = login.substr(colon + 1);
    text.remove_prefix(at + 1);
  }
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view database = text.substr(slash + 1);
    if (!database.empty()) url.database = number<std::size_t>(database, "database");
    text = text.substr(0, slash);
  }
  if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    url.port = number<std::uint16_t>(text.substr(colon + 1), "port");
    text = text.substr(0, colon);
  }
  if (text.empty()) refuse("a Redis URL has no host");
  url.host = text;
  return url;
}

}  // namespace neume::store
