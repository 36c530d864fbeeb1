// The synthetic set: the same bytes for any threads, the counts that were asked for, and a truth that can be found
// again in what is written.

#include "data/synth.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "base/parallel.hpp"
#include "data/duckdb_table.hpp"
#include "data/synth_catalogue.hpp"
#include "data/synth_exposure.hpp"
#include "data/synth_log.hpp"

namespace neume::data {
namespace {

SynthOptions small_options() {
  SynthOptions options;
  options.items = 3000;
  options.users = 2000;
  options.interactions = 40000;
  return options;
}

/// A folder that is gone at the end of the test.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("neume_synth_" + std::to_string(getpid()) + "_" + std::to_string(count_++))) {}
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  static inline int count_ = 0;
  std::filesystem::path path_;
};

std::map<std::string, std::string> fingerprints(const std::filesystem::path& folder) {
  std::map<std::string, std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    result[entry.path().filename().string()] = base::fingerprint_of_file(entry.path());
  }
  return result;
}

/// The first column of the only row of a query about the files in `folder`, whose names stand in braces.
std::int64_t ask(const std::filesystem::path& folder, std::string sql) {
  for (std::size_t at = sql.find('{'); at != std::string::npos; at = sql.find('{')) {
    const std::size_t end = sql.find('}', at);
    const std::string file = (folder / (sql.substr(at + 1, end - at - 1) + ".parquet")).string();
    sql.replace(at, end - at + 1, "read_parquet(" + sql_text(file) + ")");
  }
  Database database("test");
  QueryRows rows = database.query("SELECT CAST((" + sql + ") AS BIGINT)");
  EXPECT_TRUE(rows.next());
  return rows.column(0).values<std::int64_t>()[0];
}

std::size_t nearest_row(ConstMatrixView centroids, std::span<const float> point) {
  std::size_t best = 0;
  double least = INFINITY;
  for (std::size_t c = 0; c < centroids.rows; ++c) {
    double distance = 0.0;
    for (std::size_t j = 0; j < point.size(); ++j) {
      const double difference = static_cast<double>(point[j]) - static_cast<double>(centroids.row(c)[j]);
      distance += difference * difference;
    }
    if (distance < least) {
      least = distance;
      best = c;
    }
  }
  return best;
}

/// Share of the items of odd number whose nearest class mean, taken over the items of even number, is their own class.
template <class ClassOf>
double recovered_share(const Matrix& embeddings, std::size_t num_classes, const ClassOf& class_of) {
  Matrix means(num_classes, embeddings.cols());
  std::vector<float> counts(num_classes, 0.0f);
  for (std::size_t i = 0; i < embeddings.rows(); i += 2) counts[class_of(i)] += 1.0f;
  for (std::size_t i = 0; i < embeddings.rows(); i += 2) {
    const std::size_t c = class_of(i);
    for (std::size_t j = 0; j < embeddings.cols(); ++j) means.row(c)[j] += embeddings.row(i)[j] / counts[c];
  }
  std::size_t right = 0;
  for (std::size_t i = 1; i < embeddings.rows(); i += 2) {
    right += nearest_row(means.view(), embeddings.row(i)) == class_of(i) ? 1U : 0U;
  }
  return static_cast<double>(right) / static_cast<double>(embeddings.rows() / 2);
}

double mean_norm(const Matrix& rows) {
  double sum = 0.0;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    double squares = 0.0;
    for (const float x : rows.row(i)) squares += static_cast<double>(x) * static_cast<double>(x);
    sum += std::sqrt(squares);
  }
  return sum / static_cast<double>(rows.rows());
}

/// One written set, shared by the tests that only read it.
class WrittenSet : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<Folder>();
    summary_ = write_synthetic_set(small_options(), folder_->path());
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::int64_t question(const std::string& sql) { return ask(folder_->path(), sql); }

  static inline std::unique_ptr<Folder> folder_;
  static inline SynthSummary summary_;
};

TEST(SynthFiles, SameSeedSameBytesForAnyThreads) {
  // Several chunks of items (1,024), users (4,096) and rows (8,192), or threads would have nothing to share.
  SynthOptions options = small_options();
  options.items = 2500;
  options.users = 9000;
  options.interactions = 20000;
  const std::size_t threads_before = base::num_threads();
  std::vector<std::map<std::string, std::string>> found;
  for (const std::size_t threads : {1, 3}) {
    base::set_num_threads(threads);
    const Folder folder;
    write_synthetic_set(options, folder.path());
    found.push_back(fingerprints(folder.path()));
  }
  base::set_num_threads(threads_before);
  EXPECT_EQ(found[0].size(), 7u);
  EXPECT_EQ(found[0], found[1]);

  const Folder other;
  options.seed = 2;
  write_synthetic_set(options, other.path());
  for (const auto& [name, fingerprint] : fingerprints(other.path())) EXPECT_NE(fingerprint, found[0].at(name)) << name;
}

