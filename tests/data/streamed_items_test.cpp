// Ids and their items, kept on disk where they are many, are those of IdIndex.

#include "data/streamed_items.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <neume/error.hpp>

#include "base/random.hpp"
#include "data/fixture_files.hpp"
#include "data/id_index.hpp"
#include "data/row_places.hpp"

namespace neume::data {
namespace {

class StreamedIds : public testing::DataFiles {
 protected:
  base::SpillPolicy tight() const { return {path("."), 100}; }
};

TEST_F(StreamedIds, PlacesAreThoseOfAnIndex) {
  base::Random random(3);
  for (const bool is_text : {false, true}) {
    for (const std::uint64_t range : {50u, 5000u, 1000000u}) {
      StreamedItems items(tight());
      IdIndex index;
      for (int i = 0; i < 3000; ++i) {
        const auto id = static_cast<std::int64_t>(random.next() % range) - 20;
        const std::string text = std::to_string(id) + "x";
        const std::size_t guess = random.next() % 4000;
        if (is_text) {
          ASSERT_EQ(items.place(std::string_view(text), guess), index.find_or_add(text));
        } else {
          ASSERT_EQ(items.place(id, guess), index.find_or_add(id));
        }
      }
      EXPECT_EQ(items.size(), index.size());
      EXPECT_EQ(items.is_text(), is_text);
      EXPECT_EQ(items.in_memory(), index.ids());
      EXPECT_EQ(items.name(7), index.ids().name(7));
    }
  }
}

TEST_F(StreamedIds, RisingIdsThenOthers) {
  StreamedItems items(tight());
  for (std::int64_t id = 0; id < 1000; ++id) ASSERT_EQ(items.place(2 * id, items.size()), static_cast<std::size_t>(id));
  EXPECT_EQ(items.place(std::int64_t{500}, 0), 250u);
  EXPECT_EQ(items.place(std::int64_t{501}, 0), 1000u);
  EXPECT_EQ(items.place(std::int64_t{3000}, 0), 1001u);
  EXPECT_EQ(items.place(std::int64_t{501}, 0), 1000u);
}

TEST_F(StreamedIds, IntegersAndTextAreComparedByTheirDecimalForm) {
  StreamedItems integers(tight()), texts(tight());
  integers.place(std::int64_t{7}, 0);
  texts.place(std::string_view("7"), 0);
  EXPECT_EQ(integers.place(std::string_view("7"), 9), 0u);
  EXPECT_EQ(texts.place(std::int64_t{7}, 9), 0u);
  EXPECT_FALSE(integers.can_hold("07"));
  EXPECT_TRUE(texts.can_hold("07"));
  EXPECT_THROW(integers.place(std::string_view("07"), 0), DataError);
}

TEST_F(StreamedIds, RowNumbersNeedNoIds) {
  StreamedItems items(tight());
  items.set_row_numbers(5);
  EXPECT_EQ(items.in_memory(), ItemIds::row_numbers(5));
  EXPECT_EQ(items.name(3), "3");
}

TEST_F(StreamedIds, RowPlacesKnowOrderAndRepetition) {
  RowPlaces places(tight());
  for (std::size_t i = 0; i < 300; ++i) EXPECT_FALSE(places.add(i));
  EXPECT_TRUE(places.in_order());
  EXPECT_FALSE(places.add(400));
  EXPECT_TRUE(places.in_order());
  EXPECT_EQ(places.row_of(299), 299u);
  EXPECT_EQ(places.row_of(400), 300u);
  EXPECT_FALSE(places.row_of(350));
  EXPECT_FALSE(places.row_of(401));
  EXPECT_FALSE(places.add(350));
  EXPECT_FALSE(places.in_order());
  EXPECT_EQ(places.add(7), 7u);
  EXPECT_EQ(places.add(400), 300u);
  EXPECT_EQ(places.num_rows(), 302u);
}

}  // namespace
}  // namespace neume::data
