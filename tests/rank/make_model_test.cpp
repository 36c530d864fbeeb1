// MAKE: derivatives, its equations written out plainly, and laws of training.

#include "rank/make_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <neume/error.hpp>

#include "rank/network_fixture.hpp"

namespace neume::rank {
namespace {

MakeSpec small_make() {
  MakeSpec spec;
  spec.width = 16;
  spec.attention_hidden = 32;
  spec.mlp = {24, 12};
  spec.max_batch = kFixtureBatch;
  spec.max_history = 5;
  return spec;
}

/// MAKE has no tables with lazy Adam: all its gradients are dense.
struct Checked {
  MakeModel<double>& model;

  double compute_gradients(const Batch& batch) {
    model.parameters_changed();  // the check writes them
    return model.compute_gradients(batch);
  }
  std::vector<nn::ParameterView<double>> parameters() { return model.parameters(); }
  std::vector<EmbeddingTable<double>*> tables() { return {}; }
};

/// Projections are small at first; wide apart, every term of the gradients is far from rounding.
void scale_projections(MakeModel<double>& model) {
  for (const auto& view : model.parameters()) {
    if (view.name.find("projection") == std::string::npos) continue;
    for (std::size_t i = 0; i < view.rows * view.cols; ++i) view.values.data[i] *= 2.0;
  }
}

TEST(MakeModel, Gradients) {
  const NetworkFixture fixture;
  MakeModel<double> model(small_make(), fixture.content, 3);
  scale_projections(model);
  Checked checked{model};
  check_gradients(checked, fixture.batch(67, 11));
}

TEST(MakeModel, GradientsWithSoftmaxAndProduct) {
  const NetworkFixture fixture;
  MakeSpec spec = small_make();
  spec.attention_softmax = true;
  spec.attention_product = true;
  MakeModel<double> model(spec, fixture.content, 3);
  scale_projections(model);
  Checked checked{model};
  check_gradients(checked, fixture.batch(67, 11));
}

using Vector = std::vector<double>;

/// The model's equations on its parameters, a sample at a time.
class PlainMake {
 public:
  PlainMake(MakeModel<double>& model, const Content& content) : views_(model.parameters()), content_(content) {}

  /// The last hidden layer, then the logit.
  Vector operator()(const Batch& batch, std::size_t s) const {
    Vector input, targets;
    for (const auto& block : content_.blocks) {
      const Vector target = projected(block, batch.targets[s]);
      Vector pooled(target.size(), 0.0);
      for (std::size_t j = batch.history_offsets[s]; j < batch.history_offsets[s + 1]; ++j) {
        const Vector item = projected(block, batch.history[j]);
        const double weight = attention(block.name, item, target);
        for (std::size_t c = 0; c < pooled.size(); ++c) pooled[c] += weight * item[c];
      }
      input.insert(input.end(), pooled.begin(), pooled.end());
      targets.insert(targets.end(), target.begin(), target.end());
    }
    input.insert(input.end(), targets.begin(), targets.end());
    Vector out = layer(1, layer(0, input));
    out.push_back(dense("make.mlp.2", out)[0]);
    return out;
  }

 private:
  const nn::ParameterView<double>& find(const std::string& name) const {
    return *std::ranges::find(views_, name, &nn::ParameterView<double>::name);
  }
  Vector product(const std::string& name, const Vector& x) const {
    const auto& weights = find(name);
    Vector y(weights.rows, 0.0);
    for (std::size_t r = 0; r < weights.rows; ++r) {
      for (std::size_t c = 0; c < weights.cols; ++c) y[r] += weights.values.row(r)[c] * x[c];
    }
    return y;
  }
  Vector projected(const ContentBlock& block, std::uint32_t item) const {
    return product("make.content." + block.name + ".projection",
                   Vector(block.rows.row(item).begin(), block.rows.row(item).end()));
  }
  double attention(const std::string& modality, const Vector& item, const Vector& target) const {
    const std::string name = "make.attention." + modality;
    const Vector from_item = product(name + ".item_weight", item);
    const Vector from_target = product(name + ".query_weight", target);
    double score = find(name + ".output_bias").values.data[0];
    for (std::size_t h = 0; h < from_item.size(); ++h) {
      const double x = from_item[h] + from_target[h] + find(name + ".hidden_bias").values.data[h];
      score += find(name + ".output_weight").values.data[h] * std::max(0.0, x);
    }
    return score;
  }
  Vector dense(const std::string& name, const Vector& x) const {
    Vector y = product(name + ".weight", x);
    for (std::size_t r = 0; r < y.size(); ++r) y[r] += find(name + ".bias").values.data[r];
    return y;
  }
  Vector layer(std::size_t l, const Vector& x) const {
    Vector y = dense("make.mlp." + std::to_string(l), x);
    for (double& value : y) value = std::max(0.0, value);
    return y;
  }

  std::vector<nn::ParameterView<double>> views_;
  const Content& content_;
};

TEST(MakeModel, AgreesWithThePlainEquations) {
  const NetworkFixture fixture;
  MakeModel<double> model(small_make(), fixture.content, 3);
  scale_projections(model);
  const Batch batch = fixture.batch(67, 7);
  std::vector<double> logits(67);
  model.score(batch, logits);
  const auto knowledge = model.extract(batch);
  const PlainMake plain(model, fixture.content);
  std::size_t positive = 0;
  ASSERT_EQ(model.knowledge_width(), 12u);
  for (std::size_t s = 0; s < 67; ++s) {
    const Vector expected = plain(batch, s);
    EXPECT_NEAR(logits[s], expected.back(), 1e-12) << s;
    for (std::size_t c = 0; c < 12; ++c) {
      EXPECT_NEAR(knowledge.row(s)[c], expected[c], 1e-12) << s;
      positive += expected[c] > 0.0 ? 1 : 0;
    }
  }
  EXPECT_GT(positive, 67u);  // not a comparison of zeros
}

TEST(MakeModel, SameBytesForAnyNumberOfThreads) {
  const NetworkFixture fixture;
  expect_same_bytes_for_any_threads(
      fixture, [&] { return std::make_unique<MakeModel<float>>(small_make(), fixture.content, 5); });
}

TEST(MakeModel, LearnsABatchByHeart) {
  const NetworkFixture fixture;
  MakeModel<float> model(small_make(), fixture.content, 5);
  Batch batch = fixture.batch(40, 1);
  for (std::size_t s = 0; s < 40; ++s) batch.labels[s] = batch.targets[s] % 3 == 0 ? 1.0f : 0.0f;
  expect_learns_by_heart(model, batch);
}

TEST(MakeModel, ScoreOfASampleDoesNotDependOnItsBatch) {
  const NetworkFixture fixture;
  MakeModel<float> model(small_make(), fixture.content, 5);
  expect_samples_do_not_depend_on_their_batch(model, fixture);
}

TEST(MakeModel, AsksForContentAndAHiddenLayer) {
  const NetworkFixture fixture;
  EXPECT_THROW(MakeModel<float>(small_make(), Content(), 5), InvalidArgument);
  MakeSpec flat = small_make();
  flat.mlp.clear();
  EXPECT_THROW(MakeModel<float>(flat, fixture.content, 5), InvalidArgument);
}

}  // namespace
}  // namespace neume::rank
