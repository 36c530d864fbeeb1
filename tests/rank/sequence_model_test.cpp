// The network: derivatives of every parameter, and laws that hold whatever the numbers.

#include "rank/sequence_model.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "base/parallel.hpp"
#include "nn/gradient_check.hpp"
#include "nn/loss.hpp"
#include "rank/model_fixture.hpp"

namespace neume::rank {
namespace {

constexpr std::size_t kItems = 23;

/// Checks some ten elements of every parameter, spread over it, and of every item row of the batch.
void check_all_gradients(const ItemCodes& codes, const ModelSpec& spec,
                         const Batch& batch = make_batch(67, kItems, 5, 11)) {
  SequenceModel<double> model(spec, codes, 3);
  const auto loss = [&] {
    model.parameters_changed();
    return model.compute_gradients(batch) / static_cast<double>(batch.size());
  };
  loss();
  // Gradients are overwritten by every evaluation of the loss: keep the first.
  struct Entry {
    double* value;
    double gradient;
    std::string what;
  };
  std::vector<Entry> entries;
  for (const auto& p : model.parameters()) {
    if (p.gradients.data == nullptr) continue;
    const std::size_t step = std::max<std::size_t>(1, p.rows * p.cols / 10);
    for (std::size_t i = 0; i < p.rows * p.cols; i += step) {
      entries.push_back({p.values.row(i / p.cols) + i % p.cols, p.gradients.row(i / p.cols)[i % p.cols],
                         p.name + " " + std::to_string(i)});
    }
  }
  const auto items = model.parameters().back();
  ASSERT_EQ(items.name, "embedding.item");
  for (std::size_t slot = 0; slot < model.batch_items().size(); ++slot) {
    for (std::size_t c = 0; c < items.cols; c += 7) {
      entries.push_back({items.values.row(model.batch_items()[slot]) + c, model.item_gradient(slot)[c],
                         "item " + std::to_string(model.batch_items()[slot])});
    }
  }
  double largest = 0.0;
  for (const auto& e : entries) {
    nn::expect_derivative(loss, e.value, e.gradient, e.what);
    largest = std::max(largest, std::abs(e.gradient));
  }
  EXPECT_GT(largest, 1e-3);
}

/// All numbers of a model, for comparisons to the byte.
std::vector<float> snapshot(SequenceModel<float>& model) {
  std::vector<float> all;
  for (const auto& p : model.parameters()) {
    for (std::size_t r = 0; r < p.rows; ++r) all.insert(all.end(), p.values.row(r), p.values.row(r) + p.cols);
  }
  return all;
}

TEST(SequenceModel, GradientsOfMcca) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  check_all_gradients(codes, small_spec(mcca_units(codes, 2)));
}

TEST(SequenceModel, GradientsOfDin) {
  const ItemCodes codes(kItems);
  check_all_gradients(codes, small_spec(din_units(codes)));
}

TEST(SequenceModel, GradientsOfDinWithFamily) {
  const ItemCodes codes(make_sids(kItems, 1), {"text"});
  check_all_gradients(codes, small_spec(din_units(codes)));
}

TEST(SequenceModel, GradientsOfMccaWithoutAPart) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  for (const Ablation without : {Ablation::msc, Ablation::mjc}) {
    SCOPED_TRACE(kAblationNames[static_cast<std::size_t>(without)]);
    check_all_gradients(codes, small_spec(mcca_units(codes, 2, without)));
  }
}

TEST(SequenceModel, PartsThatAreTakenAway) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  const auto msc = mcca_units(codes, 2, Ablation::msc);
  ASSERT_EQ(msc.size(), 2u);
  EXPECT_EQ(msc[0].source, Source{2});
  EXPECT_EQ(msc[0].query, Source{2});
  EXPECT_TRUE(msc[1].source.is_items());
  const auto mjc = mcca_units(codes, 2, Ablation::mjc);
  ASSERT_EQ(mjc.size(), 3u);
  for (std::size_t f = 0; f < 2; ++f) {
    EXPECT_EQ(mjc[f].source, Source{f});
    EXPECT_EQ(mjc[f].query, Source{f});
  }
  EXPECT_TRUE(mjc[2].source.is_items());
}

TEST(SequenceModel, GradientsWithLayersSideBySide) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  ModelSpec spec = small_spec(mcca_units(codes, 2));
  spec.layer_pooling = LayerPooling::concat;
  check_all_gradients(codes, spec);
}

