// A folder that answers: what belongs together, what items that came later are, and what must not be served.

#include "serve/served_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include <neume/error.hpp>

#include "model_fixture.hpp"
#include "rank/bundle.hpp"
#include "serve/canaries.hpp"

namespace neume::serve {
namespace {

namespace fs = std::filesystem;

/// What `act` says when it refuses.
template <class Error, class Act>
std::string refusal(const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected a refusal";
  return "";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class ServedModelTest : public testing::Test {
 protected:
  fs::path ranker(RankerOptions options = ModelFixture::options(), const std::string& name = "ranker") {
    return fixture_.make_ranker(name, fixture_.encode(codebooks_), options);
  }

  ModelFixture fixture_{"served-model"};
  fs::path codebooks_ = fixture_.make_codebooks("codebooks");
};

TEST_F(ServedModelTest, ItemsOfTheTrainingKeepTheirRowsAndCodes) {
  const auto model = ServedModel::load({ranker(), codebooks_});
  const SemanticIds sids = fixture_.encode(codebooks_);
  const auto item = model->find("item 7");
  ASSERT_TRUE(item);
  EXPECT_EQ(item->row, 7u);
  EXPECT_FALSE(model->find("item 60"));
  const CodesByFamily codes = model->codes_of(*item);
  ASSERT_EQ(codes.size(), 3u);
  for (const CodeFamily& family : sids.families) {
    EXPECT_TRUE(std::ranges::equal(codes.at(family.name), family.of(7))) << family.name;
  }
  model->add_item({"item 7", model->stored_value(ModelFixture::embeddings(7, 3), {})});
  EXPECT_EQ(model->find("item 7")->row, 7u);
  EXPECT_EQ(model->num_new_items(), 0u);
}

TEST_F(ServedModelTest, ANewItemIsRankedLikeAnOldOneOfItsCodes) {
  const auto model = ServedModel::load({ranker(), codebooks_});
  const Embeddings embeddings = ModelFixture::embeddings(8, 0);
  EXPECT_EQ(model->encode(embeddings), model->codes_of(*model->find("item 8")));
  model->add_item({"new", model->stored_value(embeddings, {})});
  const auto item = model->find("new");
  ASSERT_TRUE(item);
  EXPECT_EQ(item->row, rank::RequestItem::kNoRow);
  EXPECT_EQ(model->codes_of(*item), model->encode(embeddings));
  const std::vector<rank::RequestItem> history{*model->find("item 4"), *model->find("item 12")}, candidates{*item};
  std::vector<float> logits(1);
  model->scorer().score({rank::Batch::kNoUser, history, candidates}, logits);
  EXPECT_TRUE(std::isfinite(logits[0]));
}

TEST_F(ServedModelTest, StoredEmbeddingsComeBackToTheLastBit) {
  const auto model = ServedModel::load({ranker(), codebooks_});
  Embeddings embeddings = ModelFixture::embeddings(3, 3);
  embeddings["text"][0] = 0.1f;
  embeddings["text"][1] = std::numeric_limits<float>::denorm_min();
  embeddings["text"][2] = -1.17549435e-38f;
  const nlohmann::json value = nlohmann::json::parse(model->stored_value(embeddings, {}));
  EXPECT_EQ(value.at("embeddings").get<Embeddings>(), embeddings);
}

TEST_F(ServedModelTest, CodesAloneMakeAnItem) {
  const auto model = ServedModel::load({ranker(), {}});
  EXPECT_FALSE(model->has_codebooks());
  const CodesByFamily codes{{"text", {1, 2}}, {"joint", {3, 0}}};
  model->add_item({"new", model->stored_value({}, codes)});
  EXPECT_EQ(model->codes_of(*model->find("new")), codes);
  const std::span<const Code> before = model->find("new")->codes;
  const std::vector<Code> copy(before.begin(), before.end());
  model->add_item({"new", model->stored_value({}, {{"text", {0, 0}}})});
  EXPECT_EQ(model->codes_of(*model->find("new")), (CodesByFamily{{"text", {0, 0}}}));
  EXPECT_TRUE(std::ranges::equal(before, copy)) << "a reader's codes must stay where they are";
  EXPECT_EQ(model->num_new_items(), 1u);
}

TEST_F(ServedModelTest, WrongItemsAreRefusedByName) {
  const auto model = ServedModel::load({ranker(), codebooks_});
  const auto told = [&](const Embeddings& embeddings, const CodesByFamily& codes) {
    return refusal<InvalidArgument>([&] { return model->stored_value(embeddings, codes); });
  };
  EXPECT_TRUE(holds(told({{"image", {1.0f}}}, {}), "image"));
  EXPECT_TRUE(holds(told({{"text", {1.0f}}}, {}), "expected 6 numbers, found 1"));
  Embeddings infinite = ModelFixture::embeddings(1, 1);
  infinite["audio"][2] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(holds(told(infinite, {}), "audio[2]"));
  EXPECT_TRUE(holds(told({}, {}), "codes"));
  EXPECT_TRUE(holds(told({}, {{"image", {1, 2}}}), "image"));
  EXPECT_TRUE(holds(told({}, {{"text", {1}}}), "expected 2 codes, found 1"));
  EXPECT_TRUE(holds(told({}, {{"text", {1, 4}}}), "below 4, found 4"));
  EXPECT_THROW(model->add_item({"new", "not JSON"}), InvalidArgument);
  EXPECT_THROW(model->add_item({"new", "{}"}), InvalidArgument);
  EXPECT_EQ(model->num_new_items(), 0u);
}

TEST_F(ServedModelTest, CodesOfOtherCodebooksAreNotTaken) {
  const auto first = ServedModel::load({ranker(), codebooks_});
  const fs::path other = fixture_.make_codebooks("other", 9);
  const auto second =
      ServedModel::load({fixture_.make_ranker("second", fixture_.encode(other), ModelFixture::options()), other});
  const std::string codes = first->stored_value({}, {{"joint", {1, 1}}});
  EXPECT_TRUE(holds(refusal<InvalidArgument>([&] { second->add_item({"new", codes}); }), "other codebooks"));
  second->add_item({"new", first->stored_value(ModelFixture::embeddings(2, 2), {})});
  EXPECT_EQ(second->codes_of(*second->find("new")), second->encode(ModelFixture::embeddings(2, 2)));
}

TEST_F(ServedModelTest, CodebooksOfAnotherShapeAreRefused) {
  const fs::path other = fixture_.make_codebooks("other", 1, 5);
  const fs::path folder = ranker();
  EXPECT_TRUE(holds(refusal<DataError>([&] { ServedModel::load({folder, other}); }), "[4, 4]"));
  EXPECT_THROW(ServedModel::load({folder, fixture_.folder()}), DataError);
  EXPECT_THROW(ServedModel::load({fixture_.folder() / "nowhere", {}}), DataError);
}

TEST_F(ServedModelTest, WithASuffixNewItemsMustBringTheirCodes) {
  SemanticIds sids = fixture_.encode(codebooks_);
  CodeFamily& joint = sids.families.back();
  CodeFamily suffixed{joint.name, {4, 4, ModelFixture::kItems}, {}};
  for (std::size_t item = 0; item < ModelFixture::kItems; ++item) {
    suffixed.codes.insert(suffixed.codes.end(), joint.of(item).begin(), joint.of(item).end());
    suffixed.codes.push_back(static_cast<Code>(item));
  }
  joint = suffixed;
  const auto model = ServedModel::load({fixture_.make_ranker("suffixed", sids, ModelFixture::options()), codebooks_});
  EXPECT_EQ(model->encode(ModelFixture::embeddings(1, 1)).at("joint").size(), 2u);
  const std::string told =
      refusal<InvalidArgument>([&] { return model->stored_value(ModelFixture::embeddings(1, 1), {}); });
  EXPECT_TRUE(holds(told, "suffix"));
  model->add_item({"new", model->stored_value({}, {{"joint", {1, 2, 9}}})});
  EXPECT_TRUE(model->find("new"));
}

TEST_F(ServedModelTest, ModelsThatCannotRankNewItemsSaySo) {
  RankerOptions permuted = ModelFixture::options();
  permuted.permute_items = true;
  for (const RankerOptions& options :
       {permuted, ModelFixture::options(RankerModel::popularity), ModelFixture::options(RankerModel::din)}) {
    const auto model = ServedModel::load({ranker(options, "other"), codebooks_});
    EXPECT_THROW(model->stored_value(ModelFixture::embeddings(1, 1), {}), InvalidArgument);
    EXPECT_THROW(model->stored_value({}, {{"joint", {1, 1}}}), InvalidArgument);
    EXPECT_NO_THROW(verify_canaries(*model, 4));
    fs::remove_all(fixture_.folder() / "other");
  }
}

TEST_F(ServedModelTest, AFolderHasAVersionOfItsOwn) {
  const fs::path folder = ranker();
  const auto model = ServedModel::load({folder, codebooks_});
  EXPECT_EQ(model->version().size(), 16u);
  EXPECT_EQ(ServedModel::load({folder, codebooks_})->version(), model->version());
  EXPECT_NE(ServedModel::load({folder, {}})->version(), model->version());
  RankerOptions options = ModelFixture::options();
  options.seed = 2;
  EXPECT_NE(ServedModel::load({ranker(options, "second"), codebooks_})->version(), model->version());
}

TEST_F(ServedModelTest, ARunBringsItsCodebooks) {
  const fs::path run = fixture_.folder() / "run";
  fs::create_directories(run / "rankers" / "mcca");
  fs::create_directories(run / "quantizers");
  fs::rename(ranker(), run / "rankers" / "mcca" / "seed-1");
  fs::rename(codebooks_, run / "quantizers" / "q");
  base::write_file(run / "config.json", R"({"ranker": [{"name": "mcca", "quantizer": "q"}]})");
  for (const fs::path& folder : {run, run / "rankers" / "mcca" / "seed-1"}) {
    const auto model = ServedModel::load({folder, {}});
    EXPECT_TRUE(model->has_codebooks());
    EXPECT_EQ(model->folders().model, run / "rankers" / "mcca" / "seed-1");
  }
  fs::copy(run / "rankers" / "mcca" / "seed-1", run / "rankers" / "mcca" / "seed-2");
  EXPECT_TRUE(holds(refusal<InvalidArgument>([&] { ServedModel::load({run, {}}); }), "seed-2"));
  fs::remove_all(run / "rankers" / "mcca");
  EXPECT_THROW(ServedModel::load({run, {}}), DataError);
}

TEST_F(ServedModelTest, CanariesFindBrokenModels) {
  const auto model = ServedModel::load({ranker(), codebooks_});
  EXPECT_NO_THROW(verify_canaries(*model, 8));
  auto& bundle = const_cast<rank::RankerBundle&>(model->bundle());
  const auto set_all = [&](const std::string& prefix, float value) {
    for (const auto& parameter : bundle.network().parameters()) {
      if (!parameter.name.starts_with(prefix)) continue;
      for (std::size_t r = 0; r < parameter.rows; ++r) std::fill_n(parameter.values.row(r), parameter.cols, value);
    }
    bundle.network().parameters_changed();
  };
  set_all("mlp.", 0.0f);
  EXPECT_TRUE(holds(refusal<DataError>([&] { verify_canaries(*model, 8); }), "one score"));
  set_all("mlp.", std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(holds(refusal<DataError>([&] { verify_canaries(*model, 8); }), "nan"));
}

TEST_F(ServedModelTest, ItemsAreAddedWhileOthersRead) {
  const auto model = ServedModel::load({ranker(), codebooks_});
  std::vector<std::thread> readers;
  std::atomic<bool> done = false;
  std::atomic<std::size_t> wrong = 0;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      while (!done) {
        for (std::size_t i = 0; i < 200; ++i) {
          const auto item = model->find("new " + std::to_string(i));
          if (item && item->codes.size() != 6) ++wrong;
        }
      }
    });
  }
  for (std::size_t i = 0; i < 200; ++i) {
    model->add_item({"new " + std::to_string(i), model->stored_value(ModelFixture::embeddings(i, i % 4), {})});
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(model->num_new_items(), 200u);
}

}  // namespace
}  // namespace neume::serve
