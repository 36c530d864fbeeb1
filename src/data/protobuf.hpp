#pragma once
// Just enough of the Protocol Buffers wire format to write a message: numbers as varints, everything else with its
// length before it (docs/decisions/0010). Nothing is read.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace neume::data {

/// A message that grows field by field, in the order of the calls. Large byte fields are borrowed, not copied: they
/// must live until write().
class ProtobufMessage {
 public:
  /// Wire type 0: a varint. Negative numbers take ten bytes, as int64 does.
  ProtobufMessage& number(std::uint32_t field, std::int64_t value);

  /// Wire type 2: length, then the bytes.
  ProtobufMessage& text(std::uint32_t field, std::string_view value);
  ProtobufMessage& bytes(std::uint32_t field, std::span<const std::byte> borrowed);
  ProtobufMessage& message(std::uint32_t field, ProtobufMessage value);

  /// All fields of another message, after those of this one.
  ProtobufMessage& append(ProtobufMessage other);

  std::size_t size_bytes() const { return size_bytes_; }

  /// Writes the message atomically. Throws DataError where the file cannot be written.
  void write(const std::filesystem::path& path) const;

 private:
  /// Bytes in order: written here, then borrowed ones.
  struct Piece {
    std::string own;
    std::span<const std::byte> borrowed;
  };
  void append_bytes(std::string_view bytes);
  void append_varint(std::uint64_t value);
  void append_length(std::uint32_t field, std::size_t length);

  std::deque<Piece> pieces_;
  std::size_t size_bytes_ = 0;
};

}  // namespace neume::data
