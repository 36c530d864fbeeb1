// SimTier and MAKE side by side with DIN: which epoch trains what, what the main model is given, what training keeps.

#include "rank/simtier_make.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/safetensors.hpp"
#include "rank/network_fixture.hpp"
#include "rank/training.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

SimTierMakeSpec small_simtier(const NetworkFixture& fixture) {
  SimTierMakeSpec spec{small_spec(din_units(fixture.codes)), 4, 2};
  spec.main.features = fixture.layout;
  return spec;
}

std::map<std::string, std::vector<float>> values_of(SimTierMake& model) {
  std::map<std::string, std::vector<float>> values;
  for (const auto& p : model.parameters()) {
    auto& all = values[p.name];
    for (std::size_t r = 0; r < p.rows; ++r) all.insert(all.end(), p.values.row(r), p.values.row(r) + p.cols);
  }
  return values;
}

TEST(SimTierMake, EveryEpochMovesItsOwnPart) {
  const NetworkFixture fixture;
  SimTierMake model(small_simtier(fixture), fixture.inputs(), 5);
  EXPECT_EQ(model.extra_epochs(), 2u);
  for (std::size_t epoch = 1; epoch <= 4; ++epoch) {
    model.begin_epoch(epoch);
    const auto before = values_of(model);
    model.train(fixture.batch(kFixtureBatch, epoch), nn::adam_step<float>({0.01}, epoch));
    for (const auto& [name, values] : values_of(model)) {
      const bool of_make = name.starts_with("make.");
      EXPECT_EQ(values != before.at(name), of_make == (epoch <= 2)) << name << " in epoch " << epoch;
    }
  }
}

TEST(SimTierMake, TheMainModelReadsFeaturesTiersAndKnowledge) {
  const NetworkFixture fixture;
  const SimTierMakeSpec spec = small_simtier(fixture);
  SimTierMake model(spec, fixture.inputs(), 5);
  // The same parts, put together by hand: a sequence model of the same parameters, and a MAKE of the same parameters.
  ModelSpec plain_spec = spec.main;
  constexpr std::size_t kTierColumns = 2 * 4, kKnowledge = 12;
  for (std::size_t i = 0; i < kTierColumns + kKnowledge; ++i) plain_spec.features.numbers.push_back("further");
  SequenceModel<float> plain(plain_spec, fixture.codes, 1);
  MakeSpec make_spec;
  make_spec.width = spec.main.width;
  make_spec.attention_hidden = spec.main.attention_hidden;
  make_spec.mlp = spec.main.mlp;
  make_spec.max_batch = spec.main.max_batch;
  make_spec.max_history = spec.main.max_history;
  MakeModel<float> make(make_spec, fixture.content, 1);
  const auto values = values_of(model);
  auto views = plain.parameters();
  for (const auto& view : make.parameters()) views.push_back(view);
  for (const auto& view : views) {
    for (std::size_t i = 0; i < view.rows * view.cols; ++i) {
      view.values.row(i / view.cols)[i % view.cols] = values.at(view.name)[i];
    }
  }
  plain.parameters_changed();
  make.parameters_changed();

  const Batch batch = fixture.batch(67, 7);
  Batch whole = batch;
  whole.numbers.clear();
  const SimilarityTiers tiers(fixture.content, {4, spec.main.max_history});
  const auto knowledge = make.extract(batch);
  for (std::size_t s = 0; s < 67; ++s) {
    std::vector<float> of_all(67 * kTierColumns);
    tiers.write(batch, {s, s + 1}, {of_all.data(), kTierColumns});
    whole.numbers.insert(whole.numbers.end(), batch.numbers.data() + 3 * s, batch.numbers.data() + 3 * s + 3);
    whole.numbers.insert(whole.numbers.end(), of_all.data() + s * kTierColumns, of_all.data() + (s + 1) * kTierColumns);
    whole.numbers.insert(whole.numbers.end(), knowledge.row(s), knowledge.row(s) + kKnowledge);
  }
  std::vector<float> expected(67), found(67);
  plain.score(whole, expected);
  model.begin_epoch(3);
  model.score(batch, found);
  EXPECT_EQ(found, expected);
  make.score(batch, expected);
  model.begin_epoch(2);
  model.score(batch, found);
  EXPECT_EQ(found, expected);
}

