// neume ab on logs whose truth is known: by hand, and simulated.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/random.hpp"
#include "data/table_writer.hpp"

namespace neume {
namespace {

namespace fs = std::filesystem;
using data::ColumnData;
using data::ColumnType;

struct Shown {
  std::int64_t time_ms;
  std::string variant;
  std::string user;
  std::vector<std::string> items;
  std::string experiment = "e";
};

struct Happened {
  std::int64_t time_ms;
  std::string user;
  std::string item;
  bool label = true;
};

class AbTest : public testing::Test {
 protected:
  AbTest() : folder_(fs::temp_directory_path() / ("neume-ab-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~AbTest() override { fs::remove_all(folder_); }

  void write(const std::vector<Shown>& rows, const std::string& name = "exposures-1.parquet") const {
    std::vector<std::int64_t> times;
    std::array<std::vector<std::string>, 3> texts;
    std::vector<std::vector<std::string>> items;
    for (const Shown& row : rows) {
      times.push_back(row.time_ms);
      texts[0].push_back(row.experiment);
      texts[1].push_back(row.variant);
      texts[2].push_back(row.user);
      items.push_back(row.items);
    }
    data::TableWriter writer({{"time_ms", ColumnType::int64},
                              {"experiment", ColumnType::text},
                              {"variant", ColumnType::text},
                              {"user_id", ColumnType::text},
                              {"item_ids", ColumnType::text_list}});
    writer.append(std::array<ColumnData, 5>{
        ColumnData(std::span<const std::int64_t>(times)), ColumnData(std::span<const std::string>(texts[0])),
        ColumnData(std::span<const std::string>(texts[1])), ColumnData(std::span<const std::string>(texts[2])),
        ColumnData(std::span<const std::vector<std::string>>(items))});
    writer.finish(folder_ / name);
  }

  void write(const std::vector<Happened>& rows) const {
    std::string text = "time_ms,user_id,item_id,label\n";
    for (const Happened& row : rows) {
      text += std::to_string(row.time_ms) + "," + row.user + "," + row.item + (row.label ? ",true\n" : ",false\n");
    }
    base::write_file(folder_ / "events.csv", text);
  }

  /// Runs neume ab in the folder; standard output and error lie in out.txt and err.txt.
  int run(const std::string& flags, const std::string& exposures = "exposures-*.parquet") const {
    const std::string command = "cd '" + folder_.string() + "' && '" + NEUME_PROGRAM + "' ab --exposures '" +
                                exposures + "' --events events.csv " + flags + " > out.txt 2> err.txt";
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  nlohmann::json judge(const std::string& flags) const {
    EXPECT_EQ(run(flags + " --out ab.json"), 0) << text("err.txt");
    return nlohmann::json::parse(text("ab.json"));
  }

  std::string text(const std::string& file) const { return base::read_file(folder_ / file); }
  bool told(const std::string& file, const std::string& part) const {
    return text(file).find(part) != std::string::npos;
  }

  fs::path folder_;
};

TEST_F(AbTest, AnEventCountsOnceForTheLatestExposureInTime) {
  write(std::vector<Shown>{{10'000, "a", "1", {"x", "y"}},
                           {20'000, "a", "1", {"x"}},
                           {10'000, "b", "2", {"x", "z"}},
                           {10'000, "b", "3", {"x"}},
                           {10'000, "a", "4", {"x"}},
                           {11'000, "b", "4", {"x"}},
                           {10'000, "a", "", {"x"}},
                           {10'000, "b", "5", {"x"}, "another"}});
  write(std::vector<Happened>{{21'000, "1", "x"},  // once, though two exposures showed it
                              {15'000, "1", "y"},
                              {9'999, "1", "y"},          // before it was shown
                              {15'000, "1", "z"},         // not shown
                              {40'000, "1", "x"},         // just in time
                              {40'001, "1", "x"},         // too late
                              {12'000, "2", "z", false},  // no liking
                              {12'000, "2", "z"},
                              {10'000, "3", "x"},    // at the same moment
                              {12'000, "4", "x"},    // of a user who saw both
                              {12'000, "6", "x"}});  // of a user who saw nothing
  const auto found = judge("--experiment e --within 20 --shares a:1,b:1");
  const auto& a = found.at("variants")[0];
  const auto& b = found.at("variants")[1];
  EXPECT_EQ(found.at("control"), "a");
  EXPECT_EQ(a.at("name"), "a");
  EXPECT_EQ(a.at("users"), 1);
  EXPECT_EQ(a.at("exposures"), 2);
  EXPECT_EQ(a.at("items_shown"), 3);
  EXPECT_EQ(a.at("positives"), 3);
  EXPECT_EQ(a.at("positives_per_exposure"), 1.5);
  EXPECT_EQ(b.at("users"), 2);
  EXPECT_EQ(b.at("positives"), 2);
  EXPECT_TRUE(b.at("lift_per_user").is_null()) << "one user says nothing of users' spread";
  EXPECT_EQ(found.at("users_in_several_variants"), 1);
  EXPECT_EQ(found.at("exposures_of_these"), 2);
  EXPECT_EQ(found.at("exposures_without_user"), 1);
  EXPECT_EQ(found.at("sample_ratio").at("expected_users").at("a"), 1.5);
  EXPECT_TRUE(told("out.txt", "Left out: 1 users who saw more than one variant"));
}

/// Users of two variants, shown five items at a time, who play each with a probability of their own.
struct Simulation {
  std::vector<Shown> shown;
  std::vector<Happened> happened;
  std::array<std::int64_t, 2> users{}, positives{};
};

Simulation simulate(std::uint64_t seed, double lift) {
  base::Random random(seed);
  Simulation made;
  for (std::size_t u = 0; u < 1200; ++u) {
    const std::size_t variant = random.index(2);
    const double taste = 0.1 * (variant == 1 ? 1.0 + lift : 1.0) * (random.uniform() + random.uniform());
    const std::string user = std::to_string(u);
    ++made.users[variant];
    const std::size_t exposures = 1 + random.index(6);
    for (std::size_t e = 0; e < exposures; ++e) {
      const auto time = static_cast<std::int64_t>(1000 * random.index(1'000'000));
      Shown shown{time, variant == 1 ? "new" : "old", user, {}};
      for (std::size_t i = 0; i < 5; ++i) {
        // Items are the user's own of this exposure, so that whose event it is stands fast.
        shown.items.push_back(std::to_string(e) + "-" + std::to_string(i));
        if (random.uniform() >= taste) continue;
        ++made.positives[variant];
        made.happened.push_back({time + 1 + static_cast<std::int64_t>(random.index(60'000)), user, shown.items.back()});
      }
      made.shown.push_back(shown);
    }
  }
  return made;
}

/// NEUME_TEST_AB_SIMULATIONS=300: counts how often intervals hold the truth.
TEST_F(AbTest, SimulatedExperimentsAreJudgedAsTheyWereMade) {
  const char* asked = std::getenv("NEUME_TEST_AB_SIMULATIONS");
  const std::size_t count = asked == nullptr ? 3 : std::stoul(asked);
  const double lift = 0.15;
  std::array<double, 2> covered{};
  std::size_t alarms = 0;
  for (std::size_t s = 0; s < count; ++s) {
    const Simulation made = simulate(base::derive_seed(3, s), lift);
    write(made.shown);
    write(made.happened);
    const auto found = judge("--shares old:0.5,new:0.5");
    ASSERT_EQ(found.at("variants").size(), 2u);
    for (std::size_t v = 0; v < 2; ++v) {  // by name: new, old
      EXPECT_EQ(found.at("variants")[v].at("users"), made.users[1 - v]);
      EXPECT_EQ(found.at("variants")[v].at("positives"), made.positives[1 - v]);
    }
    EXPECT_EQ(found.at("control"), "old");
    const std::array<const char*, 2> kinds{"lift_per_user", "lift_per_exposure"};
    for (std::size_t k = 0; k < 2; ++k) {
      const auto& told = found.at("variants")[0].at(kinds[k]);
      const double low = told.at("low"), high = told.at("high");
      EXPECT_LT(low, high);
      covered[k] += low <= lift && lift <= high ? 1.0 : 0.0;
    }
    alarms += found.at("sample_ratio").at("mismatch").get<bool>() ? 1 : 0;
  }
  const double n = static_cast<double>(count);
  RecordProperty("per_user", std::to_string(covered[0] / n));
  RecordProperty("per_exposure", std::to_string(covered[1] / n));
  RecordProperty("sample_ratio_alarms", std::to_string(alarms));
  EXPECT_LE(alarms, 1u);
  if (count < 100) return;
  const double slack = 3.3 * std::sqrt(0.95 * 0.05 / n);
  EXPECT_NEAR(covered[0] / n, 0.95, slack);
  EXPECT_NEAR(covered[1] / n, 0.95, slack);
}

TEST_F(AbTest, AMismatchIsSaidAloud) {
  std::vector<Shown> shown;
  for (int u = 0; u < 1000; ++u) shown.push_back({1, u % 10 < 6 ? "a" : "b", "user " + std::to_string(u), {"x"}});
  write(shown);
  write(std::vector<Happened>{{2, "user 1", "x"}});
  EXPECT_TRUE(judge("--shares a:1,b:1").at("sample_ratio").at("mismatch"));
  EXPECT_TRUE(told("out.txt", "MISMATCH"));
  EXPECT_FALSE(judge("--shares a:6,b:4").at("sample_ratio").at("mismatch"));
  EXPECT_FALSE(told("out.txt", "MISMATCH"));
  EXPECT_TRUE(judge("").at("sample_ratio").is_null());
  EXPECT_TRUE(told("out.txt", "not checked"));
  const auto missing = judge("--shares a:6,b:4,c:1");
  EXPECT_TRUE(missing.at("sample_ratio").at("mismatch")) << "a variant that nobody saw";
}

TEST_F(AbTest, WrongQuestionsAreRefused) {
  write(std::vector<Shown>{{1, "a", "1", {"x"}}, {1, "b", "2", {"x"}}, {1, "b", "2", {"x"}, "other"}});
  write(std::vector<Happened>{{2, "1", "x"}});
  const auto refused = [&](const std::string& flags, const std::string& part,
                           const std::string& exposures = "exposures-*.parquet") {
    EXPECT_EQ(run(flags, exposures), 2) << flags;
    EXPECT_TRUE(told("err.txt", part)) << flags << ": " << text("err.txt");
    EXPECT_EQ(text("out.txt"), "");
  };
  refused("", "--experiment to be one of e, other");
  refused("--experiment x", "found x");
  refused("--experiment e --control c", "a, b, found c");
  refused("--experiment e --shares a:0.5", "no share of variant b");
  refused("--experiment e --shares a:0,b:1", "positive share");
  refused("--experiment e --shares a:1,a:1", "twice");
  refused("--experiment e --event-time nowhere", "nowhere");
  refused("--experiment e --event-time 'make_timestamp(time_ms)'", "TIMESTAMP");
  refused("--experiment e", "nowhere.parquet", "nowhere.parquet");
  refused("--experiment e", "events.csv", "events.csv");
  base::write_file(folder_ / "events.csv", "user_id,item_id\n1,x\n");
  refused("--experiment e", "time_ms");
  base::write_file(folder_ / "events.csv", "user_id,time_ms\n1,5\n");
  refused("--experiment e", "item_id");
  write(std::vector<Happened>{{2, "1", "x"}});
  base::write_file(folder_ / "exposures-2.parquet", "no Parquet");
  refused("--experiment e", "exposures-2.parquet");
}

}  // namespace
}  // namespace neume
