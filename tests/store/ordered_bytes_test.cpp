#include "store/ordered_bytes.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "store/store.hpp"

namespace neume::store {
namespace {

TEST(OrderedBytes, TimestampsSortAsNumbersDo) {
  constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
  std::string last;
  for (const std::int64_t value : {kLowest, kLowest + 1, std::int64_t{-256}, std::int64_t{-255}, std::int64_t{-1},
                                   std::int64_t{0}, std::int64_t{1}, std::int64_t{255}, std::int64_t{256}, kHighest}) {
    std::string bytes;
    append_timestamp(bytes, value);
    EXPECT_EQ(bytes.size(), kNumberBytes);
    EXPECT_EQ(read_timestamp(bytes), value);
    EXPECT_LT(last, bytes);
    last = bytes;
  }
}

/// All texts of up to `length` bytes of 0, 1, 2, 254 and 255.
std::vector<std::string> texts(std::size_t length) {
  std::vector<std::string> all{""};
  for (std::size_t begin = 0; begin < all.size(); ++begin) {
    if (all[begin].size() == length) continue;
    for (const char byte : {'\x00', '\x01', '\x02', '\xFE', '\xFF'}) all.push_back(all[begin] + byte);
  }
  return all;
}

TEST(OrderedBytes, EscapedTextsSortAsTextsWhateverFollows) {
  const auto all = texts(3);
  ASSERT_EQ(all.size(), 156u);
  for (const std::string& a : all) {
    for (const std::string& b : all) {
      EXPECT_EQ(a < b, escaped(a) + '\xFF' < escaped(b) + '\0');
    }
    EXPECT_EQ(escaped(a).find(kTextEnd), escaped(a).size() - kTextEnd.size());
    const std::string bytes = escaped(a) + std::string("\0\x01rest", 6);
    std::string_view left = bytes;
    EXPECT_EQ(take_escaped(left), a);
    EXPECT_EQ(left, std::string("\0\x01rest", 6));
  }
}

TEST(OrderedBytes, ATextWithoutEndIsDamaged) {
  std::string_view bytes("abc\0", 4);
  EXPECT_THROW(take_escaped(bytes), StoreError);
}

}  // namespace
}  // namespace neume::store
