// VBPR: derivatives, its equation written out plainly, and laws of training.

#include "rank/vbpr.hpp"

#include <gtest/gtest.h>

#include <memory>

#include <neume/error.hpp>

#include "rank/network_fixture.hpp"

namespace neume::rank {
namespace {

constexpr VbprSpec kSpec{16, kFixtureBatch, 0.7};

TEST(Vbpr, Gradients) {
  const NetworkFixture fixture;
  Vbpr<double> model(kSpec, fixture.inputs(), 3);
  check_gradients(model, fixture.batch(67, 11));
}

TEST(Vbpr, GradientsWithoutFeatures) {
  const NetworkFixture fixture({}, false);
  Vbpr<double> model(kSpec, fixture.inputs(), 3);
  check_gradients(model, fixture.batch(67, 11));
}

/// Equation 4 of the paper with its modalities and features, on the model's parameters.
double plain_logit(Vbpr<double>& model, const NetworkFixture& fixture, const Batch& batch, std::size_t s) {
  const auto views = model.parameters();
  const auto find = [&](const std::string& name) -> const nn::ParameterView<double>& {
    return *std::ranges::find(views, name, &nn::ParameterView<double>::name);
  };
  const auto dot_rows = [](const double* a, const double* b, std::size_t n) {
    double sum = 0.0;
    for (std::size_t c = 0; c < n; ++c) sum += a[c] * b[c];
    return sum;
  };
  const std::uint32_t user = batch.users[s], item = batch.targets[s];
  const bool known = user < kFixtureUsers;
  double logit = find("bias").values.data[0] + find("bias.item").values.row(item)[0];
  if (known) {
    logit += find("bias.user").values.row(user)[0];
    logit += dot_rows(find("embedding.user").values.row(user), find("embedding.item").values.row(item), 16);
  }
  for (const auto& block : fixture.content.blocks) {
    const std::string prefix = "content." + block.name;
    const std::vector<double> f(block.rows.row(item).begin(), block.rows.row(item).end());
    const auto& projection = find(prefix + ".projection");
    for (std::size_t r = 0; known && r < 16; ++r) {
      logit += find(prefix + ".user").values.row(user)[r] * dot_rows(projection.values.row(r), f.data(), f.size());
    }
    logit += dot_rows(find(prefix + ".bias").values.data, f.data(), f.size());
  }
  logit += find("feature.device").values.row(batch.categories[2 * s])[0];
  logit += find("feature.country").values.row(batch.categories[2 * s + 1])[0];
  for (std::size_t n = 0; n < 3; ++n) logit += find("numbers.weight").values.data[n] * batch.numbers[3 * s + n];
  return logit;
}

TEST(Vbpr, AgreesWithThePlainEquation) {
  const NetworkFixture fixture;
  Vbpr<double> model(kSpec, fixture.inputs(), 3);
  base::Random random(8);
  for (const auto& view : model.parameters()) {  // biases start at 0: give every term something to say
    for (std::size_t r = 0; r < view.rows; ++r) {
      for (std::size_t c = 0; c < view.cols; ++c) view.values.row(r)[c] = random.normal();
    }
  }
  const Batch batch = fixture.batch(67, 7);
  std::vector<double> logits(67);
  model.score(batch, logits);
  std::size_t unknown = 0;
  for (std::size_t s = 0; s < 67; ++s) {
    EXPECT_NEAR(logits[s], plain_logit(model, fixture, batch, s), 1e-10) << s;
    unknown += batch.users[s] >= kFixtureUsers ? 1 : 0;
  }
  EXPECT_GT(unknown, 5u);
}

TEST(Vbpr, SameBytesForAnyNumberOfThreads) {
  const NetworkFixture fixture;
  expect_same_bytes_for_any_threads(fixture, [&] { return std::make_unique<Vbpr<float>>(kSpec, fixture.inputs(), 5); });
}

TEST(Vbpr, LearnsABatchByHeart) {
  const NetworkFixture fixture;
  Vbpr<float> model(kSpec, fixture.inputs(), 5);
  Batch batch = fixture.batch(40, 1);
  // Samples of one user and one item would be told apart by their features alone: one label a pair.
  for (std::size_t s = 0; s < 40; ++s) {
    batch.users[s] = static_cast<std::uint32_t>(s % kFixtureUsers);
    batch.targets[s] = static_cast<std::uint32_t>(s % kFixtureItems);
  }
  expect_learns_by_heart(model, batch);
}

TEST(Vbpr, ScoreOfASampleDoesNotDependOnItsBatch) {
  const NetworkFixture fixture;
  Vbpr<float> model(kSpec, fixture.inputs(), 5);
  expect_samples_do_not_depend_on_their_batch(model, fixture);
}

TEST(Vbpr, AsksForContent) {
  const NetworkFixture fixture;
  const Content none;
  try {
    Vbpr<float> model(kSpec, {fixture.codes, none, fixture.layout, fixture.histories, kFixtureUsers}, 5);
    FAIL() << "expected an InvalidArgument";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("--modality"), std::string::npos);
  }
}

}  // namespace
}  // namespace neume::rank
