#include "data/id_index.hpp"

#include <gtest/gtest.h>

#include "data/fixture_files.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;

TEST(IdIndex, NumbersIdsInOrderOfAppearance) {
  IdIndex index;
  EXPECT_EQ(index.size(), 0U);
  EXPECT_EQ(index.find(std::int64_t{7}), std::nullopt);
  EXPECT_EQ(index.find_or_add(std::int64_t{7}), 0U);
  EXPECT_EQ(index.find_or_add(std::int64_t{-9}), 1U);
  EXPECT_EQ(index.find_or_add(std::int64_t{7}), 0U);
  EXPECT_EQ(index.ids().integers(), (std::vector<std::int64_t>{7, -9}));
}

TEST(IdIndex, FindsEveryIdAfterGrowth) {
  IdIndex integers;
  IdIndex texts;
  for (std::int64_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(integers.find_or_add(i * 1'000'003 - 7), static_cast<std::uint32_t>(i));
    ASSERT_EQ(texts.find_or_add("song " + std::to_string(i)), static_cast<std::uint32_t>(i));
  }
  for (std::int64_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(integers.find(i * 1'000'003 - 7), static_cast<std::uint32_t>(i));
    ASSERT_EQ(texts.find("song " + std::to_string(i)), static_cast<std::uint32_t>(i));
  }
  EXPECT_EQ(integers.find(std::int64_t{1}), std::nullopt);
  EXPECT_EQ(texts.find("song"), std::nullopt);
}

TEST(IdIndex, ComparesTextAndIntegersByDecimalForm) {
  const IdIndex integers(ItemIds(ItemIds::Integers{12, -3}));
  EXPECT_EQ(integers.find("12"), 0U);
  EXPECT_EQ(integers.find("-3"), 1U);
  for (const char* other : {"012", "+12", " 12", "12 ", "12.0", "", "-", "99999999999999999999"}) {
    EXPECT_EQ(integers.find(other), std::nullopt) << other;
  }
  const IdIndex texts(ItemIds(ItemIds::Texts{"12", "012", "B00X"}));
  EXPECT_EQ(texts.find(std::int64_t{12}), 0U);
  EXPECT_EQ(texts.find("012"), 1U);
  EXPECT_EQ(texts.find(std::int64_t{13}), std::nullopt);
}

TEST(IdIndex, AddsInTheKindOfTheFirstId) {
  IdIndex texts;
  texts.find_or_add("a");
  EXPECT_EQ(texts.find_or_add(std::int64_t{5}), 1U);
  EXPECT_EQ(texts.ids().texts(), (std::vector<std::string>{"a", "5"}));
  IdIndex integers;
  integers.find_or_add(std::int64_t{5});
  EXPECT_EQ(integers.find_or_add("5"), 0U);
  EXPECT_EQ(integers.find_or_add("6"), 1U);
  EXPECT_FALSE(integers.can_hold("x"));
  expect_failure<DataError>([&] { integers.find_or_add("x"); }, {"\"x\"", "expected an integer"});
  EXPECT_EQ(integers.size(), 2U);
}

TEST(IdIndex, RefusesAnIdTwice) {
  expect_failure<DataError>([] { IdIndex(ItemIds(ItemIds::Texts{"a", "b", "a"})); }, {"id a", "rows 0 and 2"});
  expect_failure<DataError>([] { IdIndex(ItemIds(ItemIds::Integers{4, 4})); }, {"id 4", "rows 0 and 1"});
}

}  // namespace
}  // namespace neume::data