TEST(SimTierMake, ABatchMadeAheadTrainsToTheSameBytes) {
  const NetworkFixture fixture;
  std::vector<std::vector<float>> ends;
  for (const bool ahead : {false, true}) {
    SimTierMake model(small_simtier(fixture), fixture.inputs(), 5);
    model.begin_epoch(3);
    std::array<Batch, 2> batches{fixture.batch(kFixtureBatch, 1), {}};
    std::vector<float> logits(40);
    for (std::size_t t = 1; t <= 6; ++t) {
      const Batch& batch = batches[(t - 1) % 2];
      Batch& coming = batches[t % 2];
      const auto make_next = [&]() -> const Batch* {
        coming = fixture.batch(kFixtureBatch - t, t + 1);
        return t < 6 ? &coming : nullptr;
      };
      const auto step = nn::adam_step<float>({0.01}, t);
      if (ahead) {
        model.train(batch, step, make_next);
      } else {
        model.train(batch, step);
        make_next();
      }
      if (t == 4) model.score(fixture.batch(40, 99), logits);  // between a batch that was announced and its turn
    }
    ends.push_back(snapshot(model));
  }
  EXPECT_TRUE(ends[0] == ends[1]);
}

TEST(SimTierMake, SameBytesForAnyNumberOfThreads) {
  const NetworkFixture fixture({"text"});
  expect_same_bytes_for_any_threads(fixture, [&] {
    auto model = std::make_unique<SimTierMake>(small_simtier(fixture), fixture.inputs(), 5);
    model->train(fixture.batch(kFixtureBatch, 50), nn::adam_step<float>({0.01}, 1));
    model->begin_epoch(3);
    return model;
  });
}

TEST(SimTierMake, LearnsABatchByHeartAndScoresSamplesAlone) {
  const NetworkFixture fixture;
  SimTierMake model(small_simtier(fixture), fixture.inputs(), 5);
  model.begin_epoch(3);
  expect_samples_do_not_depend_on_their_batch(model, fixture);
  Batch batch = fixture.batch(40, 1);
  for (std::size_t s = 0; s < 40; ++s) batch.labels[s] = batch.targets[s] % 3 == 0 ? 1.0f : 0.0f;
  expect_learns_by_heart(model, batch);
}

TEST(SimTierMake, AsksForContentAndAHiddenLayer) {
  const NetworkFixture fixture;
  const Content none;
  EXPECT_THROW(
      SimTierMake(small_simtier(fixture), {fixture.codes, none, fixture.layout, fixture.histories, kFixtureUsers}, 5),
      InvalidArgument);
  SimTierMakeSpec flat = small_simtier(fixture);
  flat.main.mlp.clear();
  EXPECT_THROW(SimTierMake(flat, fixture.inputs(), 5), InvalidArgument);
}

