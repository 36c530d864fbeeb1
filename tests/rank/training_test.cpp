// Training: learns what there is to learn, ends in the same bytes after an interruption, and leaves a bundle that says
// the same as the model did.

#include "rank/training.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "rank/bundle.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

/// A folder of its own for each test.
class TrainingTest : public testing::Test {
 protected:
  TrainingTest()
      : folder_(fs::temp_directory_path() /
                (std::string("neume_training_") + testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~TrainingTest() override { fs::remove_all(folder_); }

  fs::path folder_;
};

/// 60 items in 4 groups; a user likes the items of one group. Codes: layer 1 is the group.
TrainingData grouped_data(bool labelled) {
  base::Random random(5);
  TrainingData data;
  data.sids.items = ItemIds::row_numbers(60);
  for (const char* name : {"text", "joint"}) {
    CodeFamily family{name, {4, 5}, {}};
    for (std::size_t i = 0; i < 60; ++i) {
      family.codes.push_back(static_cast<Code>(i % 4));
      family.codes.push_back(static_cast<Code>(random.index(5)));
    }
    data.sids.families.push_back(family);
  }
  data.validation.emplace();
  for (std::uint32_t user = 0; user < 150; ++user) {
    data.users.find_or_add(std::int64_t{user} * 10);
    for (std::uint32_t n = 0; n < 14; ++n) {
      const bool liked = !labelled || n % 2 == 0;
      const auto group = static_cast<std::uint32_t>(liked ? user % 4 : (user + 1 + random.index(3)) % 4);
      data::Interactions& log = n < 10 ? data.train : *data.validation;
      log.users.push_back(user);
      log.items.push_back(static_cast<std::uint32_t>(random.index(15)) * 4 + group);
      if (labelled) {
        log.labels.push_back(liked ? 1 : 0);
        log.timestamps.push_back(n);
      }
    }
  }
  return data;
}

RankerOptions small_options() {
  RankerOptions options;
  options.embedding_width = 16;
  options.attention_hidden = 16;
  options.mlp = {16};
  options.batch_size = 32;
  options.epochs = 4;
  options.negatives = 2;
  options.learning_rate = 5e-3;
  return options;
}

TEST_F(TrainingTest, LearnsTheGroups) {
  for (const bool labelled : {false, true}) {
    const TrainingData data = grouped_data(labelled);
    const auto result = train_ranker(data, small_options(), folder_ / (labelled ? "labelled" : "sampled"));
    ASSERT_EQ(result.epochs.size(), 4u);
    EXPECT_GT(*result.epochs.back().validation->auc, 0.85) << labelled;
    EXPECT_LT(result.epochs.back().training_loss, result.epochs.front().training_loss);
  }
}

TEST_F(TrainingTest, PermutedIdsHelpLess) {
  const TrainingData data = grouped_data(true);
  RankerOptions options = small_options();
  options.epochs = 1;
  options.learning_rate = 2e-3;
  const auto real = train_ranker(data, options, folder_ / "real");
  options.permute_items = true;
  const auto permuted = train_ranker(data, options, folder_ / "permuted");
  EXPECT_GT(*real.epochs[0].validation->auc, *permuted.epochs[0].validation->auc + 0.02);
}

/// The learning curve of every epoch in a finished folder.
std::vector<nlohmann::json> curves_of(const fs::path& folder) {
  const auto manifest = nlohmann::json::parse(base::read_file(folder / "manifest.json"));
  std::vector<nlohmann::json> curves;
  for (const auto& epoch : manifest.at("epochs")) curves.push_back(epoch.at("curve"));
  return curves;
}

/// Stops a training from inside by an exception, as a kill would, after `steps` progress reports.
struct Interrupt {};

std::string interrupted_bytes(const TrainingData& data, const RankerOptions& options, const fs::path& folder) {
  std::size_t interruptions = 0;
  for (std::size_t attempt = 0;; ++attempt) {
    std::size_t left = 17 + 31 * attempt;
    TrainingEvents events;
    events.progress = [&](const ProgressUpdate&) {
      if (--left == 0) throw Interrupt{};
    };
    try {
      train_ranker(data, options, folder, events);
      EXPECT_GT(interruptions, 2u);
      return base::read_file(folder / "ranker.safetensors");
    } catch (const Interrupt&) {
      ++interruptions;
      EXPECT_FALSE(fs::exists(folder / "manifest.json"));
    }
  }
}

TEST_F(TrainingTest, InterruptedTrainingEndsInTheSameBytes) {
  const TrainingData data = grouped_data(false);
  for (const std::size_t patience : {0u, 1u}) {
    RankerOptions options = small_options();
    options.checkpoint_every = 10;
    options.patience = patience;
    const std::string tag = std::to_string(patience);
    train_ranker(data, options, folder_ / ("whole" + tag));
    const auto whole = base::read_file(folder_ / ("whole" + tag) / "ranker.safetensors");
    EXPECT_TRUE(interrupted_bytes(data, options, folder_ / ("parts" + tag)) == whole) << "patience " << patience;
    EXPECT_EQ(curves_of(folder_ / ("parts" + tag)), curves_of(folder_ / ("whole" + tag)));
  }
}

TEST_F(TrainingTest, SameBytesForAnyNumberOfThreads) {
  const TrainingData data = grouped_data(true);
  std::vector<std::string> bytes;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    base::set_num_threads(threads);
    train_ranker(data, small_options(), folder_ / std::to_string(threads));
    bytes.push_back(base::read_file(folder_ / std::to_string(threads) / "ranker.safetensors"));
  }
  base::set_num_threads(0);
  EXPECT_TRUE(bytes[0] == bytes[1]);
  EXPECT_TRUE(bytes[0] == bytes[2]);
}

TEST_F(TrainingTest, BundleSaysTheSameAsTheTraining) {
  for (const bool labelled : {false, true}) {
    const TrainingData data = grouped_data(labelled);
    const fs::path folder = folder_ / (labelled ? "labelled" : "sampled");
    const auto result = train_ranker(data, small_options(), folder);
    RankerBundle bundle = RankerBundle::load(folder);
    const auto metrics = bundle.evaluate(*data.validation, {});
    EXPECT_EQ(metrics.auc, result.epochs.back().validation->auc);
    EXPECT_EQ(metrics.logloss, result.epochs.back().validation->logloss);
    EXPECT_EQ(metrics.auc_cold, result.epochs.back().validation->auc_cold);
    EXPECT_GT(metrics.cold_samples, 0u);
  }
}

TEST_F(TrainingTest, BundleRanksItemsOfTheUsersGroupFirst) {
  const TrainingData data = grouped_data(false);
  train_ranker(data, small_options(), folder_);
  RankerBundle bundle = RankerBundle::load(folder_);
  std::size_t in_group = 0;
  for (std::uint32_t user = 0; user < 20; ++user) {
    const auto ranked = bundle.rank(user, 5, bundle.positives(user));
    ASSERT_EQ(ranked.size(), 5u);
    for (const auto& scored : ranked) {
      EXPECT_FALSE(std::ranges::binary_search(bundle.positives(user), scored.item));
      in_group += scored.item % 4 == user % 4 ? 1 : 0;
    }
  }
  EXPECT_GT(in_group, 60u);  // of 100, where chance gives about 15: a user's own positives are left out
  const auto summary = bundle.rank_catalogue(*data.validation, {5, 20});
  EXPECT_GT(summary.at[1].recall, 0.4);
  EXPECT_LE(summary.at[0].recall, summary.at[1].recall);
}

TEST_F(TrainingTest, PatienceKeepsTheBestEpoch) {
  const TrainingData data = grouped_data(true);
  RankerOptions options = small_options();
  options.epochs = 30;
  options.learning_rate = 0.05;
  options.patience = 2;
  const auto result = train_ranker(data, options, folder_);
  ASSERT_LT(result.epochs.size(), 30u);
  EXPECT_EQ(result.epochs.size(), result.best_epoch + 2);
  const auto metrics = RankerBundle::load(folder_).evaluate(*data.validation, {});
  EXPECT_EQ(metrics.auc, result.epochs[result.best_epoch - 1].validation->auc);
}

TEST_F(TrainingTest, RefusesACheckpointOfAnotherTraining) {
  const TrainingData data = grouped_data(true);
  RankerOptions options = small_options();
  options.checkpoint_every = 5;
  TrainingEvents events;
  std::size_t left = 12;
  events.progress = [&](const ProgressUpdate&) {
    if (--left == 0) throw Interrupt{};
  };
  EXPECT_THROW(train_ranker(data, options, folder_, events), Interrupt);
  options.learning_rate = 1e-4;
  try {
    train_ranker(data, options, folder_);
    FAIL() << "expected a DataError";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("checkpoint.safetensors"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("other options"), std::string::npos);
  }
}

TEST_F(TrainingTest, RefusesUnfinishedAndBrokenFolders) {
  EXPECT_THROW(RankerBundle::load(folder_), DataError);
  train_ranker(grouped_data(true), small_options(), folder_);
  auto bytes = base::read_file(folder_ / "ranker.safetensors");
  bytes[bytes.size() / 2] ^= 1;
  base::write_file(folder_ / "ranker.safetensors", bytes);
  EXPECT_THROW(RankerBundle::load(folder_), DataError);
}

TEST_F(TrainingTest, MissingFamiliesAreNamed) {
  TrainingData data = grouped_data(true);
  RankerOptions options = small_options();
  options.families = {"video"};
  EXPECT_THROW(train_ranker(data, options, folder_), InvalidArgument);
  options.families = {"text"};
  EXPECT_THROW(train_ranker(data, options, folder_), InvalidArgument);  // mcca without joint
  options.model = RankerModel::din;
  options.epochs = 1;
  EXPECT_NO_THROW(train_ranker(data, options, folder_));
}

TEST_F(TrainingTest, ADivergingTrainingStops) {
  RankerOptions options = small_options();
  options.learning_rate = 1e6;
  options.epochs = 20;
  try {
    train_ranker(grouped_data(true), options, folder_);
    FAIL() << "expected the training to stop";
  } catch (const InvalidArgument& error) {
    const std::string message = error.what();
    const std::regex expected(
        "step \\d+ \\(epoch \\d+, sample \\d+ of it\\): .*; [a-z0-9_.]+: gradient (is nan|is infinite|of) .*lower "
        "learning-rate, "
        "which is 1000000");
    EXPECT_TRUE(std::regex_search(message, expected)) << message;
  }
  EXPECT_FALSE(fs::exists(folder_ / "manifest.json"));
}

TEST_F(TrainingTest, ADivergenceInTheLastStepStopsToo) {
  TrainingData data = grouped_data(true);
  data.validation.reset();
  RankerOptions options = small_options();
  options.learning_rate = 1e6;
  options.epochs = 1;
  options.batch_size = data.train.size() / 2 + 1;  // two steps: the second sees infinite logits, or spoils the values
  EXPECT_THROW(train_ranker(data, options, folder_), InvalidArgument);
  EXPECT_FALSE(fs::exists(folder_ / "manifest.json"));
}

TEST_F(TrainingTest, ARankerOfAnotherVersionIsRefusedWithAReason) {
  RankerOptions options = small_options();
  options.epochs = 1;
  train_ranker(grouped_data(true), options, folder_);
  auto manifest = nlohmann::json::parse(base::read_file(folder_ / "manifest.json"));
  manifest.at("options").erase("history");
  std::ofstream(folder_ / "manifest.json") << manifest;
  try {
    RankerBundle::load(folder_);
    FAIL() << "expected a refusal";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("history"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("train again"), std::string::npos) << error.what();
  }
}

TEST_F(TrainingTest, DrawsALearningCurve) {
  const TrainingData data = grouped_data(true);
  RankerOptions options = small_options();
  const auto result = train_ranker(data, options, folder_);
  const std::size_t steps = (data.train.size() + options.batch_size - 1) / options.batch_size;
  for (const EpochReport& epoch : result.epochs) {
    ASSERT_EQ(epoch.curve.size(), steps);  // fewer than a hundred: a point each
    double sum = 0.0;
    for (std::size_t s = 0; s < steps; ++s) {
      EXPECT_EQ(epoch.curve[s].step, (epoch.epoch - 1) * steps + s + 1);
      EXPECT_EQ(epoch.curve[s].learning_rate, options.learning_rate);
      const std::size_t samples = std::min(options.batch_size, data.train.size() - s * options.batch_size);
      sum += epoch.curve[s].training_loss * static_cast<double>(samples);
    }
    EXPECT_NEAR(sum / static_cast<double>(data.train.size()), epoch.training_loss, 1e-9);
  }
  EXPECT_EQ(curves_of(folder_)[3].at("training_loss")[2], result.epochs[3].curve[2].training_loss);
}

/// The definition: every user's catalogue scored apart, sorted.
eval::RankingSummary rank_by_sorting(RankerBundle& bundle, const data::Interactions& log) {
  std::map<std::uint32_t, std::set<std::uint32_t>> relevant;
  for (std::size_t i = 0; i < log.size(); ++i) {
    const bool liked = !log.has_labels() || log.labels[i] != 0;
    if (liked && !std::ranges::binary_search(bundle.positives(log.users[i]), log.items[i]))
      relevant[log.users[i]].insert(log.items[i]);
  }
  eval::RankingAverage average(std::vector<std::size_t>{5, 20});
  for (const auto& [user, items] : relevant) {
    const auto ranked = bundle.rank(user, bundle.items().size(), bundle.positives(user));
    std::vector<std::uint32_t> ranks;
    for (std::uint32_t rank = 0; rank < ranked.size(); ++rank)
      if (items.contains(ranked[rank].item)) ranks.push_back(rank);
    average.add(ranks);
  }
  return average.summary();
}

TEST_F(TrainingTest, FullRankingIsThatOfEachUserAlone) {
  for (const bool labelled : {false, true}) {
    const TrainingData data = grouped_data(labelled);
    const fs::path folder = folder_ / (labelled ? "labelled" : "sampled");
    train_ranker(data, small_options(), folder);
    RankerBundle bundle = RankerBundle::load(folder);
    const auto expected = rank_by_sorting(bundle, *data.validation);
    const auto found = bundle.rank_catalogue(*data.validation, {5, 20});
    EXPECT_EQ(found.users, expected.users);
    EXPECT_GT(found.users, 100u);
    EXPECT_EQ(found.mrr, expected.mrr);
    for (std::size_t k = 0; k < 2; ++k) {
      EXPECT_EQ(found.at[k].recall, expected.at[k].recall);
      EXPECT_EQ(found.at[k].ndcg, expected.at[k].ndcg);
    }
  }
}

}  // namespace
}  // namespace neume::rank
