// One request scored in its own way must say what the network says of its samples one by one, for every model.

#include "rank/request_scorer.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "kernels/matmul.hpp"
#include "rank/model_fixture.hpp"
#include "rank/network_fixture.hpp"
#include "rank/request_sequence.hpp"
#include "rank/training.hpp"

namespace neume::rank {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kItems = 45;
constexpr std::size_t kUsers = 30;
constexpr std::size_t kHistory = 20;
constexpr std::size_t kExact = 10;  // candidates a batch that are scored in double

struct Case {
  std::string name;
  RankerOptions options;
  bool features = false;
};

Case make_case(const std::string& name, RankerModel model) {
  Case made{name, {}, false};
  made.options.model = model;
  made.options.embedding_width = 16;
  made.options.attention_hidden = 32;
  made.options.mlp = {24, 12};
  made.options.batch_size = 32;
  made.options.negatives = 1;
  made.options.history = kHistory;
  return made;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, RankerModel model) -> Case& {
    cases.push_back(make_case(name, model));
    return cases.back();
  };
  add("mcca", RankerModel::mcca);
  add("mcca_without_msc", RankerModel::mcca).options.without = Ablation::msc;
  add("mcca_without_mjc", RankerModel::mcca).options.without = Ablation::mjc;
  add("mcca_softmax", RankerModel::mcca).options.attention_softmax = true;
  add("mcca_product", RankerModel::mcca).options.attention_input = AttentionInput::product;
  add("mcca_concat", RankerModel::mcca).options.layer_pooling = LayerPooling::concat;
  add("mcca_bf16", RankerModel::mcca).options.precision = Precision::bf16;
  add("mcca_features", RankerModel::mcca).features = true;
  add("mcca_one_layer", RankerModel::mcca).options.mlp = {16};
  RankerOptions& all = add("mcca_softmax_product_concat", RankerModel::mcca).options;
  all.attention_softmax = true;
  all.attention_input = AttentionInput::product;
  all.layer_pooling = LayerPooling::concat;
  cases.push_back(cases.back());
  cases.back().name += "_bf16_features";
  cases.back().options.precision = Precision::bf16;
  cases.back().features = true;
  add("din", RankerModel::din);
  add("din_families", RankerModel::din).options.families = {"text", "audio"};
  cases.push_back(cases.back());
  cases.back().name += "_features";
  cases.back().features = true;
  add("qarm", RankerModel::qarm);
  add("dlrm", RankerModel::dlrm).options.families = {"joint"};
  add("dlrm_features", RankerModel::dlrm).features = true;
  add("vbpr", RankerModel::vbpr);
  add("simtier_make", RankerModel::simtier_make).options.make_epochs = 1;
  add("popularity", RankerModel::popularity);
  add("itemknn", RankerModel::itemknn);
  return cases;
}

