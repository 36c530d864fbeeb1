// An encode that is killed again and again ends in the same bytes as one that was left alone.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "apps/killed_program.hpp"
#include "base/file.hpp"
#include "base/random.hpp"

namespace neume {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

class KilledEncode : public KilledProgram {
 protected:
  void SetUp() override {
    ASSERT_EQ(run({"synth", "--items", "120000", "--users", "200", "--interactions", "2000", "--out", path("data")}),
              0);
    Arguments fit{"fit", "--quiet", "--joint", "--iterations", "2", "--codes", "256", "--out", path("books")};
    add_modalities(fit);
    ASSERT_EQ(run(fit), 0);
  }

  void add_modalities(Arguments& arguments) const {
    for (const std::string name : {"text", "audio"}) {
      arguments.push_back("--modality");
      arguments.push_back(name + "=" + path("data/items.parquet") + ":" + name);
    }
  }

  Arguments encode_into(const std::string& file) const {
    Arguments arguments{"encode", "--quiet", "--codebooks", path("books"), "--out", path(file)};
    add_modalities(arguments);
    return arguments;
  }
};

TEST_F(KilledEncode, EndsInTheSameBytes) {
  auto begin = Clock::now();
  const auto elapsed_s = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  ASSERT_EQ(run(encode_into("out/whole.parquet")), 0);
  double whole_s = elapsed_s();  // of the fastest run: this one may have had to share the machine
  EXPECT_FALSE(fs::exists(path("out/whole.parquet.part")));

  const char* wanted = std::getenv("NEUME_TEST_KILLS");
  const int kills = wanted == nullptr ? 20 : std::atoi(wanted);
  base::Random random(20);
  int num_killed = 0, num_with_log = 0, num_finished = 0;
  while (num_killed < kills) {
    begin = Clock::now();
    const pid_t child = start(encode_into("out/killed.parquet"));
    std::this_thread::sleep_for(std::chrono::duration<double>(whole_s * random.uniform()));
    kill(child, SIGKILL);
    const int status = wait_for(child);
    const bool was_killed = status == -1;
    ASSERT_TRUE(was_killed || status == 0) << "exit " << status;
    if (!was_killed) whole_s = std::min(whole_s, elapsed_s());
    num_killed += was_killed ? 1 : 0;
    num_with_log += was_killed && fs::exists(path("out/killed.parquet.part")) ? 1 : 0;
    if (was_killed) continue;
    ++num_finished;
    ASSERT_EQ(base::read_file(path("out/killed.parquet")), base::read_file(path("out/whole.parquet"))) << num_killed;
    ASSERT_FALSE(fs::exists(path("out/killed.parquet.part")));
    fs::remove(path("out/killed.parquet"));
  }
  ASSERT_GT(num_with_log, kills / 4) << "hardly a kill hit a run that had codes to go on from";
  ASSERT_EQ(run(encode_into("out/killed.parquet")), 0);
  EXPECT_EQ(base::read_file(path("out/killed.parquet")), base::read_file(path("out/whole.parquet")));
  EXPECT_FALSE(fs::exists(path("out/killed.parquet.part")));
  const std::size_t files = std::distance(fs::directory_iterator(path("out")), fs::directory_iterator());
  EXPECT_EQ(files, 2u) << "a killed run has left something behind";
  RecordProperty("finished_between", num_finished);
}

}  // namespace
}  // namespace neume
