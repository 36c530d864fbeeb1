// A fit that is killed again and again ends in the same bytes as one that was left alone.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "apps/killed_program.hpp"
#include "base/file.hpp"
#include "base/random.hpp"

namespace neume {
namespace {

namespace fs = std::filesystem;

class KilledFit : public KilledProgram {
 protected:
  void SetUp() override {
    ASSERT_EQ(run({"synth", "--items", "30000", "--users", "10", "--interactions", "100", "--out", path("data")}), 0);
  }

  Arguments fit_into(const std::string& folder, const Arguments& options) const {
    const std::string items = path("data/items.parquet");
    Arguments arguments{
        "fit",   "--quiet",   "--modality", "text=" + items + ":text", "--modality", "audio=" + items + ":audio",
        "--out", path(folder)};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return arguments;
  }

  /// Content of every file of a folder, but for what names the folder.
  std::map<std::string, std::string> files_of(const std::string& folder) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(path(folder))) {
      if (!entry.is_regular_file()) continue;
      std::string content = base::read_file(entry.path());
      if (const auto at = content.find(path(folder)); at != std::string::npos) content.erase(at, path(folder).size());
      files[fs::relative(entry.path(), path(folder)).string()] = content;
    }
    return files;
  }

  /// Kills fits at random until `kills` of them have been killed, one of them with a checkpoint; those that come to an
  /// end are compared. On a machine that has become busier a fit has got less far by the same time, so the kills come
  /// later each time that they found no checkpoint.
  void kill_often(const Arguments& options, int kills) {
    const double whole_s = seconds_of(fit_into("whole", options));
    const auto expected = files_of("whole");
    ASSERT_TRUE(expected.contains("manifest.json"));
    base::Random random(20);
    int with_checkpoint = 0, finished = 0;
    double pace_s = whole_s;
    const auto is_enough = [&](int killed) {
      return killed >= kills + kMoreKills || (killed >= kills && with_checkpoint > 0);
    };
    for (int killed = 0; !is_enough(killed);) {
      if (run_and_kill(fit_into("killed", options), pace_s * (0.05 + 0.85 * random.uniform()))) {
        ++killed;
        const bool has_checkpoint = fs::exists(path("killed/checkpoint"));
        with_checkpoint += has_checkpoint ? 1 : 0;
        pace_s *= has_checkpoint ? 1.0 : kLater;
        if (!is_enough(killed)) continue;
        ASSERT_EQ(run(fit_into("killed", options)), 0);
      }
      ++finished;
      pace_s = whole_s;
      ASSERT_EQ(files_of("killed"), expected) << "after " << killed << " kills";
      fs::remove_all(path("killed"));
    }
    EXPECT_GT(with_checkpoint, 0) << "no kill hit a fit that had a checkpoint to go on from";
    RecordProperty("finished", finished);
  }

  static constexpr int kMoreKills = 30;
  static constexpr double kLater = 1.2;

  /// More where the environment asks for it.
  static int kills() {
    const char* wanted = std::getenv("NEUME_TEST_KILLS");
    return wanted == nullptr ? 5 : std::atoi(wanted);
  }
};

TEST_F(KilledFit, OfPsrqWithAJointFamilyEndsInTheSameBytes) {
  kill_often({"--joint", "--codes", "256"}, kills());
}

TEST_F(KilledFit, OfASampleWithAChosenPrefixWeightEndsInTheSameBytes) {
  kill_often({"--sample", "9000", "--prefix-weight", "auto", "--codes", "128"}, kills());
}

TEST_F(KilledFit, OfOpqEndsInTheSameBytes) {
  kill_often({"--method", "opq", "--layers", "4", "--codes", "64"}, kills());
}

TEST_F(KilledFit, OfRqVaeEndsInTheSameBytes) {
  kill_often({"--method", "rqvae", "--codes", "64", "--rqvae-epochs", "6", "--rqvae-hidden", "64"}, kills());
}

TEST_F(KilledFit, OfBalancedRqEndsInTheSameBytes) {
  kill_often({"--method", "rq", "--balanced", "--codes", "32", "--layers", "2", "--sample", "3000"}, kills());
}

}  // namespace
}  // namespace neume