class SimTierMakeTraining : public testing::Test {
 protected:
  SimTierMakeTraining() : folder_(fs::temp_directory_path() / ("neume-simtier-make-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
  }
  ~SimTierMakeTraining() override { fs::remove_all(folder_); }

  /// 40 items of two kinds, which their content tells apart; a user likes one kind.
  static TrainingData data() {
    base::Random random(9);
    TrainingData made;
    made.sids.items = ItemIds::row_numbers(40);
    made.sids.families.push_back(
        {"text", {2}, std::vector<Code>(40, 0)});  // a file of IDs has a family; nobody reads it
    ContentBlock block{"text", Matrix(40, 4), std::vector<std::uint8_t>(40, 1)};
    for (std::size_t i = 0; i < 40; ++i) {
      for (std::size_t c = 0; c < 4; ++c) {
        block.rows.row(i)[c] = static_cast<float>((c == i % 2 ? 1.0 : 0.0) + 0.1 * random.normal());
      }
    }
    made.content.blocks.push_back(std::move(block));
    made.validation.emplace();
    for (std::uint32_t user = 0; user < 60; ++user) made.users.find_or_add("listener " + std::to_string(user));
    for (std::uint32_t n = 0; n < 10; ++n) {
      for (std::uint32_t user = 0; user < 60; ++user) {
        data::Interactions& log = n < 8 ? made.train : *made.validation;
        log.users.push_back(user);
        log.items.push_back(static_cast<std::uint32_t>(random.index(20)) * 2 + user % 2);
      }
    }
    return made;
  }

  static RankerOptions options() {
    RankerOptions made;
    made.model = RankerModel::simtier_make;
    made.embedding_width = 16;
    made.attention_hidden = 16;
    made.mlp = {16, 8};
    made.batch_size = 64;
    made.epochs = 2;
    made.make_epochs = 3;
    made.negatives = 2;
    made.learning_rate = 5e-3;
    return made;
  }

  std::string bytes(const std::string& run) const { return base::read_file(folder_ / run / "ranker.safetensors"); }

  fs::path folder_;
};

TEST_F(SimTierMakeTraining, MakesEpochsComeFirstAndStayOutOfTheRest) {
  const TrainingData training = data();
  const auto result = train_ranker(training, options(), folder_ / "run");
  ASSERT_EQ(result.epochs.size(), 5u);
  EXPECT_EQ(result.best_epoch, 5u);
  EXPECT_LT(result.epochs[2].training_loss, result.epochs[0].training_loss);
  EXPECT_GT(*result.epochs[2].validation->auc, 0.7);  // MAKE alone
  // Further epochs of the main model leave MAKE as the third epoch did.
  RankerOptions longer = options();
  longer.epochs = 3;
  train_ranker(training, longer, folder_ / "longer");
  const data::SafetensorsFile one(folder_ / "run" / "ranker.safetensors");
  const data::SafetensorsFile other(folder_ / "longer" / "ranker.safetensors");
  std::vector<float> a(16 * 4), b(16 * 4);
  one.read("make.content.text.projection", std::span(a));
  other.read("make.content.text.projection", std::span(b));
  EXPECT_EQ(a, b);
  std::vector<float> c(40 * 16), d(40 * 16);
  one.read("embedding.item", std::span(c));
  other.read("embedding.item", std::span(d));
  EXPECT_NE(c, d);
}

TEST_F(SimTierMakeTraining, PatienceCountsTheMainEpochsAlone) {
  const TrainingData training = data();
  RankerOptions with_patience = options();
  with_patience.patience = 1;
  with_patience.learning_rate = 0.0;  // no epoch is better than the one before
  with_patience.epochs = 6;
  const auto result = train_ranker(training, with_patience, folder_);
  EXPECT_EQ(result.best_epoch, 4u);
  EXPECT_EQ(result.epochs.size(), 5u);
}

struct Interrupt {};

TEST_F(SimTierMakeTraining, InterruptedAnywhereEndsInTheSameBytes) {
  const TrainingData training = data();
  RankerOptions often = options();
  often.checkpoint_every = 5;
  train_ranker(training, often, folder_ / "whole");
  constexpr std::size_t kStepsAnEpoch = 23;  // 60 users x 8 likes x (1 + 2 negatives) / 64, rounded up
  for (const std::size_t stop : {std::size_t{12}, kStepsAnEpoch, 3 * kStepsAnEpoch + 1, 4 * kStepsAnEpoch + 13}) {
    fs::remove_all(folder_ / "parts");
    TrainingEvents events;
    std::size_t left = stop;
    events.progress = [&](const ProgressUpdate& update) {
      EXPECT_EQ(update.total, 60 * 8 * 3);
      if (--left == 0) throw Interrupt{};
    };
    EXPECT_THROW(train_ranker(training, often, folder_ / "parts", events), Interrupt);
    EXPECT_EQ(train_ranker(training, often, folder_ / "parts").resumed, stop > 5);
    EXPECT_TRUE(bytes("parts") == bytes("whole")) << "stopped at step " << stop;
  }
}

TEST_F(SimTierMakeTraining, ContentIsAskedFor) {
  TrainingData training = data();
  training.content.blocks.clear();
  EXPECT_THROW(train_ranker(training, options(), folder_), InvalidArgument);
}

}  // namespace
}  // namespace neume::rank
