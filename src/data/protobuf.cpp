#include "data/protobuf.hpp"

#include <fmt/format.h>

#include <fstream>
#include <utility>

#include <neume/error.hpp>

#include "base/file.hpp"

namespace neume::data {

namespace {
constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kLengthDelimited = 2;
}  // namespace

void ProtobufMessage::append_bytes(std::string_view bytes) {
  if (pieces_.empty() || !pieces_.back().borrowed.empty()) pieces_.emplace_back();
  pieces_.back().own.append(bytes);
  size_bytes_ += bytes.size();
}

void ProtobufMessage::append_varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(0x80 | (value & 0x7F)));
  bytes.push_back(static_cast<char>(value));
  append_bytes(bytes);
}

void ProtobufMessage::append_length(std::uint32_t field, std::size_t length) {
  append_varint(field << 3 | kLengthDelimited);
  append_varint(length);
}

ProtobufMessage& ProtobufMessage::number(std::uint32_t field, std::int64_t value) {
  append_varint(field << 3 | kVarint);
  append_varint(static_cast<std::uint64_t>(value));
  return *this;
}

ProtobufMessage& ProtobufMessage::text(std::uint32_t field, std::string_view value) {
  append_length(field, value.size());
  append_bytes(value);
  return *this;
}

ProtobufMessage& ProtobufMessage::bytes(std::uint32_t field, std::span<const std::byte> borrowed) {
  append_length(field, borrowed.size());
  pieces_.back().borrowed = borrowed;
  size_bytes_ += borrowed.size();
  return *this;
}

ProtobufMessage& ProtobufMessage::message(std::uint32_t field, ProtobufMessage value) {
  append_length(field, value.size_bytes_);
  return append(std::move(value));
}

ProtobufMessage& ProtobufMessage::append(ProtobufMessage other) {
  for (Piece& piece : other.pieces_) pieces_.push_back(std::move(piece));
  size_bytes_ += other.size_bytes_;
  return *this;
}

void ProtobufMessage::write(const std::filesystem::path& path) const {
  base::write_atomically(path, [&](const std::filesystem::path& temporary) {
    std::ofstream file(temporary, std::ios::binary);
    for (const Piece& piece : pieces_) {
      file.write(piece.own.data(), static_cast<std::streamsize>(piece.own.size()));
      file.write(reinterpret_cast<const char*>(piece.borrowed.data()),
                 static_cast<std::streamsize>(piece.borrowed.size()));
    }
    file.close();
    if (!file) throw DataError(fmt::format("{}: cannot be written; is the disk full?", path.string()));
  });
}

}  // namespace neume::data
