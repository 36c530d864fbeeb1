// Tables with lazy Adam against plain loops.

#include "rank/embedding_table.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "rank/feature_inputs.hpp"

namespace neume::rank {
namespace {

constexpr std::uint32_t kNone = EmbeddingTable<double>::kNone;

TEST(EmbeddingTable, StartsUniformInItsScale) {
  const EmbeddingTable<float> table("t", {5000, 6, 0.25}, 3);
  double sum = 0.0, squares = 0.0;
  for (std::size_t r = 0; r < 5000; ++r) {
    for (std::size_t c = 0; c < 6; ++c) {
      EXPECT_LE(std::abs(table.row(r)[c]), 0.25f);
      sum += table.row(r)[c];
      squares += table.row(r)[c] * table.row(r)[c];
    }
  }
  // 30,000 values of standard deviation .25 / sqrt(3) = .144: the mean's is .00083, the variance's about .00011.
  EXPECT_NEAR(sum / 30000, 0.0, 0.005);
  EXPECT_NEAR(squares / 30000, 0.25 * 0.25 / 3, 0.0006);
}

TEST(EmbeddingTable, CopiesRowsAndZeros) {
  EmbeddingTable<double> table("t", {5, 3, 1.0}, 3);
  table.look_up(std::vector<std::uint32_t>{4, kNone, 0, 4});
  EXPECT_EQ(table.distinct_rows(), (std::vector<std::uint32_t>{4, 0}));
  std::vector<double> out(4 * 5, 7.0);
  table.copy({0, 4}, {out.data(), 5});
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(out[c], table.row(4)[c]);
    EXPECT_EQ(out[5 + c], 0.0);
    EXPECT_EQ(out[10 + c], table.row(0)[c]);
    EXPECT_EQ(out[15 + c], table.row(4)[c]);
  }
  for (const std::size_t i : {3u, 4u, 8u, 19u}) EXPECT_EQ(out[i], 7.0);
}

TEST(EmbeddingTable, RefusesRowsThatItLacks) {
  EmbeddingTable<double> table("t", {5, 3, 1.0}, 3);
  EXPECT_THROW(table.look_up(std::vector<std::uint32_t>{5}), InternalError);
}

/// Adam as Kingma & Ba write it, for one number.
struct PlainAdam {
  double value, first = 0.0, second = 0.0;

  void step(double gradient, double rate, std::size_t t) {
    first = 0.9 * first + 0.1 * gradient;
    second = 0.999 * second + 0.001 * gradient * gradient;
    const double m = first / (1 - std::pow(0.9, static_cast<double>(t)));
    const double v = second / (1 - std::pow(0.999, static_cast<double>(t)));
    value -= rate * m / (std::sqrt(v) + 1e-8);
  }
};

TEST(EmbeddingTable, LazyAdamMovesTheRowsOfTheBatchAlone) {
  constexpr std::size_t kRows = 40, kWidth = 5, kLookups = 30;
  EmbeddingTable<double> table("t", {kRows, kWidth, 0.5}, 9);
  std::vector<PlainAdam> plain;
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kWidth; ++c) plain.push_back({table.row(r)[c]});
  }
  base::Random random(4);
  for (std::size_t t = 1; t <= 10; ++t) {
    std::vector<std::uint32_t> rows(kLookups), sources(kLookups);
    std::vector<double> weights(kLookups), gradients(kLookups * 8);
    for (double& g : gradients) g = random.normal();
    for (std::size_t i = 0; i < kLookups; ++i) {
      const auto drawn = static_cast<std::uint32_t>(random.index(12));
      rows[i] = drawn == 11 ? kNone : drawn;
      sources[i] = static_cast<std::uint32_t>(random.index(kLookups));
      weights[i] = random.normal();
    }
    std::map<std::uint32_t, std::vector<double>> sums;
    for (std::size_t i = 0; i < kLookups; ++i) {
      if (rows[i] == kNone) continue;
      auto& sum = sums.try_emplace(rows[i], kWidth, 0.0).first->second;
      for (std::size_t c = 0; c < kWidth; ++c) sum[c] += weights[i] * gradients[sources[i] * 8 + c];
    }
    for (const auto& [row, sum] : sums) {
      for (std::size_t c = 0; c < kWidth; ++c) plain[row * kWidth + c].step(sum[c], 0.02, t);
    }
    const auto step = nn::adam_step<double>({0.02}, t);
    table.look_up(rows);
    table.update({{gradients.data(), 8}, sources, weights}, &step);
    EXPECT_EQ(table.distinct_rows().size(), sums.size());
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t c = 0; c < kWidth; ++c) EXPECT_NEAR(table.row(r)[c], plain[r * kWidth + c].value, 1e-12) << r;
  }
  EXPECT_EQ(plain[20 * kWidth].first, 0.0);  // a row that no batch touched
}

