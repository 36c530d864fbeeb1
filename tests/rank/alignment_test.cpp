// Item alignment: derivatives of its loss, its formula written out plainly, what it learns, and what it leaves out.

#include "rank/alignment.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "rank/bundle.hpp"
#include "rank/network_fixture.hpp"
#include "rank/training.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

/// Some items occur twice, also as anchor and as positive, so that negatives are left out.
std::vector<ItemPair> make_pairs(std::size_t count) {
  base::Random random(9);
  std::vector<ItemPair> pairs;
  for (std::size_t i = 0; i < count; ++i) {
    const auto anchor = static_cast<std::uint32_t>(random.index(kFixtureItems));
    const auto other = static_cast<std::uint32_t>((anchor + 1 + random.index(kFixtureItems - 1)) % kFixtureItems);
    pairs.push_back({anchor, other});
  }
  return pairs;
}

AlignmentOptions small_options() {
  AlignmentOptions options;
  options.width = 5;
  options.hidden = 8;
  options.batch_size = 70;
  options.temperature = 0.3;
  options.seed = 3;
  return options;
}

TEST(Alignment, Gradients) {
  const Content content = make_test_content(kFixtureItems, 2);
  AlignmentNetwork<double> network(content, small_options());
  const auto pairs = make_pairs(67);
  const auto loss = [&] { return network.train(pairs, nullptr) / static_cast<double>(pairs.size()); };
  base::set_num_threads(1);
  loss();
  struct Entry {
    double* value;
    double gradient;
    std::string what;
  };
  std::vector<Entry> entries;
  for (const auto& p : network.parameters()) {
    for (std::size_t i = 0; i < p.rows * p.cols; ++i) {
      entries.push_back({p.values.row(i / p.cols) + i % p.cols, p.gradients.row(i / p.cols)[i % p.cols],
                         p.name + " " + std::to_string(i)});
    }
  }
  double largest = 0.0;
  for (const auto& e : entries) {
    nn::expect_derivative(loss, e.value, e.gradient, e.what);
    largest = std::max(largest, std::abs(e.gradient));
  }
  base::set_num_threads(0);
  EXPECT_GT(largest, 1e-2);
}

TEST(Alignment, LossIsItsFormula) {
  const Content content = make_test_content(kFixtureItems, 2);
  const AlignmentOptions options = small_options();
  AlignmentNetwork<double> network(content, options);
  std::vector<std::uint32_t> all(kFixtureItems);
  for (std::uint32_t i = 0; i < kFixtureItems; ++i) all[i] = i;
  std::vector<double> z(kFixtureItems * options.width);
  network.embed(all, z);
  const auto score = [&](std::uint32_t a, std::uint32_t b) {
    double sum = 0.0;
    for (std::size_t c = 0; c < options.width; ++c) sum += z[a * options.width + c] * z[b * options.width + c];
    return sum / options.temperature;
  };
  const auto pairs = make_pairs(67);
  double expected = 0.0;
  for (const auto& [anchor, positive] : pairs) {
    double sum = std::exp(score(anchor, positive));
    for (const auto& other : pairs) {
      if (other.positive != anchor && other.positive != positive) sum += std::exp(score(anchor, other.positive));
    }
    expected -= std::log(std::exp(score(anchor, positive)) / sum);
  }
  EXPECT_NEAR(network.train(pairs, nullptr), expected, 1e-9 * expected);
  for (std::uint32_t i = 0; i < kFixtureItems; ++i) EXPECT_NEAR(score(i, i) * options.temperature, 1.0, 1e-9);
}

/// 120 items in 6 groups of listening. Content tells the group, but in two columns of small variance among eight loud
/// ones, so that the given vectors do not lie near each other by group. The last item has no content.
struct Listening {
  static constexpr std::uint32_t kItems = 120, kUsers = 200, kGroups = 6;