TEST_F(WrittenSet, HoldWhatWasAskedFor) {
  EXPECT_EQ(question("SELECT count(DISTINCT item_id) FROM {items}"), 3000);
  EXPECT_EQ(question("SELECT count(*) FROM {train}"), 32000);
  EXPECT_EQ(question("SELECT count(*) FROM {validation}"), 4000);
  EXPECT_EQ(question("SELECT count(*) FROM {test}"), 4000);
  EXPECT_EQ(question("SELECT count(*) FROM {items} WHERE len(text) <> 64 OR len(audio) <> 48"), 0);
  EXPECT_EQ(question("SELECT count(*) FROM {items} WHERE audio IS NULL"),
            static_cast<std::int64_t>(summary_.items_without_audio));
  EXPECT_NEAR(static_cast<double>(summary_.items_without_audio), 60.0, 40.0);
  EXPECT_EQ(question("SELECT count(*) FROM {truth} JOIN {items} USING (item_id)"), 3000);
  EXPECT_EQ(question("SELECT round(1000000 * sum(popularity)) FROM {truth}"), 1000000);
  EXPECT_EQ(question("SELECT count(DISTINCT genre) FROM {truth}"), 12);
  EXPECT_EQ(question("SELECT count(DISTINCT style) FROM {truth}"), 48);
  EXPECT_EQ(question("SELECT count(DISTINCT sound) FROM {truth}"), 16);
  EXPECT_EQ(question("SELECT sum(label) FROM {test}"), static_cast<std::int64_t>(summary_.test.positives));
  EXPECT_EQ(question("SELECT count(*) FROM {truth_test} a POSITIONAL JOIN {test} b WHERE a.user_id = b.user_id AND "
                     "a.item_id = b.item_id AND a.probability BETWEEN 0 AND 1"),
            4000);
  const auto manifest = nlohmann::json::parse(base::read_file(folder_->path() / "manifest.json"));
  EXPECT_EQ(manifest["format"], "neume-synth");
  EXPECT_EQ(manifest["options"]["items"], 3000);
  EXPECT_EQ(manifest["options"]["text-width"], 64);
  EXPECT_EQ(manifest["log"]["train"]["rows"], 32000);
}

TEST_F(WrittenSet, TimeSplitDoesNotLeak) {
  EXPECT_LT(question("SELECT max(timestamp) FROM {train}"), question("SELECT min(timestamp) FROM {validation}"));
  EXPECT_LT(question("SELECT max(timestamp) FROM {validation}"), question("SELECT min(timestamp) FROM {test}"));
  EXPECT_EQ(question("SELECT count(*) FROM (SELECT timestamp - lag(timestamp) OVER (ORDER BY file_row_number) AS gap "
                     "FROM (SELECT *, row_number() OVER () AS file_row_number FROM {train})) WHERE gap <= 0"),
            0);
  EXPECT_EQ(question("SELECT count(*) FROM {test} JOIN {items} USING (item_id) WHERE timestamp < released"), 0);
  EXPECT_EQ(question("SELECT count(*) FROM {train} JOIN {items} USING (item_id) WHERE timestamp < released"), 0);
}

TEST_F(WrittenSet, ColdItemsAreInTheTest) {
  EXPECT_NEAR(static_cast<double>(summary_.cold_items), 450.0, 100.0);
  EXPECT_GT(summary_.test.cold_rows, summary_.test.rows / 20);
  EXPECT_LT(summary_.train.cold_rows, summary_.train.rows / 50);
  EXPECT_GT(question("SELECT count(DISTINCT item_id) FROM {test} WHERE item_id NOT IN (SELECT item_id FROM {train})"),
            100);
}

TEST(SynthFiles, ManifestIsWrittenLast) {
  const Folder folder;
  write_synthetic_set(small_options(), folder.path());
  const auto manifest_time = std::filesystem::last_write_time(folder.path() / "manifest.json");
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_LE(entry.last_write_time(), manifest_time) << entry.path();
  }
  // A set that cannot be replaced as a whole does not look finished.
  std::filesystem::remove(folder.path() / "test.parquet");
  std::filesystem::create_directory(folder.path() / "test.parquet");
  EXPECT_THROW(write_synthetic_set(small_options(), folder.path()), DataError);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "manifest.json"));
}

