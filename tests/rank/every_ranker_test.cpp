// What every ranker must keep: it learns what there is to learn, and its bundle says the same as the training did.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"
#include "rank/bundle.hpp"
#include "rank/training.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

struct Case {
  RankerModel model;
  bool labelled;
  double least_auc;  ///< on held-out rows; chance is 0.5
};

std::string name_of(const Case& c) {
  std::string name(kRankerModelNames[static_cast<std::size_t>(c.model)]);
  std::ranges::replace(name, '-', '_');
  return name + (c.labelled ? "_labelled" : "_sampled");
}

class EveryRanker : public testing::TestWithParam<Case> {
 protected:
  EveryRanker()
      : folder_(fs::temp_directory_path() /
                ("neume-every-ranker-" + name_of(GetParam()) + "-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~EveryRanker() override { fs::remove_all(folder_); }

  fs::path folder_;
};

/// 60 items in 4 groups; a user likes the items of one group, low numbers more often. The content of an item is its
/// group, with noise. User ids are text; the first rows of a labelled log are dislikes, so users do not come in the
/// order of their first positives, and the validation log has a user of its own.
TrainingData make_data(bool labelled) {
  base::Random random(5);
  TrainingData data;
  data.sids.items = ItemIds::row_numbers(60);
  CodeFamily family{"joint", {4, 5}, {}};
  ContentBlock block{"text", Matrix(60, 6), std::vector<std::uint8_t>(60, 1)};
  for (std::size_t i = 0; i < 60; ++i) {
    family.codes.push_back(static_cast<Code>(i % 4));
    family.codes.push_back(static_cast<Code>(random.index(5)));
    for (std::size_t c = 0; c < 6; ++c) {
      block.rows.row(i)[c] = static_cast<float>((c == i % 4 ? 1.0 : 0.0) + 0.1 * random.normal());
    }
  }
  data.sids.families.push_back(family);
  data.content.blocks.push_back(std::move(block));
  data.validation.emplace();
  for (std::uint32_t user = 0; user < 150; ++user) data.users.find_or_add("listener " + std::to_string(user * 7));
  for (std::uint32_t n = 0; n < 14; ++n) {
    for (std::uint32_t user = 0; user < 150; ++user) {
      if (user == 149 && n < 10) continue;
      const bool liked = !labelled || (n + user) % 2 == 0;
      const auto group = static_cast<std::uint32_t>(liked ? user % 4 : (user + 1 + random.index(3)) % 4);
      const double place = random.uniform() * random.uniform();
      data::Interactions& log = n < 10 ? data.train : *data.validation;
      log.users.push_back(user);
      log.items.push_back(static_cast<std::uint32_t>(place * 15) * 4 + group);
      if (labelled) log.labels.push_back(liked ? 1 : 0);
    }
  }
  return data;
}

RankerOptions options_for(RankerModel model) {
  RankerOptions options;
  options.model = model;
  options.embedding_width = 16;
  options.attention_hidden = 16;
  options.mlp = {16};
  options.batch_size = 32;
  options.epochs = 12;
  options.negatives = 2;
  options.learning_rate = 5e-3;
  return options;
}

TEST_P(EveryRanker, BundleSaysTheSameAsTheTraining) {
  TrainingData data = make_data(GetParam().labelled);
  const auto result = train_ranker(data, options_for(GetParam().model), folder_);
  const RankerMetrics& told = *result.epochs.back().validation;
  EXPECT_GT(*told.auc, GetParam().least_auc);
  RankerBundle loaded = RankerBundle::load(folder_);
  RankerBundle bundle = std::move(loaded);
  data::Interactions log = std::move(*data.validation);
  for (std::uint32_t& user : log.users) user = bundle.users().find_or_add(data.users.ids().texts()[user]);
  const auto metrics = bundle.evaluate(log, {.cold_threshold = 30});
  EXPECT_EQ(metrics.auc, told.auc);
  EXPECT_EQ(metrics.logloss, told.logloss);
  EXPECT_EQ(metrics.gauc, told.gauc);
}

TEST_P(EveryRanker, SameBytesForAnyNumberOfThreads) {
  const TrainingData data = make_data(GetParam().labelled);
  RankerOptions options = options_for(GetParam().model);
  options.epochs = 2;
  std::vector<std::string> bytes;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    base::set_num_threads(threads);
    train_ranker(data, options, folder_ / std::to_string(threads));
    bytes.push_back(base::read_file(folder_ / std::to_string(threads) / "ranker.safetensors"));
  }
  base::set_num_threads(0);
  EXPECT_TRUE(bytes[0] == bytes[1]);
  EXPECT_TRUE(bytes[0] == bytes[2]);
}

struct Interrupt {};

TEST_P(EveryRanker, InterruptedTrainingEndsInTheSameBytes) {
  const TrainingData data = make_data(GetParam().labelled);
  RankerOptions options = options_for(GetParam().model);
  options.epochs = 2;
  options.checkpoint_every = 10;
  train_ranker(data, options, folder_ / "whole");
  TrainingEvents events;
  std::size_t left = 35;
  events.progress = [&](const ProgressUpdate&) {
    if (--left == 0) throw Interrupt{};
  };
  EXPECT_THROW(train_ranker(data, options, folder_ / "parts", events), Interrupt);
  EXPECT_FALSE(fs::exists(folder_ / "parts" / "manifest.json"));
  train_ranker(data, options, folder_ / "parts");
  EXPECT_TRUE(base::read_file(folder_ / "parts" / "ranker.safetensors") ==
              base::read_file(folder_ / "whole" / "ranker.safetensors"));
}

INSTANTIATE_TEST_SUITE_P(
    Models, EveryRanker,
    testing::Values(Case{RankerModel::din, false, 0.8}, Case{RankerModel::vbpr, false, 0.8},
                    Case{RankerModel::vbpr, true, 0.75}, Case{RankerModel::dlrm, false, 0.8},
                    Case{RankerModel::dlrm, true, 0.75}, Case{RankerModel::simtier_make, false, 0.8},
                    Case{RankerModel::simtier_make, true, 0.75}, Case{RankerModel::popularity, false, 0.6},
                    Case{RankerModel::popularity, true, 0.45}, Case{RankerModel::itemknn, false, 0.85},
                    Case{RankerModel::itemknn, true, 0.75}),
    [](const auto& instance) { return name_of(instance.param); });

TEST(Rankers, WhatTheyNeedIsNamed) {
  const fs::path folder = fs::temp_directory_path() / ("neume-rankers-needs-" + std::to_string(getpid()));
  fs::remove_all(folder);
  TrainingData data = make_data(false);
  RankerOptions options = options_for(RankerModel::itemknn);
  options.families = {"joint"};
  EXPECT_THROW(train_ranker(data, options, folder), InvalidArgument);
  options.families.clear();
  options.model = RankerModel::vbpr;
  data.content.blocks.clear();
  EXPECT_THROW(train_ranker(data, options, folder), InvalidArgument);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace neume::rank
