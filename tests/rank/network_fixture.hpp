#pragma once
// Inputs of the rankers that read content, features or users, and the checks that all trained networks must pass.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "nn/gradient_check.hpp"
#include "rank/embedding_table.hpp"
#include "rank/model_fixture.hpp"
#include "rank/model_setup.hpp"

namespace neume::rank {

inline constexpr std::size_t kFixtureItems = 23;
inline constexpr std::size_t kFixtureUsers = 9;
inline constexpr std::size_t kFixtureBatch = 70;

/// Two modalities of different widths; every fifth item lacks the second.
inline Content make_test_content(std::size_t num_items, std::uint64_t seed) {
  base::Random random(seed);
  Content content;
  const std::vector<std::pair<std::string, std::size_t>> shapes = {{"text", 7}, {"audio", 3}};
  for (const auto& [name, width] : shapes) {
    ContentBlock block{name, Matrix(num_items, width), std::vector<std::uint8_t>(num_items, 1)};
    for (std::size_t i = 0; i < num_items; ++i) {
      block.present[i] = name == "audio" && i % 5 == 4 ? 0 : 1;
      for (float& x : block.rows.row(i)) x = block.present[i] != 0 ? static_cast<float>(random.normal()) : 0.0f;
    }
    content.blocks.push_back(std::move(block));
  }
  return content;
}

/// What a network under test reads.
struct NetworkFixture {
  explicit NetworkFixture(std::vector<std::string> families = {}, bool with_features = true)
      : sids(make_sids(kFixtureItems, 1)),
        codes(families.empty() ? ItemCodes(kFixtureItems) : ItemCodes(sids, families)),
        content(make_test_content(kFixtureItems, 2)) {
    if (with_features) layout = {{{"device", 4}, {"country", 6}}, {"age", "hour", "price"}};
  }

  NetworkInputs inputs() const { return {codes, content, layout, histories, kFixtureUsers}; }

  /// Users known, beyond the table and kNoUser; empty histories among them (make_batch).
  Batch batch(std::size_t size, std::uint64_t seed) const {
    Batch made = make_batch(size, kFixtureItems, 5, seed);
    base::Random random(seed + 1000);
    for (auto& user : made.users) {
      const std::uint64_t drawn = random.index(kFixtureUsers + 3);
      user = drawn == kFixtureUsers ? Batch::kNoUser : static_cast<std::uint32_t>(drawn);
    }
    for (std::size_t s = 0; s < size; ++s) {
      for (const auto& c : layout.categories)
        made.categories.push_back(static_cast<std::uint32_t>(random.index(c.rows)));
      for (std::size_t n = 0; n < layout.numbers.size(); ++n)
        made.numbers.push_back(static_cast<float>(random.normal()));
    }
    return made;
  }

  SemanticIds sids;
  ItemCodes codes;
  Content content;
  data::FeatureLayout layout;
  data::Histories histories;
};

/// Central differences of up to 40 elements of every dense parameter, and of every row of every table that the batch
/// looks up. Model: a Network<double> with tables().
template <class Model>
void check_gradients(Model& model, const Batch& batch) {
  struct Entry {
    double* value;
    double gradient;
    std::string what;
  };
  const auto loss = [&] { return model.compute_gradients(batch) / static_cast<double>(batch.size()); };
  base::set_num_threads(1);  // hundreds of tiny passes
  loss();
  std::vector<Entry> entries;  // gradients are overwritten by every evaluation of the loss
  for (const auto& p : model.parameters()) {
    if (p.gradients.data == nullptr) continue;
    const std::size_t step = std::max<std::size_t>(1, p.rows * p.cols / 40);
    for (std::size_t i = 0; i < p.rows * p.cols; i += step) {
      entries.push_back({p.values.row(i / p.cols) + i % p.cols, p.gradients.row(i / p.cols)[i % p.cols],
                         p.name + " " + std::to_string(i)});
    }
  }
  for (EmbeddingTable<double>* table : model.tables()) {
    double largest = 0.0;
    for (std::size_t slot = 0; slot < table->distinct_rows().size(); ++slot) {
      const std::uint32_t row = table->distinct_rows()[slot];
      for (std::size_t c = 0; c<table->width(); c += table->width()> 4 ? 3 : 1) {
        entries.push_back({table->row(row) + c, table->gradient(slot)[c],
                           table->name() + " row " + std::to_string(row) + " column " + std::to_string(c)});
        largest = std::max(largest, std::abs(table->gradient(slot)[c]));
      }
    }
    EXPECT_GT(largest, 1e-4) << table->name();
  }
  double largest = 0.0;
  for (const auto& e : entries) {
    nn::expect_derivative(loss, e.value, e.gradient, e.what);
    largest = std::max(largest, std::abs(e.gradient));
  }
  base::set_num_threads(0);
  EXPECT_GT(largest, 1e-3);
}

/// All numbers of a model.
inline std::vector<float> snapshot(Network<float>& model) {
  std::vector<float> all;
  for (const auto& p : model.parameters()) {
    for (std::size_t r = 0; r < p.rows; ++r) all.insert(all.end(), p.values.row(r), p.values.row(r) + p.cols);
  }
  return all;
}

/// `make()` gives a fresh model; trains it for 12 steps on 1, 2 and 3 threads.
template <class Make>
void expect_same_bytes_for_any_threads(const NetworkFixture& fixture, const Make& make) {
  std::vector<std::vector<float>> all;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    base::set_num_threads(threads);
    const auto model = make();
    for (std::size_t t = 1; t <= 12; ++t) {
      model->train(fixture.batch(kFixtureBatch, t), nn::adam_step<float>({0.01}, t));
    }
    all.push_back(snapshot(*model));
  }
  base::set_num_threads(0);
  for (std::size_t i : {1u, 2u}) {
    ASSERT_EQ(all[0].size(), all[i].size());
    EXPECT_EQ(std::memcmp(all[0].data(), all[i].data(), all[0].size() * sizeof(float)), 0) << i + 1 << " threads";
  }
}

/// A batch that the model can tell apart sample by sample must be learnt by heart.
inline void expect_learns_by_heart(Network<float>& model, const Batch& batch) {
  const auto size = static_cast<double>(batch.size());
  const double before = model.compute_gradients(batch) / size;
  double after = before;
  for (std::size_t t = 1; t <= 400; ++t) after = model.train(batch, nn::adam_step<float>({0.01}, t)) / size;
  EXPECT_LT(after, 0.2 * before);
}

/// A sample's logit is the same alone as in its batch.
inline void expect_samples_do_not_depend_on_their_batch(Network<float>& model, const NetworkFixture& fixture) {
  const Batch batch = fixture.batch(kFixtureBatch, 7);
  std::vector<float> together(batch.size());
  model.score(batch, together);
  const std::size_t categories = fixture.layout.categories.size();
  const std::size_t numbers = fixture.layout.numbers.size();
  for (std::size_t s = 0; s < batch.size(); s += 9) {
    Batch alone;
    alone.clear();
    alone.history.assign(batch.history.begin() + batch.history_offsets[s],
                         batch.history.begin() + batch.history_offsets[s + 1]);
    for (std::size_t c = 0; c < categories; ++c) alone.categories.push_back(batch.categories[s * categories + c]);
    for (std::size_t n = 0; n < numbers; ++n) alone.numbers.push_back(batch.numbers[s * numbers + n]);
    alone.add(batch.targets[s], 0.0f, batch.users[s]);
    float logit = 0.0f;
    model.score(alone, {&logit, 1});
    EXPECT_NEAR(logit, together[s], 1e-5f) << s;
  }
}

}  // namespace neume::rank
