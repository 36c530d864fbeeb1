#include "store/ordered_bytes.hpp"

#include "store/store.hpp"

namespace neume::store {

namespace {

constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;
constexpr char kEscapedZero = '\xFF';

}  // namespace

void append_number(std::string& bytes, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
}

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kNumberBytes; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void append_timestamp(std::string& bytes, std::int64_t timestamp) {
  append_number(bytes, static_cast<std::uint64_t>(timestamp) ^ kSignBit);
}

std::int64_t read_timestamp(std::string_view bytes) {
  return static_cast<std::int64_t>(read_number(bytes) ^ kSignBit);
}

std::string escaped(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() + kTextEnd.size());
  for (const char byte : text) {
    bytes.push_back(byte);
    if (byte == '\0') bytes.push_back(kEscapedZero);
  }
  return bytes.append(kTextEnd);
}

std::string take_escaped(std::string_view& bytes) {
  const std::size_t end = bytes.find(kTextEnd);
  if (end == std::string_view::npos) throw StoreError("store: a kept event is damaged: its id has no end");
  std::string text;
  text.reserve(end);
  for (std::size_t i = 0; i < end; ++i) {
    text.push_back(bytes[i]);
    if (bytes[i] == '\0') ++i;
  }
  bytes.remove_prefix(end + kTextEnd.size());
  return text;
}

}  // namespace neume::store
