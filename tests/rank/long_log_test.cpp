// Training on a log that lies on disk: the same bytes as from memory, also when it is interrupted.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/file.hpp"
#include "base/random.hpp"
#include "rank/bundle.hpp"
#include "rank/training.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

class LongLog : public testing::Test {
 protected:
  LongLog()
      : folder_(fs::temp_directory_path() / ("neume-long-log-" + std::to_string(getpid()) + "-" +
                                             testing::UnitTest::GetInstance()->current_test_info()->name())) {
    options_.model = RankerModel::din;
    options_.embedding_width = 16;
    options_.attention_hidden = 16;
    options_.mlp = {16};
    options_.negatives = 2;
    options_.epochs = 2;
    options_.checkpoint_every = 10;
    options_.shuffle_rows = 1024;  // 9,000 samples an epoch: three windows of one block
  }
  ~LongLog() override { fs::remove_all(folder_); }

  /// 3,000 rows of 40 users and 100 items.
  TrainingData data(const base::SpillPolicy& policy) const {
    base::Random random(1);
    TrainingData data;
    data.sids.items = ItemIds::row_numbers(100);
    CodeFamily family{"text", {4}, {}};
    for (std::size_t i = 0; i < 100; ++i) family.codes.push_back(static_cast<Code>(i % 4));
    data.sids.families.push_back(family);
    for (std::int64_t user = 0; user < 40; ++user) data.users.find_or_add(user);
    data.train = data::Interactions(policy);
    for (int i = 0; i < 3000; ++i) {
      data.train.users.push_back(static_cast<std::uint32_t>(i % 40));
      data.train.items.push_back(static_cast<std::uint32_t>(random.index(100)));
      data.train.timestamps.push_back(i);
    }
    return data;
  }

  std::string bytes(const std::string& ranker, const std::string& file) const {
    return base::read_file(folder_ / ranker / file);
  }

  fs::path folder_;
  RankerOptions options_;
};

TEST_F(LongLog, TrainsToTheSameBytesAsInMemory) {
  const TrainingData on_disk = data({folder_ / "spilled", options_.shuffle_rows});
  ASSERT_TRUE(on_disk.train.users.in_file());
  train_ranker(data({}), options_, folder_ / "memory");
  train_ranker(on_disk, options_, folder_ / "disk");
  EXPECT_EQ(bytes("memory", "ranker.safetensors"), bytes("disk", "ranker.safetensors"));
  EXPECT_EQ(bytes("memory", "history.parquet"), bytes("disk", "history.parquet"));
  EXPECT_TRUE(fs::is_empty(folder_ / "spilled"));
  // The loaded ranker keeps its histories on disk too, and knows the same of them.
  RankerBundle bundle = RankerBundle::load(folder_ / "disk");
  const data::Histories histories(on_disk.train, 40, options_.seed);
  for (std::uint32_t user = 0; user < 40; ++user) {
    std::vector<std::uint32_t> expected;
    histories.append({user, 100}, options_.history, expected);
    EXPECT_EQ(bundle.history(user), expected);
  }
}

TEST_F(LongLog, AnInterruptedTrainingGoesOnInTheMiddleOfAWindow) {
  const TrainingData on_disk = data({folder_ / "spilled", options_.shuffle_rows});
  train_ranker(on_disk, options_, folder_ / "whole");
  struct Interrupt {};
  std::size_t interruptions = 0;
  for (std::size_t left = 13; interruptions < 100;) {
    TrainingEvents events;
    std::size_t steps = left;
    events.progress = [&](const ProgressUpdate&) {
      if (--steps == 0) throw Interrupt{};
    };
    try {
      train_ranker(on_disk, options_, folder_ / "interrupted", events);
      break;
    } catch (const Interrupt&) {
      ++interruptions;
      left += 7;
    }
  }
  EXPECT_GT(interruptions, 1u);
  EXPECT_EQ(bytes("whole", "ranker.safetensors"), bytes("interrupted", "ranker.safetensors"));
}

}  // namespace
}  // namespace neume::rank