TEST(SynthCatalogue, EachModalityShowsItsPartOfTheTruth) {
  const SynthCatalogue catalogue(small_options());
  Matrix text(catalogue.size(), 64);
  Matrix audio(catalogue.size(), 48);
  catalogue.text(0, text.view());
  catalogue.audio(0, audio.view());
  const auto genre = [&](std::size_t item) { return catalogue.genre(item); };
  const auto style = [&](std::size_t item) { return catalogue.style(item); };
  const auto sound = [&](std::size_t item) { return catalogue.sound(item); };
  EXPECT_GT(recovered_share(text, 12, genre), 0.9);
  EXPECT_GT(recovered_share(text, 48, style), 0.8);
  EXPECT_GT(recovered_share(audio, 16, sound), 0.9);
  // And not the other's: chance is 1/16, and 1/4 for a style whose genre is known.
  EXPECT_LT(recovered_share(text, 16, sound), 0.15);
  EXPECT_LT(recovered_share(audio, 48, style), 0.3);
  EXPECT_NEAR(mean_norm(text), 1.0, 0.1);
  EXPECT_NEAR(mean_norm(audio), 30.0, 3.0);
}

TEST(SynthCatalogue, EmbeddingsDoNotDependOnTheBatch) {
  const SynthCatalogue catalogue(small_options());
  Matrix all(catalogue.size(), 64);
  Matrix part(17, 64);
  catalogue.text(0, all.view());
  catalogue.text(1500, part.view());
  for (std::size_t i = 0; i < 17; ++i) {
    EXPECT_TRUE(std::ranges::equal(part.row(i), all.row(1500 + i))) << "item " << 1500 + i;
  }
}

TEST(SynthCatalogue, ItemsOfATinyCatalogueCanBeMet) {
  SynthOptions options = small_options();
  options.items = 1;
  options.cold_share = 0.9;
  for (options.seed = 0; options.seed < 10; ++options.seed) {
    const SynthCatalogue catalogue(options);
    EXPECT_LT(catalogue.released(0), kLogBegin);
    EXPECT_FALSE(catalogue.is_cold(0));
  }
}

TEST(SynthLog, HeadIsHeavierThanTheTail) {
  const SynthCatalogue catalogue(small_options());
  const SynthLog log(catalogue);
  std::vector<std::size_t> plays(catalogue.size(), 0);
  for (std::size_t row = 0; row < log.size(); ++row) ++plays[log.item(row)];
  std::vector<std::size_t> by_popularity(catalogue.size());
  std::iota(by_popularity.begin(), by_popularity.end(), 0U);
  std::sort(by_popularity.begin(), by_popularity.end(),
            [&](std::size_t a, std::size_t b) { return catalogue.popularity(a) > catalogue.popularity(b); });
  const auto plays_of_ranks = [&](std::size_t begin, std::size_t end) {
    std::size_t sum = 0;
    for (std::size_t rank = begin; rank < end; ++rank) sum += plays[by_popularity[rank]];
    return sum;
  };
  // Plays an item: the first tenth against the second half.
  EXPECT_GT(plays_of_ranks(0, 300) / 300, 5 * plays_of_ranks(1500, 3000) / 1500);
  // Zipf's law itself, in what the catalogue intends: rank^0.9 times popularity is constant.
  EXPECT_NEAR(catalogue.popularity(by_popularity[0]) / catalogue.popularity(by_popularity[99]), std::pow(100.0, 0.9),
              1e-9 * std::pow(100.0, 0.9));
}

TEST(SynthLog, UsersMeetAnItemOnceAndActivityHasAHeavyTail) {
  const SynthCatalogue catalogue(small_options());
  const SynthLog log(catalogue);
  std::set<std::pair<std::uint32_t, std::uint32_t>> pairs;
  std::vector<std::size_t> rows_of_user(2000, 0);
  for (std::size_t row = 0; row < log.size(); ++row) {
    pairs.insert({log.user(row), log.item(row)});
    ++rows_of_user[log.user(row)];
  }
  EXPECT_EQ(pairs.size(), log.size());
  std::sort(rows_of_user.begin(), rows_of_user.end());
  EXPECT_GE(rows_of_user.front(), 1u);
  EXPECT_LT(rows_of_user[1000], 20u);         // the median is below the mean of 20
  EXPECT_GT(rows_of_user.back(), 10u * 20u);  // and the most active is far above it
}