/// A trained ranker whose parameters were then drawn anew, so that every one of them matters.
class Requests : public testing::TestWithParam<Case> {
 protected:
  Requests() : folder_(fs::temp_directory_path() / ("neume-requests-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    base::set_num_threads(1);  // small trainings, and requests use one thread
    write_tables();
    RankerOptions options = GetParam().options;
    if (GetParam().features) {
      options.features = {"genre=" + path("items.csv") + ":genre", "day", "hour",
                          "length=" + path("items.csv") + ":length"};
    }
    train_ranker(read(options), options, folder_ / "model");
    bundle_ = std::make_unique<RankerBundle>(RankerBundle::load(folder_ / "model"));
    draw_parameters();
  }
  ~Requests() override {
    base::set_num_threads(0);
    fs::remove_all(folder_);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  void write_tables() const {
    base::Random random(3);
    std::ofstream train(path("train.csv")), items(path("items.csv"));
    train << "user_id,item_id,day,hour\n";
    for (std::size_t user = 0; user < kUsers; ++user) {
      for (int n = 0; n < 12; ++n) {
        train << user << ',' << random.index(kItems) << ",day" << n % 3 << ',' << n + 0.5 << '\n';
      }
    }
    items << "item_id,genre,length\n";
    for (std::size_t item = 0; item + 1 < kItems; ++item)
      items << item << ",genre" << item % 4 << ',' << item << ".5\n";
  }

  TrainingData read(const RankerOptions& options) const {
    TrainingData data;
    data.sids = make_sids(kItems, 1);
    if (options.model == RankerModel::qarm) {
      data.sids.families[0].name = "aligned_vq";
      data.sids.families[1].name = "aligned_rq";
    }
    const data::IdIndex items(data.sids.items);
    data.features = data::FeatureSet(options.features, 0);
    const data::LogReading reading{{}, options.features.empty() ? nullptr : &data.features};
    data.train = data::read_interactions(path("train.csv"), items, data.users, {}, reading);
    if (!options.features.empty()) data.features.read_items(items, "item_id");
    if (options.model == RankerModel::vbpr || options.model == RankerModel::simtier_make) {
      data.content = make_test_content(kItems, 2);
    }
    return data;
  }

  void draw_parameters() {
    if (!bundle_->network().learns_by_gradient()) return;
    base::Random random(7);
    for (const auto& p : bundle_->network().parameters()) {
      for (std::size_t r = 0; r < p.rows; ++r) {
        for (std::size_t c = 0; c < p.cols; ++c) p.values.row(r)[c] = static_cast<float>(random.uniform() - 0.5);
      }
    }
    bundle_->network().parameters_changed();
  }

  bool is_sequence() const {
    const RankerModel model = bundle_->options().model;
    return model == RankerModel::mcca || model == RankerModel::din || model == RankerModel::qarm;
  }

  /// What the network says of the request's samples.
  std::vector<float> network_logits(std::uint32_t user, const std::vector<RequestItem>& history,
                                    const std::vector<RequestItem>& candidates) {
    Batch batch;
    std::vector<float> logits(candidates.size());
    for (std::size_t begin = 0; begin < candidates.size(); begin += 16) {
      batch.clear();
      for (std::size_t i = begin; i < std::min(begin + 16, candidates.size()); ++i) {
        for (const auto& item : history) batch.history.push_back(item.row);
        bundle_->features().append_unknown_log(batch.categories, batch.numbers);
        bundle_->features().append_item(candidates[i].row, batch.categories, batch.numbers);
        batch.add(candidates[i].row, 0.0f, user);
      }
      bundle_->network().score(batch, std::span(logits).subspan(begin, batch.size()));
    }
    return logits;
  }

  void expect_equal_to_the_network();
  void expect_independent_candidates();
  void expect_same_bits_on_all_threads();
  void expect_contributions_of_history();
  void expect_contributions_of_sources();
  void expect_refusals();
  void expect_new_items_by_their_codes();

  fs::path folder_;
  std::unique_ptr<RankerBundle> bundle_;
};

std::vector<RequestItem> items_of(std::size_t count, std::uint64_t seed) {
  base::Random random(seed);
  std::vector<RequestItem> items(count);
  for (auto& item : items) item.row = static_cast<std::uint32_t>(random.index(kItems));
  return items;
}

std::vector<RequestItem> every_item_and_some_twice() {
  std::vector<RequestItem> items(kItems);
  for (std::uint32_t row = 0; row < kItems; ++row) items[row].row = row;
  items.push_back({3});
  items.push_back({0});
  return items;
}

std::vector<float> score(const RequestScorer& scorer, const ScoreRequest& request) {
  std::vector<float> logits(request.candidates.size());
  scorer.score(request, logits);
  return logits;
}

void expect_near(float found, float expected, const std::string& what) {
  EXPECT_NEAR(found, expected, 1e-5f * std::max(1.0f, std::abs(expected))) << what;
}

void Requests::expect_equal_to_the_network() {
  const RequestScorer scorer(*bundle_);
  const auto candidates = every_item_and_some_twice();
  for (const std::size_t length : {0u, 1u, 5u, 20u}) {
    const auto history = items_of(length, length);
    for (const std::uint32_t user : {2u, static_cast<std::uint32_t>(Batch::kNoUser)}) {
      const auto logits = score(scorer, {user, history, candidates});
      const auto expected = network_logits(user, history, candidates);
      for (std::size_t i = 0; i < logits.size(); ++i) {
        expect_near(logits[i], expected[i],
                    "history of " + std::to_string(length) + ", candidate " + std::to_string(i));
      }
    }
  }
}

void Requests::expect_independent_candidates() {
  const RequestScorer scorer(*bundle_);
  const auto candidates = every_item_and_some_twice();
  const auto history = items_of(20, 5);
  const auto together = score(scorer, {1, history, candidates});
  auto reversed = candidates;
  std::ranges::reverse(reversed);
  auto backwards = score(scorer, {1, history, reversed});
  std::ranges::reverse(backwards);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    expect_near(backwards[i], together[i], "reversed");
    const auto alone = score(scorer, {1, history, std::span(candidates).subspan(i, 1)});
    expect_near(alone[0], together[i], "alone");
  }
}

void Requests::expect_same_bits_on_all_threads() {
  const RequestScorer scorer(*bundle_);
  const auto candidates = every_item_and_some_twice();
  std::vector<std::vector<RequestItem>> histories;
  std::vector<std::vector<float>> expected;
  for (std::size_t r = 0; r < 4; ++r) {
    histories.push_back(items_of(3 + 5 * r, r));
    expected.push_back(score(scorer, {1, histories[r], candidates}));
  }
  std::vector<std::thread> threads;
  std::vector<std::size_t> differing(4, 0);
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const base::ThreadLimit limit(1);
      for (std::size_t round = 0; round < 20; ++round) {
        const std::size_t r = (t + round) % 4;
        if (score(scorer, {1, histories[r], candidates}) != expected[r]) ++differing[t];
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(differing, std::vector<std::size_t>(4, 0));
}

void Requests::expect_contributions_of_history() {
  const RequestScorer scorer(*bundle_);
  const auto candidates = every_item_and_some_twice();
  for (const std::size_t length : {1u, 12u}) {
    const auto history = items_of(length, 20 + length);
    const Explanation explanation = scorer.explain({1, history, candidates}, 7, length);
    const float whole = score(scorer, {1, history, std::span(candidates).subspan(7, 1)})[0];
    expect_near(static_cast<float>(explanation.logit), whole, "logit");
    ASSERT_EQ(explanation.history.size(), length);
    double last = INFINITY;
    for (const auto& item : explanation.history) {
      auto without = history;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(item.place));
      const float rest = score(scorer, {1, without, std::span(candidates).subspan(7, 1)})[0];
      EXPECT_NEAR(item.contribution, whole - rest, 2e-5 * std::max(1.0, std::abs(static_cast<double>(whole))));
      EXPECT_LE(std::abs(item.contribution), last);
      last = std::abs(item.contribution);
    }
    EXPECT_EQ(scorer.explain({1, history, candidates}, 7, 1).history.size(), 1u);
  }
}

// A net whose output weights and bias are zero gives every history item the weight 0: its source is not there.
void Requests::expect_contributions_of_sources() {
  const auto candidates = every_item_and_some_twice();
  const auto history = items_of(12, 9);
  const Explanation explanation = RequestScorer(*bundle_).explain({1, history, candidates}, 7, 0);
  if (!is_sequence()) {
    EXPECT_TRUE(explanation.sources.empty());
    return;
  }
  EXPECT_EQ(explanation.sources.back().name, "item");
  if (bundle_->options().attention_softmax) return;  // equal scores would be equal weights
  const float whole = network_logits(1, history, {candidates[7]})[0];
  for (const auto& source : explanation.sources) {
    for (const auto& p : bundle_->network().parameters()) {
      const bool cut = p.name == "attention." + source.name + ".output_weight" ||
                       p.name == "attention." + source.name + ".output_bias";
      if (cut) std::fill_n(p.values.data, p.cols, 0.0f);
    }
    bundle_->network().parameters_changed();
    const float rest = network_logits(1, history, {candidates[7]})[0];
    EXPECT_NEAR(source.contribution, whole - rest, 2e-5 * std::max(1.0f, std::abs(whole))) << source.name;
    draw_parameters();
  }
}

void Requests::expect_refusals() {
  const RequestScorer scorer(*bundle_);
  const std::vector<RequestItem> good = {{1}}, beyond = {{kItems}}, new_item = {{}};
  float logit = 0.0f;
  EXPECT_THROW(scorer.score({0, beyond, good}, {&logit, 1}), InvalidArgument);
  EXPECT_THROW(scorer.score({0, good, beyond}, {&logit, 1}), InvalidArgument);
  EXPECT_THROW(scorer.score({0, good, good}, std::span<float>()), InvalidArgument);
  EXPECT_THROW(scorer.score({0, good, new_item}, {&logit, 1}), InvalidArgument);
  EXPECT_THROW(scorer.explain({0, good, good}, 1, 1), InvalidArgument);
  scorer.score({0, good, {}}, {});
  if (!scorer.scores_new_items()) return;
  for (const std::size_t change : {0u, 1u}) {
    std::vector<Code> codes(bundle_->codes().stride(), kNoCode);
    codes[0] = change == 0 ? 6 : 1;  // outside the first codebook; a family with one code of several
    const std::vector<RequestItem> broken = {{RequestItem::kNoRow, codes}};
    if (change == 1 && bundle_->codes().families()[0].num_layers() == 1) continue;
    EXPECT_THROW(scorer.score({0, good, broken}, {&logit, 1}), InvalidArgument);
  }
}

// An item whose embedding is zero adds nothing to a sum over item embeddings: a new item is like it.
void Requests::expect_new_items_by_their_codes() {
  const RequestScorer first(*bundle_);
  const bool has_codes = !bundle_->codes().families().empty();
  const RankerModel model = bundle_->options().model;
  EXPECT_EQ(first.scores_new_items(), model == RankerModel::mcca || (model == RankerModel::din && has_codes));
  if (!first.scores_new_items() || GetParam().features || bundle_->options().attention_softmax) return;
  const SemanticIds sids = make_sids(kItems, 1);
  for (const std::uint32_t row : {8u, 9u}) {  // 9 lacks audio and joint
    std::vector<Code> codes;
    for (const FamilyLayout& family : bundle_->codes().families()) {
      const auto of_item = sids.find(family.name)->of(row);
      codes.insert(codes.end(), of_item.begin(), of_item.end());
    }
    for (const auto& p : bundle_->network().parameters()) {
      if (p.name == "embedding.item") std::fill_n(p.values.row(row), p.cols, 0.0f);
    }
    const RequestItem new_item{RequestItem::kNoRow, codes};
    const std::vector<RequestItem> known_history = {{1}, {row}, {2}, {row}}, known = {{row}, {4}};
    const std::vector<RequestItem> new_history = {{1}, new_item, {2}, new_item}, candidates = {new_item, {4}};
    const auto expected = network_logits(1, known_history, known);
    const auto logits = score(RequestScorer(*bundle_), {1, new_history, candidates});
    for (std::size_t i = 0; i < 2; ++i) expect_near(logits[i], expected[i], "new item " + std::to_string(row));
    EXPECT_EQ(RequestScorer(*bundle_).explain({1, new_history, candidates}, 0, 9).history.size(), 4u);
  }
}

// One training a model serves all its tests of a kind.
TEST_P(Requests, AreScoredAsTheNetworkScores) {
  expect_equal_to_the_network();
  expect_independent_candidates();
  expect_same_bits_on_all_threads();
  expect_new_items_by_their_codes();
}

TEST_P(Requests, AreExplainedOrRefused) {
  expect_contributions_of_history();
  expect_refusals();
  expect_contributions_of_sources();
}

/// A float model and the same in double, with a history as long as `length`.
struct LongHistory {
  explicit LongHistory(std::size_t length, std::uint64_t seed)
      : sids(make_sids(400, seed)), codes(sids, {"text", "audio", "joint"}) {
    ModelSpec spec = small_spec(mcca_units(codes, 2));
    spec.max_batch = kExact;
    spec.max_history = length;
    model = std::make_unique<SequenceModel<float>>(spec, codes, seed);
    exact = std::make_unique<SequenceModel<double>>(spec, codes, seed);
    const auto from = model->parameters();
    const auto to = exact->parameters();
    for (std::size_t p = 0; p < from.size(); ++p) {
      for (std::size_t r = 0; r < from[p].rows; ++r) {
        std::copy_n(from[p].values.row(r), from[p].cols, to[p].values.row(r));
      }
    }
    exact->parameters_changed();
    base::Random random(seed);
    history.resize(length);
    for (auto& item : history) item.row = static_cast<std::uint32_t>(400 * random.uniform() * random.uniform());
    for (std::uint32_t row = 0; row < 400; ++row) candidates.push_back({row});
  }

  SemanticIds sids;
  ItemCodes codes;
  std::unique_ptr<SequenceModel<float>> model;
  std::unique_ptr<SequenceModel<double>> exact;
  std::vector<RequestItem> history, candidates;
};

TEST(LongHistories, AreExact) {
  for (const std::size_t length : {50u, 300u, 10000u}) {
    LongHistory lived(length, length);
    const data::FeatureSet no_features;
    const RequestSequence scorer(*lived.model, lived.codes, no_features, true);
    std::vector<float> logits(400);
    scorer.score({0, lived.history, lived.candidates}, logits);
    for (std::size_t begin = 0; begin < 400; begin += 200) {
      Batch batch;
      batch.clear();
      for (std::size_t i = begin; i < begin + kExact; ++i) {
        for (const auto& item : lived.history) batch.history.push_back(item.row);
        batch.add(lived.candidates[i].row, 0.0f);
      }
      std::vector<double> exact(kExact);
      lived.exact->score(batch, exact);
      for (std::size_t i = 0; i < kExact; ++i) {
        expect_near(logits[begin + i], static_cast<float>(exact[i]), "history of " + std::to_string(length));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Requests, testing::ValuesIn(all_cases()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace neume::rank
