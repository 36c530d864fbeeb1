// Memory for numbers: zeroed and aligned, whatever the size.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/buffer.hpp"

namespace neume::base {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::uintptr_t address(const void* memory) {
  return reinterpret_cast<std::uintptr_t>(memory);
}

TEST(Buffer, IsZeroedAndAligned) {
  for (const std::size_t size : {1, 3, 63, 64, 65, 1000, 100001}) {
    const Buffer<std::uint8_t> buffer(size);
    EXPECT_EQ(buffer.size(), size);
    EXPECT_EQ(address(buffer.data()) % 64, 0u) << size;
    EXPECT_TRUE(std::all_of(buffer.begin(), buffer.end(), [](auto x) { return x == 0; })) << size;
  }
}

TEST(Buffer, IsZeroedAgainWhereTheMemoryWasUsedBefore) {
  for (int round = 0; round < 10; ++round) {
    Buffer<float> buffer(5000);
    ASSERT_TRUE(std::all_of(buffer.begin(), buffer.end(), [](float x) { return x == 0.0f; })) << "round " << round;
    std::fill(buffer.begin(), buffer.end(), 1.0f);
  }
}

TEST(Buffer, LargeOnesStartOnAHugePage) {
  const Buffer<std::uint8_t> at_border(2 * kHugePage), odd(2 * kHugePage + 1);
  EXPECT_EQ(address(at_border.data()) % kHugePage, 0u);
  EXPECT_EQ(address(odd.data()) % kHugePage, 0u);
  EXPECT_EQ(odd[2 * kHugePage], 0);
}

TEST(Buffer, EmptyAndMoved) {
  EXPECT_EQ(Buffer<float>().size(), 0u);
  EXPECT_TRUE(Buffer<float>(0).span().empty());
  Buffer<int> first(3);
  first[2] = 7;
  const Buffer<int> second = std::move(first);
  EXPECT_EQ(second[2], 7);
  EXPECT_EQ(second.span().size(), 3u);
}

}  // namespace
}  // namespace neume::base
