// Content vectors on the rows of the semantic IDs, and their file.

#include "rank/content.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "rank/network_fixture.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

/// Row r of a table is (r + 1, 2 (r + 1)).
class Ramp final : public data::Modality::Rows {
 public:
  void read(std::size_t row, std::span<float> out) const override {
    out[0] = static_cast<float>(row + 1);
    out[1] = 2.0f * static_cast<float>(row + 1);
  }
};

data::Catalogue make_catalogue() {
  data::Catalogue catalogue;
  catalogue.items = ItemIds(ItemIds::Texts{"a", "b", "c", "d"});
  catalogue.modalities.emplace_back("text", 2, std::make_unique<Ramp>(), std::vector<std::int64_t>{0, 1, 2, 3});
  catalogue.modalities.emplace_back("audio", 2, std::make_unique<Ramp>(), std::vector<std::int64_t>{-1, 0, 1, -1});
  return catalogue;
}

TEST(Content, FollowsTheItemsOfTheSemanticIds) {
  const Content content = make_content(make_catalogue(), ItemIds(ItemIds::Texts{"c", "x", "a"}));
  ASSERT_EQ(content.blocks.size(), 2u);
  const ContentBlock& text = content.blocks[0];
  EXPECT_EQ(text.name, "text");
  EXPECT_EQ(text.present, (std::vector<std::uint8_t>{1, 0, 1}));
  const float rms = std::sqrt((9.0f * 5.0f + 1.0f * 5.0f) / 2.0f);  // of (3, 6) and (1, 2)
  EXPECT_FLOAT_EQ(text.rows.row(0)[0], 3.0f / rms);
  EXPECT_FLOAT_EQ(text.rows.row(0)[1], 6.0f / rms);
  EXPECT_EQ(text.rows.row(1)[0], 0.0f);
  EXPECT_FLOAT_EQ(text.rows.row(2)[1], 2.0f / rms);
  const ContentBlock& audio = content.blocks[1];
  EXPECT_EQ(audio.present, (std::vector<std::uint8_t>{1, 0, 0}));
  EXPECT_FLOAT_EQ(audio.rows.row(0)[1], 2.0f / std::sqrt(5.0f));
}

TEST(Content, RefusesAModalityOfOtherItems) {
  EXPECT_THROW(make_content(make_catalogue(), ItemIds(ItemIds::Texts{"a", "d"})), InvalidArgument);
}

TEST(Content, ComesBackFromItsFile) {
  const fs::path file = fs::temp_directory_path() / ("neume-content-" + std::to_string(getpid()) + ".safetensors");
  const Content content = make_test_content(kFixtureItems, 4);
  write_content(file, content);
  const Content back = read_content(file, kFixtureItems);
  ASSERT_EQ(back.blocks.size(), 2u);
  for (std::size_t b = 0; b < 2; ++b) {
    EXPECT_EQ(back.blocks[b].name, content.blocks[b].name);
    EXPECT_EQ(back.blocks[b].present, content.blocks[b].present);
    EXPECT_TRUE(std::ranges::equal(back.blocks[b].rows.flat(), content.blocks[b].rows.flat()));
  }
  EXPECT_THROW(read_content(file, kFixtureItems + 1), DataError);
  auto bytes = base::read_file(file);
  bytes[bytes.size() / 2] ^= 1;
  base::write_file(file, bytes);
  EXPECT_THROW(read_content(file, kFixtureItems), DataError);
  fs::remove(file);
}

}  // namespace
}  // namespace neume::rank
