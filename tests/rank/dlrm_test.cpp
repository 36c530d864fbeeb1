// DLRM: derivatives, its equations written out plainly, and laws of training.

#include "rank/dlrm.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "rank/network_fixture.hpp"

namespace neume::rank {
namespace {

const DlrmSpec kSpec{16, {24, 12}, kFixtureBatch, 0.7};

TEST(Dlrm, Gradients) {
  const NetworkFixture fixture({"text", "audio", "joint"});
  Dlrm<double> model(kSpec, fixture.inputs(), 3);
  check_gradients(model, fixture.batch(67, 11));
}

TEST(Dlrm, GradientsOfItemsAlone) {
  const NetworkFixture fixture({}, false);
  Dlrm<double> model(kSpec, fixture.inputs(), 3);
  check_gradients(model, fixture.batch(67, 11));
}

/// The equations of dlrm.hpp on the model's parameters.
class PlainDlrm {
 public:
  PlainDlrm(Dlrm<double>& model, const NetworkFixture& fixture) : fixture_(fixture), views_(model.parameters()) {}

  double logit(const Batch& batch, std::size_t s) const {
    Vectors z = {item(batch.targets[s])};
    const std::vector<std::uint32_t> history(batch.history.begin() + batch.history_offsets[s],
                                             batch.history.begin() + batch.history_offsets[s + 1]);
    Vectors embedded;
    for (const auto j : history) embedded.push_back(item(j));
    z.push_back(mean(embedded));
    for (const auto& family : fixture_.sids.families) {
      z.push_back(family.has(batch.targets[s]) ? codes(family, batch.targets[s]) : Vector(16, 0.0));
      embedded.clear();
      for (const auto j : history) {
        if (family.has(j)) embedded.push_back(codes(family, j));
      }
      z.push_back(mean(embedded));
    }
    z.push_back(row("feature.device", batch.categories[2 * s]));
    z.push_back(row("feature.country", batch.categories[2 * s + 1]));
    z.push_back(network("bottom", 2,
                        {batch.numbers.begin() + static_cast<std::ptrdiff_t>(3 * s),
                         batch.numbers.begin() + static_cast<std::ptrdiff_t>(3 * s + 3)}));
    Vector input = z.back();
    for (std::size_t i = 1; i < z.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        double sum = 0.0;
        for (std::size_t c = 0; c < 16; ++c) sum += z[i][c] * z[j][c];
        input.push_back(sum);
      }
    }
    return network("mlp", 3, input)[0];
  }

 private:
  using Vector = std::vector<double>;
  using Vectors = std::vector<Vector>;

  const nn::ParameterView<double>& find(const std::string& name) const {
    return *std::ranges::find(views_, name, &nn::ParameterView<double>::name);
  }
  Vector row(const std::string& name, std::size_t r) const {
    return {find(name).values.row(r), find(name).values.row(r) + find(name).cols};
  }
  Vector item(std::uint32_t i) const { return row("embedding.item", i); }
  Vector codes(const CodeFamily& family, std::uint32_t i) const {
    Vector sum(16, 0.0);
    for (std::size_t l = 0; l < family.num_layers(); ++l) {
      const Vector e = row("embedding." + family.name + ".layer" + std::to_string(l), family.of(i)[l]);
      for (std::size_t c = 0; c < 16; ++c) sum[c] += e[c];
    }
    return sum;
  }
  static Vector mean(const Vectors& vectors) {
    Vector sum(16, 0.0);
    for (const auto& v : vectors) {
      for (std::size_t c = 0; c < 16; ++c) sum[c] += v[c] / static_cast<double>(vectors.size());
    }
    return sum;
  }
  Vector network(const std::string& name, std::size_t layers, Vector x) const {
    for (std::size_t l = 0; l < layers; ++l) {
      const auto& weight = find(name + "." + std::to_string(l) + ".weight");
      Vector y = row(name + "." + std::to_string(l) + ".bias", 0);
      for (std::size_t i = 0; i < weight.rows; ++i) {
        for (std::size_t c = 0; c < weight.cols; ++c) y[i] += weight.values.row(i)[c] * x[c];
        if (l + 1 < layers) y[i] = std::max(y[i], 0.0);
      }
      x = y;
    }
    return x;
  }

  const NetworkFixture& fixture_;
  std::vector<nn::ParameterView<double>> views_;
};

TEST(Dlrm, AgreesWithThePlainEquations) {
  const NetworkFixture fixture({"text", "audio", "joint"});
  Dlrm<double> model(kSpec, fixture.inputs(), 5);
  const Batch batch = fixture.batch(67, 7);
  std::vector<double> logits(67);
  model.score(batch, logits);
  const PlainDlrm plain(model, fixture);
  for (std::size_t s = 0; s < 67; ++s) EXPECT_NEAR(logits[s], plain.logit(batch, s), 1e-10) << s;
}

TEST(Dlrm, SameBytesForAnyNumberOfThreads) {
  const NetworkFixture fixture({"text", "joint"});
  expect_same_bytes_for_any_threads(fixture, [&] { return std::make_unique<Dlrm<float>>(kSpec, fixture.inputs(), 5); });
}

TEST(Dlrm, LearnsABatchByHeart) {
  const NetworkFixture fixture({"text", "joint"});
  Dlrm<float> model(kSpec, fixture.inputs(), 5);
  expect_learns_by_heart(model, fixture.batch(40, 1));
}

TEST(Dlrm, ScoreOfASampleDoesNotDependOnItsBatch) {
  const NetworkFixture fixture({"text", "joint"});
  Dlrm<float> model(kSpec, fixture.inputs(), 5);
  expect_samples_do_not_depend_on_their_batch(model, fixture);
}

}  // namespace
}  // namespace neume::rank
