// Features in samples and in a ranker's folder: each value where the layout has it, the same after loading.

#include "data/features.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/histories.hpp"
#include "rank/bundle.hpp"
#include "rank/samples.hpp"
#include "rank/training.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

/// Logs of 8 users who like 6 of 12 items, on weekdays and at hours; items with a genre and a length.
class FeatureFolder : public testing::Test {
 protected:
  FeatureFolder()
      : folder_(fs::temp_directory_path() / ("neume-rank-features-" + std::to_string(getpid()) + "-" +
                                             testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(folder_);
    std::ofstream train(path("train.csv")), test(path("test.csv")), items(path("items.csv"));
    train << "user_id,item_id,day,hour\n";
    test << "user_id,item_id,day,hour\n";
    for (int user = 0; user < 8; ++user) {
      for (int n = 0; n < 6; ++n) {
        train << user << ',' << (user + 2 * n) % 12 << ',' << "day" << n % 3 << ',' << n + 0.5 << '\n';
      }
      test << user << ',' << (user + 1) % 12 << ',' << (user == 0 ? "holiday" : "day1") << ",2.5\n";
    }
    items << "item_id,genre,length\n";
    for (int item = 0; item < 11; ++item) items << item << ',' << "genre" << item % 4 << ',' << item * 1.5 << '\n';
    options_.features = {"genre=" + path("items.csv") + ":genre", "day", "hour",
                         "length=" + path("items.csv") + ":length"};
    options_.model = RankerModel::din;
    options_.embedding_width = 16;
    options_.attention_hidden = 16;
    options_.mlp = {16};
    options_.batch_size = 16;
    options_.negatives = 2;
  }
  ~FeatureFolder() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  TrainingData read() const {
    TrainingData data;
    data.sids.items = ItemIds::row_numbers(12);
    data.sids.families.push_back({"text", {4}, std::vector<Code>{0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3}});
    const data::IdIndex items(data.sids.items);
    data.features = data::FeatureSet(options_.features, 0);
    data.train = data::read_interactions(path("train.csv"), items, data.users, {}, {{}, &data.features});
    data.features.read_items(items, "item_id");
    return data;
  }

  fs::path folder_;
  RankerOptions options_;
};

TEST_F(FeatureFolder, SamplesCarryTheValuesOfTheirRowAndTheirTarget) {
  const TrainingData data = read();
  const data::Histories histories(data.train, data.users.size(), 1);
  const Samples samples(data.train, histories, {12, 20, 2, 1, true, &data.features});
  Batch batch;
  batch.clear();
  for (std::size_t i = 0; i < samples.size(); ++i) samples.append(i, 1, batch);
  ASSERT_EQ(batch.categories.size(), 2 * batch.size());
  ASSERT_EQ(batch.numbers.size(), 2 * batch.size());
  EXPECT_EQ(data.features.layout().categories[0].name, "day");  // the log's features come first
  EXPECT_EQ(data.features.layout().numbers[1], "length");
  std::size_t negatives = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const std::size_t row = i / 3;
    EXPECT_EQ(batch.users[i], data.train.users[row]);
    EXPECT_EQ(batch.categories[2 * i], 1 + row % 6 % 3) << "a negative has the day of its positive";
    EXPECT_EQ(batch.numbers[2 * i], data.train.numbers[row]);
    const std::uint32_t target = batch.targets[i];
    EXPECT_EQ(batch.categories[2 * i + 1], target == 11 ? 0 : 1 + target % 4);
    const double length = (target - 5.0) / std::sqrt(10.0);  // of 0 .. 10, whose mean is 5 and variance 10
    EXPECT_NEAR(batch.numbers[2 * i + 1], target == 11 ? 0.0 : length, 1e-6);
    negatives += batch.labels[i] < 0.5f ? 1 : 0;
  }
  EXPECT_EQ(negatives, 2 * data.train.size());
}

TEST_F(FeatureFolder, ALogThatWasReadWithoutTheFeaturesIsRefused) {
  const TrainingData data = read();
  data::IdIndex users;
  const auto bare =
      data::read_interactions(path("train.csv"), data::IdIndex(data.sids.items), users, data::InteractionOptions{});
  const data::Histories histories(bare, users.size(), 1);
  EXPECT_THROW(Samples(bare, histories, {12, 20, 2, 1, true, &data.features}), InvalidArgument);
}

TEST_F(FeatureFolder, TrainingNeedsTheFeaturesThatItsOptionsName) {
  TrainingData data = read();
  data.features = {};
  EXPECT_THROW(train_ranker(data, options_, folder_ / "ranker"), InvalidArgument);
}

TEST_F(FeatureFolder, ABundleReadsATestLogAsTrainingWouldHave) {
  TrainingData data = read();
  train_ranker(data, options_, folder_ / "ranker");
  const auto expected =
      data::read_interactions(path("test.csv"), data::IdIndex(data.sids.items), data.users, {}, {{}, &data.features});
  fs::remove(path("items.csv"));  // item values come from the ranker's folder
  RankerBundle bundle = RankerBundle::load(folder_ / "ranker");
  EXPECT_EQ(bundle.features().fingerprint(), data.features.fingerprint());
  const auto test =
      data::read_interactions(path("test.csv"), bundle.items(), bundle.users(), {}, {{}, &bundle.features()});
  EXPECT_EQ(test.categories, expected.categories);
  EXPECT_EQ(test.numbers, expected.numbers);
  EXPECT_EQ(test.categories[0], 0u);  // a holiday: unknown
  EXPECT_EQ(bundle.evaluate(test, {.cold_threshold = 30}).positives, test.size());
  EXPECT_EQ(bundle.rank(0, 3, {}).size(), 3u);
  const auto bare = data::read_interactions(path("test.csv"), bundle.items(), bundle.users(), {});
  EXPECT_THROW(bundle.evaluate(bare, {.cold_threshold = 30}), InvalidArgument);
}

TEST_F(FeatureFolder, ABundleChecksItsFeatures) {
  train_ranker(read(), options_, folder_ / "ranker");
  fs::copy(folder_ / "ranker", folder_ / "broken", fs::copy_options::recursive);
  auto text = base::read_file(folder_ / "broken" / "features.json");
  text.replace(text.find("genre1"), 6, "genreX");
  base::write_file(folder_ / "broken" / "features.json", text);
  EXPECT_THROW(RankerBundle::load(folder_ / "broken"), DataError);
  fs::remove(folder_ / "ranker" / "features.safetensors");
  EXPECT_THROW(RankerBundle::load(folder_ / "ranker"), DataError);
}

TEST_F(FeatureFolder, AnotherFeatureIsAnotherTraining) {
  options_.checkpoint_every = 1;
  TrainingEvents events;
  struct Interrupt {};
  std::size_t left = 3;
  events.progress = [&](const ProgressUpdate&) {
    if (--left == 0) throw Interrupt{};
  };
  EXPECT_THROW(train_ranker(read(), options_, folder_ / "ranker", events), Interrupt);
  std::ofstream(path("items.csv"), std::ios::app) << "11,genre0,3\n";  // the same options, other values
  EXPECT_THROW(train_ranker(read(), options_, folder_ / "ranker"), DataError);
}

}  // namespace
}  // namespace neume::rank
