// A training that is killed again and again ends in the same bytes as one that was left alone.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "apps/killed_program.hpp"
#include "base/file.hpp"
#include "base/random.hpp"

namespace neume {
namespace {

namespace fs = std::filesystem;

class KilledTraining : public KilledProgram {
 protected:
  void SetUp() override {
    const std::string data = path("data"), books = path("books"), items = data + "/items.parquet";
    ASSERT_EQ(run({"synth", "--items", "2000", "--users", "3000", "--interactions", "60000", "--out", data}), 0);
    ASSERT_EQ(
        run({"fit", "--quiet", "--modality", "text=" + items + ":text", "--joint", "--codes", "32", "--out", books}),
        0);
    ASSERT_EQ(
        run({"encode", "--codebooks", books, "--modality", "text=" + items + ":text", "--out", path("sids.parquet")}),
        0);
  }

  std::vector<std::string> train_into(const std::string& folder) const {
    return {"train",
            "--quiet",
            "--sids",
            path("sids.parquet"),
            "--train",
            path("data/train.parquet"),
            "--validation",
            path("data/validation.parquet"),
            "--epochs",
            "2",
            "--checkpoint-every",
            "20",
            "--out",
            folder};
  }
};

TEST_F(KilledTraining, EndsInTheSameBytes) {
  const double whole_s = seconds_of(train_into(path("whole")));

  base::Random random(20);
  constexpr int kKills = 6, kAtMost = 36;
  constexpr double kLater = 1.2;  // the machine may be busier than it was for the whole run
  int num_killed = 0, num_with_checkpoint = 0;
  double pace_s = whole_s;
  for (int attempt = 0; attempt < kAtMost && (attempt < kKills || num_with_checkpoint == 0); ++attempt) {
    num_killed += run_and_kill(train_into(path("killed")), pace_s * (0.15 + 0.35 * random.uniform())) ? 1 : 0;
    if (fs::exists(path("killed/manifest.json"))) {  // it was through before the signal came
      if (num_with_checkpoint > 0) break;
      fs::remove_all(path("killed"));
      pace_s = whole_s;
      continue;
    }
    const bool has_checkpoint = fs::exists(path("killed/checkpoint.safetensors"));
    num_with_checkpoint += has_checkpoint ? 1 : 0;
    pace_s *= has_checkpoint ? 1.0 : kLater;
  }
  ASSERT_GT(num_killed, 0);
  ASSERT_GT(num_with_checkpoint, 0) << "no kill hit a training that had a checkpoint to go on from";
  ASSERT_EQ(run(train_into(path("killed"))), 0);
  EXPECT_EQ(base::read_file(path("killed/ranker.safetensors")), base::read_file(path("whole/ranker.safetensors")));
  EXPECT_FALSE(fs::exists(path("killed/checkpoint.safetensors")));
}

}  // namespace
}  // namespace neume