TEST(SequenceModel, LayersSideBySideKeepToTheirColumns) {
  const ItemCodes codes(make_sids(kItems, 1), {"text"});  // three layers in 16 columns: 5, 5, 6
  ModelSpec spec = small_spec(din_units(codes));
  spec.layer_pooling = LayerPooling::concat;
  SequenceModel<float> model(spec, codes, 5);
  const Batch batch = make_batch(67, kItems, 5, 11);
  for (std::size_t t = 1; t <= 5; ++t) model.train(batch, nn::adam_step<float>({1e-2}, t));
  const std::vector<std::size_t> begins = {0, 5, 10}, widths = {5, 5, 6};
  for (const auto& p : model.parameters()) {
    if (!p.name.starts_with("embedding.text.layer")) continue;
    const std::size_t layer = static_cast<std::size_t>(p.name.back() - '0');
    EXPECT_EQ(p.cols, widths[layer]);
    for (std::size_t r = 0; r < p.rows; ++r) {
      const float* row = p.values.row(r) - begins[layer];
      for (std::size_t c = 0; c < spec.width; ++c) {
        const bool own = c >= begins[layer] && c < begins[layer] + widths[layer];
        EXPECT_EQ(row[c] != 0.0f, own) << p.name << " row " << r << " column " << c;
      }
    }
  }
}

TEST(SequenceModel, TablesStartFromCentroids) {
  const ItemCodes codes(make_sids(kItems, 1), {"text"});  // layers of 6, 5 and 4 codes
  base::Random random(9);
  InitialTables tables;
  for (const std::size_t k : {6u, 5u, 4u}) {
    Matrix centroids(k, 200);
    for (std::size_t r = 0; r < k; ++r) {
      for (float& x : centroids.row(r)) x = static_cast<float>(random.normal());
    }
    tables.centroids["text"].push_back(std::move(centroids));
  }
  ModelSpec spec = small_spec(din_units(codes));
  spec.width = 64;
  SequenceModel<double> model(spec, codes, 5, &tables);
  // Distances keep their order of size, and the values have the size of random ones: +-0.7, so 0.7 / sqrt(3).
  double squares = 0.0, product = 0.0, ours = 0.0, theirs = 0.0;
  std::size_t count = 0, layer = 0;
  for (const auto& p : model.parameters()) {
    if (!p.name.starts_with("embedding.text.layer")) continue;
    const Matrix& centroids = tables.centroids["text"][layer++];
    for (std::size_t r = 0; r < p.rows; ++r) {
      for (std::size_t c = 0; c < p.cols; ++c) squares += p.values.row(r)[c] * p.values.row(r)[c];
      count += p.cols;
      for (std::size_t other = 0; other <= r; ++other) {
        double in_table = 0.0, in_space = 0.0;
        for (std::size_t c = 0; c < p.cols; ++c) in_table += p.values.row(r)[c] * p.values.row(other)[c];
        for (std::size_t c = 0; c < 200; ++c) in_space += centroids.row(r)[c] * centroids.row(other)[c];
        product += in_table * in_space;
        ours += in_table * in_table;
        theirs += in_space * in_space;
      }
    }
  }
  ASSERT_EQ(layer, 3u);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(count)), 0.7 / std::sqrt(3.0), 1e-6);
  EXPECT_GT(product / std::sqrt(ours * theirs), 0.8);
}

TEST(SequenceModel, FeaturesAreInputs) {
  const ItemCodes codes(kItems);
  ModelSpec spec = small_spec(din_units(codes));
  spec.features.categories = {{"colour", 4}};
  spec.features.numbers = {"age", "height"};
  Batch batch = make_batch(67, kItems, 0, 11);  // no histories: the features alone tell the label
  for (std::size_t s = 0; s < batch.size(); ++s) {
    batch.targets[s] = 1;
    batch.categories.push_back(batch.labels[s] > 0.5f ? 3 : 1);
    batch.numbers.insert(batch.numbers.end(), {batch.labels[s], 0.5f});
  }
  check_all_gradients(codes, spec, batch);
  spec.embedding_scale = 0.05;
  for (float& number : batch.numbers) number = 0.0f;  // now the category alone
  SequenceModel<float> model(spec, codes, 5);
  double loss = 0.0;
  for (std::size_t t = 1; t <= 200; ++t) loss = model.train(batch, nn::adam_step<float>({1e-2}, t));
  EXPECT_LT(loss / static_cast<double>(batch.size()), 0.01);
}

TEST(SequenceModel, PreparedBatchesTrainToTheSameBytes) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  std::vector<Batch> batches;
  for (std::uint64_t b = 0; b < 5; ++b) batches.push_back(make_batch(20 + 10 * b, kItems, 5, b));
  SequenceModel<float> one(small_spec(mcca_units(codes, 2)), codes, 5);
  SequenceModel<float> other(small_spec(mcca_units(codes, 2)), codes, 5);
  for (std::size_t b = 0; b < batches.size(); ++b) {
    const auto step = nn::adam_step<float>({1e-2}, b + 1);
    const auto next = [&] { return b + 1 < batches.size() ? &batches[b + 1] : nullptr; };
    EXPECT_EQ(one.train(batches[b], step), other.train(batches[b], step, next));
  }
  EXPECT_EQ(snapshot(one), snapshot(other));
}

