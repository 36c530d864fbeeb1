#pragma once
// redis://[[user]:password@]host[:port][/database]; an IPv6 host stands in brackets, and user and password may have
// bytes written as %41, as in every URL.

#include <cstdint>
#include <string>
#include <string_view>

namespace neume::store {

struct RedisUrl {
  std::string user;      ///< empty: the default one
  std::string password;  ///< empty: none
  std::string host;
  std::uint16_t port = 6379;
  std::size_t database = 0;

  static bool is_url(std::string_view text) { return text.starts_with("redis://"); }

  /// Throws InvalidArgument, without the password in its message, for anything else.
  static RedisUrl parse(std::string_view text);
};

}  // namespace neume::store
