#include <gtest/gtest.h>

#include <cstddef>
#include <string>

#include <neume/error.hpp>

#include "base/byte_size.hpp"

namespace neume::base {
namespace {

TEST(ByteSize, ReadsUnitsOf1000And1024) {
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("7B"), 7u);
  EXPECT_EQ(parse_bytes("3k"), 3072u);
  EXPECT_EQ(parse_bytes("500 MB"), 500000000u);
  EXPECT_EQ(parse_bytes("2GiB"), std::size_t{2} << 30);
  EXPECT_EQ(parse_bytes("2gib"), std::size_t{2} << 30);
  EXPECT_EQ(parse_bytes("1.5G"), std::size_t{3} << 29);
  EXPECT_EQ(parse_bytes("1TB"), 1000000000000u);
  EXPECT_EQ(parse_bytes("0.7"
                        "k"),
            716u);
}

TEST(ByteSize, RefusesWhatIsNoSize) {
  for (const char* text : {"", "GiB", "-1", "0", "0.1", "2 PB", "2GiBs", "1.2.3k", "1 2", "1e9", "nan", "auto",
                           "99999999999T", "2,5G", "."})
    EXPECT_THROW(parse_bytes(text), InvalidArgument) << text;
  try {
    parse_bytes("two");
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "expected a size such as 500MB, 2GiB or a number of bytes, found two");
  }
}

TEST(ByteSize, TextIsNeverLessThanTheSize) {
  EXPECT_EQ(bytes_text(312), "312 B");
  EXPECT_EQ(bytes_text(std::size_t{3} << 29), "1.5 GiB");
  EXPECT_EQ(bytes_text((std::size_t{3} << 29) + 1), "1.6 GiB");
  for (std::size_t bytes = 1; bytes < (std::size_t{1} << 45); bytes = bytes * 3 + 1) {
    const std::size_t found = parse_bytes(bytes_text(bytes));
    EXPECT_GE(found, bytes);
    EXPECT_LE(static_cast<double>(found), 1.11 * static_cast<double>(bytes));
  }
}

}  // namespace
}  // namespace neume::base