  Listening() {
    base::Random random(4);
    ContentBlock block{"text", Matrix(kItems, 10), std::vector<std::uint8_t>(kItems, 1)};
    for (std::uint32_t i = 0; i + 1 < kItems; ++i) {
      const double angle = 6.283185307179586 * (i % kGroups) / kGroups;
      block.rows.row(i)[0] = static_cast<float>(0.5 * std::cos(angle));
      block.rows.row(i)[1] = static_cast<float>(0.5 * std::sin(angle));
      for (std::size_t c = 2; c < 10; ++c) block.rows.row(i)[c] = static_cast<float>(random.normal());
    }
    block.present[kItems - 1] = 0;
    content.blocks.push_back(std::move(block));
    for (std::uint32_t user = 0; user < kUsers; ++user) {
      for (int n = 0; n < 12; ++n) {
        log.users.push_back(user);
        const bool liked = n % 4 != 3;
        const std::uint64_t group = liked ? user % kGroups : random.index(kGroups);
        log.items.push_back(static_cast<std::uint32_t>(random.index(kItems / kGroups) * kGroups + group));
        log.labels.push_back(liked ? 1 : 0);
      }
    }
    histories = data::Histories(log, kUsers, 1);
  }

  static AlignmentOptions options() {
    AlignmentOptions options;
    options.width = 16;
    options.hidden = 32;
    options.epochs = 30;
    options.batch_size = 64;
    return options;
  }

  Content content;
  data::Interactions log;
  data::Histories histories;
};

/// Mean cosine of the items of one group less that of all items.
double separation(const Matrix& rows) {
  double same = 0.0, all = 0.0;
  std::size_t num_same = 0, num_all = 0;
  for (std::uint32_t i = 0; i + 1 < Listening::kItems; ++i) {
    for (std::uint32_t j = 0; j < i; ++j) {
      double product = 0.0, square_i = 0.0, square_j = 0.0;
      for (std::size_t c = 0; c < rows.cols(); ++c) {
        product += rows.row(i)[c] * rows.row(j)[c];
        square_i += rows.row(i)[c] * rows.row(i)[c];
        square_j += rows.row(j)[c] * rows.row(j)[c];
      }
      const double cosine = product / std::sqrt(square_i * square_j);
      all += cosine;
      ++num_all;
      if (i % Listening::kGroups != j % Listening::kGroups) continue;
      same += cosine;
      ++num_same;
    }
  }
  return same / static_cast<double>(num_same) - all / static_cast<double>(num_all);
}

TEST(Alignment, BringsItemsTogetherThatTheSameUsersLike) {
  const Listening set;
  const AlignedItems aligned = align_items(set.content, set.log, set.histories, Listening::options());
  EXPECT_LT(separation(set.content.blocks[0].rows), 0.1);
  EXPECT_GT(separation(aligned.rows), 0.4);
  ASSERT_EQ(aligned.losses.size(), 30u);
  EXPECT_LT(aligned.losses.back(), 0.8 * aligned.losses.front());
}

TEST(Alignment, LeavesOutItemsWithoutContentAndDislikes) {
  const Listening set;
  const AlignedItems aligned = align_items(set.content, set.log, set.histories, Listening::options());
  EXPECT_EQ(aligned.present.back(), 0);
  EXPECT_EQ(std::ranges::count(aligned.present, 1), Listening::kItems - 1);
  EXPECT_TRUE(std::ranges::all_of(aligned.rows.row(Listening::kItems - 1), [](float x) { return x == 0.0f; }));
  std::size_t expected = 0;
  for (std::size_t row = 0; row < set.log.size(); ++row) {
    const auto liked = set.histories.positives(set.log.users[row]);
    const auto others = std::ranges::count_if(
        liked, [&](std::uint32_t item) { return item != set.log.items[row] && item + 1 != Listening::kItems; });
    expected += set.log.labels[row] != 0 && set.log.items[row] + 1 != Listening::kItems && others > 0 ? 1 : 0;
  }
  EXPECT_EQ(aligned.num_pairs, expected);
  for (std::uint32_t i = 0; i + 1 < Listening::kItems; ++i) {
    double square = 0.0;
    for (const float x : aligned.rows.row(i)) square += x * x;
    EXPECT_NEAR(square, 1.0, 1e-5) << i;
  }
}

TEST(Alignment, SameBytesForAnyNumberOfThreads) {
  const Listening set;
  AlignmentOptions options = Listening::options();
  options.epochs = 2;
  std::vector<AlignedItems> all;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    base::set_num_threads(threads);
    all.push_back(align_items(set.content, set.log, set.histories, options));
  }
  base::set_num_threads(0);
  options.seed = 2;
  const AlignedItems other = align_items(set.content, set.log, set.histories, options);
  const std::size_t bytes = all[0].rows.size() * sizeof(float);
  EXPECT_EQ(std::memcmp(all[0].rows.data(), all[1].rows.data(), bytes), 0);
  EXPECT_EQ(std::memcmp(all[0].rows.data(), all[2].rows.data(), bytes), 0);
  EXPECT_NE(std::memcmp(all[0].rows.data(), other.rows.data(), bytes), 0);
}

