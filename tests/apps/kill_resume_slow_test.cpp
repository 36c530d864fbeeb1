// A training that is killed again and again ends in the same bytes as one that was left alone.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "base/random.hpp"

namespace neume {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

class KilledTraining : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("OMP_WAIT_POLICY", "passive", 1);
    std::string pattern = (fs::temp_directory_path() / "neume-kill-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    const std::string data = path("data"), books = path("books"), items = data + "/items.parquet";
    ASSERT_EQ(run({"synth", "--items", "2000", "--users", "3000", "--interactions", "60000", "--out", data}), 0);
    ASSERT_EQ(
        run({"fit", "--quiet", "--modality", "text=" + items + ":text", "--joint", "--codes", "32", "--out", books}),
        0);
    ASSERT_EQ(
        run({"encode", "--codebooks", books, "--modality", "text=" + items + ":text", "--out", path("sids.parquet")}),
        0);
  }

  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  static pid_t start(const std::vector<std::string>& arguments) {
    const pid_t child = fork();
    if (child != 0) return child;
    std::vector<char*> list{const_cast<char*>(NEUME_PROGRAM)};
    for (const std::string& argument : arguments) list.push_back(const_cast<char*>(argument.c_str()));
    list.push_back(nullptr);
    if (freopen("/dev/null", "w", stdout) == nullptr) _exit(126);
    execv(NEUME_PROGRAM, list.data());
    _exit(127);
  }

  static int wait_for(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  static int run(const std::vector<std::string>& arguments) { return wait_for(start(arguments)); }

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

 private:
  fs::path folder_;
};

TEST_F(KilledTraining, EndsInTheSameBytes) {
  const auto begin = Clock::now();
  ASSERT_EQ(run(train_into(path("whole"))), 0);
  const double whole_s = std::chrono::duration<double>(Clock::now() - begin).count();

  base::Random random(20);
  constexpr int kKills = 6;
  int num_killed = 0, num_with_checkpoint = 0;
  for (int kill_number = 0; kill_number < kKills; ++kill_number) {
    const pid_t child = start(train_into(path("killed")));
    std::this_thread::sleep_for(std::chrono::duration<double>(whole_s * (0.15 + 0.35 * random.uniform())));
    kill(child, SIGKILL);
    num_killed += wait_for(child) == -1 ? 1 : 0;
    if (fs::exists(path("killed/manifest.json"))) break;  // it was through before the signal came
    num_with_checkpoint += fs::exists(path("killed/checkpoint.safetensors")) ? 1 : 0;
  }
  ASSERT_GT(num_killed, 0);
  ASSERT_GT(num_with_checkpoint, 0) << "no kill hit a training that had a checkpoint to go on from";
  ASSERT_EQ(run(train_into(path("killed"))), 0);
  EXPECT_EQ(base::read_file(path("killed/ranker.safetensors")), base::read_file(path("whole/ranker.safetensors")));
  EXPECT_FALSE(fs::exists(path("killed/checkpoint.safetensors")));
}

}  // namespace
}  // namespace neume
