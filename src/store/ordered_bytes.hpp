#pragma once
// Numbers and texts as bytes that sort, byte by byte, as what they stand for: the parts of which keys are made
// (docs/formats/store.md).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace neume::store {

constexpr std::size_t kNumberBytes = 8;

/// Appends `value` in 8 bytes, the most significant first.
void append_number(std::string& bytes, std::uint64_t value);
/// What append_number wrote at the beginning of `bytes`, which has at least 8.
std::uint64_t read_number(std::string_view bytes);

/// Appends `timestamp` in 8 bytes: as a number, the sign bit turned, so that negative ones come first.
void append_timestamp(std::string& bytes, std::int64_t timestamp);
std::int64_t read_timestamp(std::string_view bytes);

/// Ends an escaped text: sorts before anything that may go on in its place.
constexpr std::string_view kTextEnd{"\x00\x01", 2};

/// `text` with each byte 0 written as 0, 255, and kTextEnd after it. Such texts sort as the texts do, whatever follows,
/// and kTextEnd is found nowhere but at their end.
std::string escaped(std::string_view text);
/// The text that escaped() wrote at the beginning of `bytes`, which loses it. Throws StoreError where there is none.
std::string take_escaped(std::string_view& bytes);

}  // namespace neume::store