TEST(SequenceModel, Bf16ProductsStayNear) {
  if (!kernels::has_bf16_products()) GTEST_SKIP() << "this CPU has no bf16 products";
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  ModelSpec spec = small_spec(mcca_units(codes, 2));
  spec.embedding_scale = 0.05;
  SequenceModel<float> full(spec, codes, 5);
  spec.arithmetic = kernels::Arithmetic::bf16;
  SequenceModel<float> half(spec, codes, 5);
  const Batch batch = make_batch(67, kItems, 5, 11);
  const double size = static_cast<double>(batch.size());
  for (std::size_t t = 1; t <= 20; ++t) {
    const double exact = full.train(batch, nn::adam_step<float>({1e-2}, t)) / size;
    const double rounded = half.train(batch, nn::adam_step<float>({1e-2}, t)) / size;
    EXPECT_NEAR(rounded, exact, 0.02) << t;
    EXPECT_NE(rounded, exact) << t;
  }
}

TEST(SequenceModel, GradientsWithSoftmaxAndProduct) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  for (const bool softmax : {false, true}) {
    for (const bool product : {false, true}) {
      if (!softmax && !product) continue;
      SCOPED_TRACE(testing::Message() << "softmax " << softmax << ", product " << product);
      ModelSpec spec = small_spec(mcca_units(codes, 2));
      spec.attention_softmax = softmax;
      spec.attention_product = product;
      check_all_gradients(codes, spec);
    }
  }
}

std::vector<float> train_some(std::size_t threads, std::size_t steps, bool with_options) {
  base::set_num_threads(threads);
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  ModelSpec spec = small_spec(mcca_units(codes, 2));
  spec.attention_softmax = spec.attention_product = with_options;
  SequenceModel<float> model(spec, codes, 5);
  for (std::size_t t = 1; t <= steps; ++t) {
    model.train(make_batch(67, kItems, 5, t), nn::adam_step<float>({0.01}, t));
  }
  base::set_num_threads(0);
  return snapshot(model);
}

TEST(SequenceModel, SameBytesForAnyNumberOfThreads) {
  for (const bool with_options : {false, true}) {
    const auto one = train_some(1, 12, with_options);
    for (const std::size_t threads : {2u, 3u}) {
      const auto many = train_some(threads, 12, with_options);
      ASSERT_EQ(one.size(), many.size());
      EXPECT_EQ(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)), 0) << threads;
    }
  }
}

TEST(SequenceModel, LearnsABatchByHeart) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  SequenceModel<float> model(small_spec(mcca_units(codes, 2)), codes, 5);
  const Batch batch = make_batch(40, kItems, 5, 1);
  const double before = model.compute_gradients(batch) / 40;
  double after = before;
  for (std::size_t t = 1; t <= 300; ++t) after = model.train(batch, nn::adam_step<float>({0.01}, t)) / 40;
  EXPECT_LT(after, 0.2 * before);
}

TEST(SequenceModel, ScoreOfASampleDoesNotDependOnItsBatch) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  SequenceModel<float> model(small_spec(mcca_units(codes, 2)), codes, 5);
  const Batch batch = make_batch(64, kItems, 5, 7);
  std::vector<float> together(64);
  model.score(batch, together);
  for (std::size_t s = 0; s < 64; s += 9) {
    Batch alone;
    alone.clear();
    alone.history.assign(batch.history.begin() + batch.history_offsets[s],
                         batch.history.begin() + batch.history_offsets[s + 1]);
    alone.add(batch.targets[s], 0.0f);
    float logit = 0.0f;
    model.score(alone, {&logit, 1});
    EXPECT_NEAR(logit, together[s], 1e-5f) << s;
  }
}

TEST(SequenceModel, HistoryOrderDoesNotMatter) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  SequenceModel<float> model(small_spec(mcca_units(codes, 2)), codes, 5);
  Batch batch, reversed;
  batch.clear();
  reversed.clear();
  batch.history = {1, 2, 3, 9, 14};
  reversed.history = {14, 9, 3, 2, 1};
  batch.add(6, 0.0f);
  reversed.add(6, 0.0f);
  float a = 0.0f, b = 1.0f;
  model.score(batch, {&a, 1});
  model.score(reversed, {&b, 1});
  EXPECT_NEAR(a, b, 1e-5f);
}