TEST(SynthLog, BaseRateIsTheOneAskedFor) {
  for (const double rate : {0.1, 0.42, 0.9}) {
    SynthOptions options = small_options();
    options.positive_rate = rate;
    const SynthCatalogue catalogue(options);
    const SynthLog log(catalogue);
    double positives = 0.0;
    for (std::size_t row = 0; row < log.size(); ++row) positives += log.label(row);
    EXPECT_NEAR(positives / 40000.0, rate, 0.015);
  }
}

TEST(SynthLog, LabelDependsOnStyleAndOnSound) {
  const SynthOptions options = small_options();
  const SynthCatalogue catalogue(options);
  const SynthLog log(catalogue);
  double positives[2][2] = {};
  double rows[2][2] = {};
  for (std::size_t row = 0; row < log.size(); ++row) {
    const SynthListener listener = synth_listener(options, log.user(row));
    if (listener.num_tastes != 1) continue;
    const std::size_t by_style = catalogue.style(log.item(row)) == listener.tastes[0].style ? 1 : 0;
    const std::size_t by_sound = catalogue.sound(log.item(row)) == listener.tastes[0].sound ? 1 : 0;
    positives[by_style][by_sound] += log.label(row);
    rows[by_style][by_sound] += 1.0;
  }
  const auto rate = [&](int by_style, int by_sound) {
    return positives[by_style][by_sound] / rows[by_style][by_sound];
  };
  EXPECT_GT(rate(1, 0), rate(0, 0) + 0.2);
  EXPECT_GT(rate(0, 1), rate(0, 0) + 0.2);
  EXPECT_GT(rate(1, 1), std::max(rate(1, 0), rate(0, 1)) + 0.1);
}

TEST(SynthLog, UsersWeighTextAndSoundDifferently) {
  const SynthOptions options = small_options();
  double least = 1.0;
  double most = 0.0;
  std::set<std::size_t> numbers_of_tastes;
  for (std::uint64_t user = 0; user < 200; ++user) {
    const SynthListener listener = synth_listener(options, user);
    least = std::min(least, listener.text_weight);
    most = std::max(most, listener.text_weight);
    numbers_of_tastes.insert(listener.num_tastes);
  }
  EXPECT_LT(least, 0.3);
  EXPECT_GT(most, 0.7);
  EXPECT_EQ(numbers_of_tastes, (std::set<std::size_t>{1, 2, 3}));
}

TEST(SynthLog, MoreInteractionsThanPairsRepeatItems) {
  SynthOptions options = small_options();
  options.items = 5;
  options.users = 2;
  options.interactions = 300;
  const SynthCatalogue catalogue(options);
  const SynthLog log(catalogue);
  std::set<std::uint32_t> items;
  for (std::size_t row = 0; row < log.size(); ++row) {
    items.insert(log.item(row));
    EXPECT_GE(log.timestamp(row), catalogue.released(log.item(row)));
  }
  EXPECT_EQ(items.size(), 5u);
}

TEST(WeightedPools, DrawsInProportionToTheWeights) {
  const std::vector<std::uint32_t> pool_of{2, 0, 2, 0, 2};
  const std::vector<double> weights{1.0, 5.0, 3.0, 5.0, 4.0};
  const WeightedPools pools(pool_of, weights, 4);
  base::Random random(1);
  std::vector<double> drawn(5, 0.0);
  for (int i = 0; i < 40000; ++i) drawn[*pools.draw(2, random)] += 1.0 / 40000;
  EXPECT_NEAR(drawn[0], 1.0 / 8, 0.01);
  EXPECT_NEAR(drawn[2], 3.0 / 8, 0.01);
  EXPECT_NEAR(drawn[4], 4.0 / 8, 0.01);
  EXPECT_EQ(drawn[1] + drawn[3], 0.0);
  EXPECT_FALSE(pools.draw(1, random).has_value());
  EXPECT_FALSE(pools.draw(3, random).has_value());
}

TEST(SynthOptions, OutOfRangeNamesTheFieldAndTheRange) {
  SynthOptions options;
  options.cold_share = 1.5;
  try {
    options.validate();
    FAIL() << "nothing thrown";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "cold-share: expected a number from 0 to 0.9, found 1.5");
  }
  options = {};
  options.items = 0;
  EXPECT_THROW(options.validate(), InvalidArgument);
  options = {};
  options.positive_rate = std::nan("");
  EXPECT_THROW(options.validate(), InvalidArgument);
}

}  // namespace
}  // namespace neume::data
