#include "base/byte_size.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include <neume/error.hpp>

namespace neume::base {

namespace {

constexpr std::string_view kUnits = "kmgt";

[[noreturn]] void fail(std::string_view text) {
  throw InvalidArgument(fmt::format("expected a size such as 500MB, 2GiB or a number of bytes, found {}",
                                    text.empty() ? "nothing" : text));
}

/// Bytes of one unit ("", "b", "k", "kb", "kib", ...; lower case), or 0 where there is no such unit.
double unit_of(std::string_view unit) {
  if (unit.empty() || unit == "b") return 1.0;
  const std::size_t power = kUnits.find(unit.front());
  if (power == std::string_view::npos) return 0.0;
  const std::string_view rest = unit.substr(1);
  if (rest == "b") return std::pow(1000.0, static_cast<double>(power + 1));
  return rest.empty() || rest == "ib" ? std::pow(1024.0, static_cast<double>(power + 1)) : 0.0;
}

}  // namespace

std::size_t parse_bytes(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::size_t letters = std::min(text.find_first_not_of(' ', digits), text.size());
  const std::string number(text.substr(0, digits));
  std::string unit(text.substr(letters));
  std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  const bool is_number = !number.empty() && end == number.c_str() + number.size();
  const double bytes = std::floor(value * unit_of(unit));
  if (!is_number || !(bytes >= 1.0 && bytes <= 0x1p62)) fail(text);
  return static_cast<std::size_t>(bytes);
}

std::string bytes_text(std::size_t bytes) {
  constexpr std::array<const char*, 4> kNames{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes) / 1024.0;
  std::size_t unit = 0;
  for (; size >= 1024.0 && unit + 1 < kNames.size(); ++unit) size /= 1024.0;
  return fmt::format("{:.1f} {}", std::ceil(size * 10.0) / 10.0, kNames[unit]);
}

}  // namespace neume::base