TEST(Alignment, NeedsPairs) {
  const Content content = make_test_content(3, 1);
  data::Interactions log;
  for (const std::uint32_t user : {0u, 1u}) {
    log.users.push_back(user);
    log.items.push_back(user);
  }
  const data::Histories histories(log, 2, 1);
  EXPECT_THROW(align_items(content, log, histories, small_options()), DataError);
  EXPECT_THROW(align_items({}, log, histories, small_options()), InvalidArgument);
}

/// The ranker on given codes; the codes themselves are made by the command line.
class Qarm : public testing::Test {
 protected:
  Qarm() : folder_(fs::temp_directory_path() / ("neume-qarm-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    Listening set;
    data_.sids.items = ItemIds::row_numbers(Listening::kItems);
    CodeFamily vq{kAlignedVq, {6}, {}}, rq{kAlignedRq, {6, 4}, {}};
    for (std::uint32_t i = 0; i < Listening::kItems; ++i) {
      const bool has = i + 1 < Listening::kItems;
      vq.codes.push_back(has ? static_cast<Code>(i % 6) : kNoCode);
      rq.codes.push_back(has ? static_cast<Code>(i % 6) : kNoCode);
      rq.codes.push_back(has ? static_cast<Code>(i % 4) : kNoCode);
    }
    data_.sids.families = {vq, rq};
    for (std::uint32_t user = 0; user < Listening::kUsers; ++user) data_.users.find_or_add(std::int64_t{user});
    data_.train = std::move(set.log);
    options_.model = RankerModel::qarm;
    options_.embedding_width = 16;
    options_.attention_hidden = 16;
    options_.mlp = {16};
  }
  ~Qarm() override { fs::remove_all(folder_); }

  fs::path folder_;
  TrainingData data_;
  RankerOptions options_;
};

TEST_F(Qarm, IsADinOnTheAlignedFamilies) {
  train_ranker(data_, options_, folder_);
  RankerBundle bundle = RankerBundle::load(folder_);
  std::vector<std::string> names;
  for (const auto& p : bundle.network().parameters()) names.push_back(p.name);
  for (const char* name : {"embedding.item", "embedding.aligned_vq.layer0", "embedding.aligned_rq.layer1",
                           "attention.aligned_vq.query_weight"}) {
    EXPECT_EQ(std::ranges::count(names, name), 1) << name;
  }
}

TEST_F(Qarm, RefusesOtherFamilies) {
  options_.families = {kAlignedVq};
  EXPECT_THROW(train_ranker(data_, options_, folder_), InvalidArgument);
  options_.families.clear();
  data_.sids.families.pop_back();
  EXPECT_THROW(train_ranker(data_, options_, folder_), InvalidArgument);
}

TEST_F(Qarm, CentroidsMustBeThoseOfTheCodes) {
  options_.table_init = TableInit::centroids;
  EXPECT_THROW(train_ranker(data_, options_, folder_), InvalidArgument);
  data_.tables.centroids[kAlignedVq].emplace_back(6, 3);
  data_.tables.centroids[kAlignedRq].emplace_back(6, 3);
  EXPECT_THROW(train_ranker(data_, options_, folder_), InvalidArgument);  // a layer is missing
  data_.tables.centroids[kAlignedRq].emplace_back(4, 3);
  base::Random random(1);
  for (auto& [family, layers] : data_.tables.centroids) {
    for (Matrix& layer : layers) {
      for (float& x : layer.flat()) x = static_cast<float>(random.normal());
    }
  }
  train_ranker(data_, options_, folder_);
  const std::string first = base::read_file(folder_ / "manifest.json");
  data_.tables.centroids[kAlignedVq][0].row(0)[0] += 1.0f;
  train_ranker(data_, options_, folder_);
  const auto fingerprint = [](const std::string& manifest) {
    return manifest.substr(manifest.find("training_fingerprint"), 45);
  };
  EXPECT_NE(fingerprint(first), fingerprint(base::read_file(folder_ / "manifest.json")));
  options_.model = RankerModel::popularity;
  EXPECT_THROW(train_ranker(data_, options_, folder_), InvalidArgument);
}

}  // namespace
}  // namespace neume::rank