/// MCCA written out plainly from the paper's equations, in double, on the model's parameters.
class PlainMcca {
 public:
  PlainMcca(SequenceModel<double>& model, const SemanticIds& sids) : sids_(sids) {
    for (const auto& p : model.parameters()) parameters_.push_back(p);
  }

  double logit(const Batch& batch, std::size_t s) const {
    const std::vector<double> joint = embedding(2, batch.targets[s]);
    std::vector<double> input;
    for (std::size_t f = 0; f < 3; ++f) append(input, pooled(batch, s, f, joint));
    const std::vector<double> item = item_embedding(batch.targets[s]);
    append(input, pooled(batch, s, kItemFamily, item));
    append(input, joint);
    append(input, item);
    return mlp(input);
  }

 private:
  static constexpr std::size_t kItemFamily = 3;
  static void append(std::vector<double>& to, const std::vector<double>& from) {
    to.insert(to.end(), from.begin(), from.end());
  }

  const nn::ParameterView<double>& find(const std::string& name) const {
    return *std::ranges::find_if(parameters_, [&](const auto& p) { return p.name == name; });
  }

  std::vector<double> item_embedding(std::uint32_t item) const {
    const auto& table = find("embedding.item");
    return {table.values.row(item), table.values.row(item) + table.cols};
  }

  /// Sum of the layers' embeddings; zero for an item without codes.
  std::vector<double> embedding(std::size_t family, std::uint32_t item) const {
    if (family == kItemFamily) return item_embedding(item);
    const CodeFamily& codes = sids_.families[family];
    std::vector<double> sum(16, 0.0);
    if (!codes.has(item)) return sum;
    for (std::size_t l = 0; l < codes.num_layers(); ++l) {
      const auto& table = find("embedding." + codes.name + ".layer" + std::to_string(l));
      for (std::size_t c = 0; c < 16; ++c) sum[c] += table.values.row(codes.of(item)[l])[c];
    }
    return sum;
  }

  std::vector<double> pooled(const Batch& batch, std::size_t s, std::size_t family,
                             const std::vector<double>& query) const {
    std::vector<double> sum(16, 0.0);
    for (std::size_t j = batch.history_offsets[s]; j < batch.history_offsets[s + 1]; ++j) {
      const std::uint32_t item = batch.history[j];
      if (family != kItemFamily && !sids_.families[family].has(item)) continue;
      const auto e = embedding(family, item);
      const double a = attention(family == kItemFamily ? "item" : sids_.families[family].name, e, query);
      for (std::size_t c = 0; c < 16; ++c) sum[c] += a * e[c];
    }
    return sum;
  }

  double attention(const std::string& name, const std::vector<double>& e, const std::vector<double>& query) const {
    const std::string unit = "attention." + name;
    const auto& from_item = find(unit + ".item_weight");
    const auto& from_query = find(unit + ".query_weight");
    double a = find(unit + ".output_bias").values.data[0];
    for (std::size_t h = 0; h < from_item.rows; ++h) {
      double x = find(unit + ".hidden_bias").values.data[h];
      for (std::size_t c = 0; c < 16; ++c)
        x += from_item.values.row(h)[c] * e[c] + from_query.values.row(h)[c] * query[c];
      a += find(unit + ".output_weight").values.data[h] * std::max(x, 0.0);
    }
    return a;
  }

  double mlp(std::vector<double> x) const {
    for (std::size_t l = 0; l < 3; ++l) {
      const auto& weight = find("mlp." + std::to_string(l) + ".weight");
      std::vector<double> y(weight.rows);
      for (std::size_t i = 0; i < weight.rows; ++i) {
        y[i] = find("mlp." + std::to_string(l) + ".bias").values.data[i];
        for (std::size_t c = 0; c < weight.cols; ++c) y[i] += weight.values.row(i)[c] * x[c];
        if (l < 2) y[i] = std::max(y[i], 0.0);
      }
      x = y;
    }
    return x[0];
  }

  const SemanticIds& sids_;
  std::vector<nn::ParameterView<double>> parameters_;
};

TEST(SequenceModel, MccaAgreesWithThePlainEquations) {
  const SemanticIds sids = make_sids(kItems, 1);
  const ItemCodes codes(sids, {"text", "audio", "joint"});
  SequenceModel<double> model(small_spec(mcca_units(codes, 2)), codes, 5);
  const Batch batch = make_batch(67, kItems, 5, 7);
  std::vector<double> logits(67);
  model.score(batch, logits);
  const PlainMcca plain(model, sids);
  for (std::size_t s = 0; s < 67; ++s) EXPECT_NEAR(logits[s], plain.logit(batch, s), 1e-10) << s;
}

}  // namespace
}  // namespace neume::rank
