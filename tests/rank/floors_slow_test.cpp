// The floors on public data, full ranking, Recall@20 and NDCG@20. Skipped where ../shared/data is absent.
//
// Two protocols: rank_catalogue leaves the training positives out of the ranking; the figures in the data's README also
// leave out the validation positives, which raises them by about a hundredth. The first were computed apart, in NumPy
// with dense matrices; the second are the README's, to its three digits.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "rank/bundle.hpp"
#include "rank/training.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

struct Figures {
  double recall;
  double ndcg;
};

struct Floor {
  const char* set;
  std::size_t num_items;
  RankerModel model;
  Figures training_out;
  Figures validation_out_too;
};

fs::path folder_of(const Floor& floor) {
  return fs::path(NEUME_SOURCE_DIR) / "../shared/data" / floor.set;
}

RankerBundle train(const Floor& floor, const fs::path& folder) {
  TrainingData data;
  data.sids.items = ItemIds::row_numbers(floor.num_items);
  data.sids.families.push_back({"text", {1}, std::vector<Code>(floor.num_items, 0)});  // not read by the floors
  data.train = data::read_interactions((folder_of(floor) / "train.tsv").string(), data::IdIndex(data.sids.items),
                                       data.users, {});
  RankerOptions options;
  options.model = floor.model;
  options.batch_size = 8192;
  fs::remove_all(folder);
  train_ranker(data, options, folder);
  return RankerBundle::load(folder);
}

data::Interactions read_log(const Floor& floor, const char* file, RankerBundle& bundle) {
  return data::read_interactions((folder_of(floor) / file).string(), bundle.items(), bundle.users(), {});
}

/// Full ranking with the training and the validation positives left out.
eval::RankingSummary rank_without_validation(RankerBundle& bundle, const data::Interactions& validation,
                                             const data::Interactions& test) {
  std::vector<std::vector<std::uint32_t>> exclude(bundle.users().size());
  std::vector<std::vector<std::uint32_t>> relevant(bundle.users().size());
  for (std::uint32_t user = 0; user < exclude.size(); ++user) {
    exclude[user].assign(bundle.positives(user).begin(), bundle.positives(user).end());
  }
  for (std::size_t i = 0; i < validation.size(); ++i) {
    if (validation.labels[i] != 0) exclude[validation.users[i]].push_back(validation.items[i]);
  }
  for (std::size_t i = 0; i < test.size(); ++i) {
    if (test.labels[i] != 0) relevant[test.users[i]].push_back(test.items[i]);
  }
  const std::vector<std::size_t> cutoffs = {20};
  eval::RankingAverage average(cutoffs);
  for (std::uint32_t user = 0; user < exclude.size(); ++user) {
    if (relevant[user].empty()) continue;
    std::ranges::sort(exclude[user]);
    const auto ranked = bundle.rank(user, bundle.items().size(), exclude[user]);
    std::vector<std::uint32_t> ranks;
    for (std::uint32_t r = 0; r < ranked.size(); ++r) {
      if (std::ranges::find(relevant[user], ranked[r].item) != relevant[user].end()) ranks.push_back(r);
    }
    average.add(ranks);
  }
  return average.summary();
}

class FloorsOnRealData : public testing::TestWithParam<Floor> {};

TEST_P(FloorsOnRealData, ReachTheReference) {
  const Floor& floor = GetParam();
  if (!fs::exists(folder_of(floor) / "train.tsv")) GTEST_SKIP() << folder_of(floor) << " is absent";
  const std::string model(kRankerModelNames[static_cast<std::size_t>(floor.model)]);
  const fs::path folder = fs::temp_directory_path() /
                          ("neume-floor-" + std::string(floor.set) + "-" + model + "-" + std::to_string(getpid()));
  RankerBundle bundle = train(floor, folder);
  const auto test = read_log(floor, "test.tsv", bundle);
  const auto validation = read_log(floor, "val.tsv", bundle);
  const auto summary = bundle.rank_catalogue(test, {20});
  EXPECT_NEAR(summary.at[0].recall, floor.training_out.recall, 2e-4);
  EXPECT_NEAR(summary.at[0].ndcg, floor.training_out.ndcg, 2e-4);
  const auto without = rank_without_validation(bundle, validation, test);
  EXPECT_NEAR(without.at[0].recall, floor.validation_out_too.recall, 1.5e-3);  // three digits, and other ties
  EXPECT_NEAR(without.at[0].ndcg, floor.validation_out_too.ndcg, 1.5e-3);
  const auto metrics = bundle.evaluate(test, {.cold_threshold = 30});
  EXPECT_LT(metrics.logloss, 0.69);  // calibrated: better than one half for everything
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(
    Sets, FloorsOnRealData,
    testing::Values(Floor{"lfm2k", 1425, RankerModel::popularity, {0.1212, 0.0749}, {0.125, 0.078}},
                    Floor{"lfm2k", 1425, RankerModel::itemknn, {0.3845, 0.2650}, {0.394, 0.281}},
                    Floor{"tiktok", 6710, RankerModel::popularity, {0.0597, 0.0255}, {0.060, 0.026}}),
    [](const auto& instance) {
      return std::string(instance.param.set) + "_" +
             std::string(kRankerModelNames[static_cast<std::size_t>(instance.param.model)]);
    });

}  // namespace
}  // namespace neume::rank
