// The floors on public data, beside figures that were made independently (the README of ../shared/data): full ranking,
// Recall@20 and NDCG@20. Skipped where the data are absent.

#include <gtest/gtest.h>

#include <filesystem>

#include "rank/bundle.hpp"
#include "rank/training.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

struct Floor {
  const char* set;
  std::size_t num_items;
  RankerModel model;
  double recall;
  double ndcg;
};

class FloorsOnRealData : public testing::TestWithParam<Floor> {};

TEST_P(FloorsOnRealData, ReachTheReference) {
  const Floor& floor = GetParam();
  const fs::path source = fs::path(NEUME_SOURCE_DIR) / "../shared/data" / floor.set;
  if (!fs::exists(source / "train.tsv")) GTEST_SKIP() << source << " is absent";
  TrainingData data;
  data.sids.items = ItemIds::row_numbers(floor.num_items);
  data.sids.families.push_back({"text", {1}, std::vector<Code>(floor.num_items, 0)});  // not read by the floors
  data.train = data::read_interactions((source / "train.tsv").string(), data::IdIndex(data.sids.items), data.users, {});
  RankerOptions options;
  options.model = floor.model;
  options.batch_size = 1024;
  const std::string model(kRankerModelNames[static_cast<std::size_t>(floor.model)]);
  const fs::path folder = fs::temp_directory_path() / ("neume_floor_" + std::string(floor.set) + "_" + model);
  fs::remove_all(folder);
  train_ranker(data, options, folder);
  RankerBundle bundle = RankerBundle::load(folder);
  const auto test = data::read_interactions((source / "test.tsv").string(), bundle.items(), bundle.users(), {});
  const auto summary = bundle.rank_catalogue(test, {20});
  EXPECT_NEAR(summary.at[0].recall, floor.recall, 0.004);
  EXPECT_NEAR(summary.at[0].ndcg, floor.ndcg, 0.004);
  const auto metrics = bundle.evaluate(test, 30);
  EXPECT_LT(metrics.logloss, 0.69);  // calibrated: better than one half for everything
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Sets, FloorsOnRealData,
                         testing::Values(Floor{"lfm2k", 1425, RankerModel::popularity, 0.125, 0.078},
                                         Floor{"lfm2k", 1425, RankerModel::itemknn, 0.394, 0.281},
                                         Floor{"tiktok", 6710, RankerModel::popularity, 0.060, 0.026}),
                         [](const auto& instance) {
                           return std::string(instance.param.set) + "_" +
                                  std::string(kRankerModelNames[static_cast<std::size_t>(instance.param.model)]);
                         });

}  // namespace
}  // namespace neume::rank