std::vector<float> trained_values(std::size_t threads) {
  base::set_num_threads(threads);
  constexpr std::size_t kRows = 9000, kWidth = 6, kLookups = 3000;
  EmbeddingTable<float> table("t", {kRows, kWidth, 0.5}, 9);
  base::Random random(4);
  for (std::size_t t = 1; t <= 4; ++t) {
    std::vector<std::uint32_t> rows(kLookups);
    std::vector<float> gradients(kLookups * kWidth);
    for (auto& row : rows) row = static_cast<std::uint32_t>(random.index(t % 2 == 0 ? 10 : kRows));
    for (auto& g : gradients) g = static_cast<float>(random.normal());
    const auto step = nn::adam_step<float>({0.02}, t);
    table.look_up(rows);
    table.update({{gradients.data(), kWidth}}, &step);
  }
  base::set_num_threads(0);
  std::vector<float> all;
  for (std::size_t r = 0; r < kRows; ++r) all.insert(all.end(), table.row(r), table.row(r) + kWidth);
  return all;
}

TEST(EmbeddingTable, SameBytesForAnyNumberOfThreads) {
  const auto one = trained_values(1);
  for (const std::size_t threads : {2u, 3u}) {
    const auto many = trained_values(threads);
    EXPECT_EQ(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)), 0) << threads;
  }
}

TEST(FeatureInputs, WritesCategoriesThenNumbers) {
  FeatureInputs<double> features({{{"a", 3}, {"b", 2}}, {"x", "y"}}, {4, 0.5}, 1);
  ASSERT_EQ(features.columns(), 10u);
  Batch batch;
  batch.clear();
  batch.categories = {2, 0, 1, 1};
  batch.numbers = {0.5f, -1.0f, 2.0f, 3.0f};
  batch.add(0, 0.0f);
  batch.add(0, 1.0f);
  features.look_up(batch);
  std::vector<double> out(2 * 11, 7.0);
  features.write({0, 2}, {out.data(), 11});
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_EQ(out[c], features.tables()[0].row(2)[c]);
    EXPECT_EQ(out[4 + c], features.tables()[1].row(0)[c]);
    EXPECT_EQ(out[11 + c], features.tables()[0].row(1)[c]);
    EXPECT_EQ(out[15 + c], features.tables()[1].row(1)[c]);
  }
  EXPECT_EQ(out[8], 0.5);
  EXPECT_EQ(out[9], -1.0);
  EXPECT_EQ(out[10], 7.0);
  EXPECT_EQ(out[11 + 9], 3.0);
}

TEST(FeatureInputs, HandsEachTableItsColumns) {
  FeatureInputs<double> features({{{"a", 3}, {"b", 2}}, {"x"}}, {2, 0.5}, 1);
  Batch batch;
  batch.clear();
  batch.categories = {2, 0, 2, 1};
  batch.numbers = {0.0f, 0.0f};
  batch.add(0, 0.0f);
  batch.add(0, 1.0f);
  features.look_up(batch);
  const std::vector<double> gradients = {1, 2, 3, 4, 99, 10, 20, 30, 40, 99};
  features.update({gradients.data(), 5}, nullptr);
  EXPECT_EQ(features.tables()[0].gradient(0)[0], 11.0);
  EXPECT_EQ(features.tables()[0].gradient(0)[1], 22.0);
  EXPECT_EQ(features.tables()[1].gradient(0)[1], 4.0);
  EXPECT_EQ(features.tables()[1].gradient(1)[0], 30.0);
}

TEST(FeatureInputs, NoFeaturesHaveNoColumns) {
  FeatureInputs<float> features({}, {}, 1);
  Batch batch;
  batch.clear();
  batch.add(0, 0.0f);
  features.look_up(batch);
  features.write({0, 1}, {});
  features.update({}, nullptr);
  EXPECT_EQ(features.columns(), 0u);
  batch.numbers = {1.0f};
  EXPECT_THROW(features.look_up(batch), InternalError);
}

}  // namespace
}  // namespace neume::rank
