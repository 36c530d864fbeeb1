// Messages against bytes that follow from the description of the wire format.

#include "data/protobuf.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "base/file.hpp"

namespace neume::data {
namespace {

std::string written(const ProtobufMessage& message) {
  const auto path = std::filesystem::path(testing::TempDir()) / ("neume_protobuf_" + std::to_string(getpid()));
  message.write(path);
  std::string bytes = base::read_file(path);
  std::filesystem::remove(path);
  EXPECT_EQ(bytes.size(), message.size_bytes());
  return bytes;
}

TEST(Protobuf, Numbers) {
  EXPECT_EQ(written(ProtobufMessage().number(1, 150)), "\x08\x96\x01");
  EXPECT_EQ(written(ProtobufMessage().number(1, 127)), "\x08\x7F");
  EXPECT_EQ(written(ProtobufMessage().number(16, 1)), "\x80\x01\x01");  // a field number that takes two bytes
  EXPECT_EQ(written(ProtobufMessage().number(2, -1)), "\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
  EXPECT_EQ(written(ProtobufMessage()), "");
}

TEST(Protobuf, TextBytesAndMessages) {
  const std::array<std::byte, 3> payload{std::byte{1}, std::byte{2}, std::byte{3}};
  ProtobufMessage inner;
  inner.number(1, 150).bytes(4, payload).text(2, "ab").bytes(5, {});
  const std::string inner_bytes =
      std::string("\x08\x96\x01\x22\x03\x01\x02\x03\x12\x02") + "ab\x2A" + std::string(1, 0);
  EXPECT_EQ(written(inner), inner_bytes);
  ProtobufMessage outer;
  outer.message(3, inner).text(1, "").number(7, 0).message(3, {});
  EXPECT_EQ(written(outer), std::string("\x1A") + static_cast<char>(inner_bytes.size()) + inner_bytes +
                                std::string("\x0A\x00\x38\x00\x1A\x00", 6));
}

TEST(Protobuf, AppendedFields) {
  ProtobufMessage second;
  second.number(2, 1);
  ProtobufMessage first;
  first.number(1, 150).append(second).number(3, 2);
  EXPECT_EQ(written(first), "\x08\x96\x01\x10\x01\x18\x02");
}

}  // namespace
}  // namespace neume::data
