// Judging semantic IDs: laws of entropy, then cases worked by hand.

#include "eval/sid_quality.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::eval {
namespace {

using Labels = std::vector<std::uint32_t>;

/// Skewed random codes; one item in `missing_every` has none (0 = all have codes).
CodeFamily random_family(std::size_t items, std::vector<std::size_t> sizes, std::uint64_t seed,
                         std::size_t missing_every = 0) {
  base::Random random(seed);
  CodeFamily family{.name = "text", .codebook_sizes = sizes, .codes = {}};
  for (std::size_t item = 0; item < items; ++item) {
    const bool missing = missing_every != 0 && item % missing_every == 0;
    for (const std::size_t k : sizes) {
      const double u = random.uniform();
      family.codes.push_back(missing ? kNoCode : static_cast<Code>(u * u * static_cast<double>(k)));
    }
  }
  return family;
}

/// H(values) by a map, one value a row.
template <class Value>
double naive_entropy(const std::vector<Value>& values) {
  std::map<Value, double> counts;
  for (const Value& value : values) counts[value] += 1.0;
  double entropy = 0.0;
  for (const auto& [value, count] : counts) {
    const double p = count / static_cast<double>(values.size());
    entropy -= p * std::log(p);
  }
  return entropy;
}

/// I(a ; b | c) = sum p(a,b,c) ln( p(c) p(a,b,c) / (p(a,c) p(b,c)) ), straight from the definition.
double naive_conditional_information(const std::vector<int>& a, const Labels& b,
                                     const std::vector<std::vector<int>>& c) {
  std::map<std::vector<int>, double> joint, with_a, with_b, alone;
  const auto extended = [](std::vector<int> key, std::vector<int> more) {
    key.insert(key.end(), more.begin(), more.end());
    return key;
  };
  for (std::size_t i = 0; i < a.size(); ++i) {
    joint[extended(c[i], {a[i], static_cast<int>(b[i])})] += 1;
    with_a[extended(c[i], {a[i]})] += 1;
    with_b[extended(c[i], {static_cast<int>(b[i])})] += 1;
    alone[c[i]] += 1;
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::log(alone[c[i]] * joint[extended(c[i], {a[i], static_cast<int>(b[i])})] /
                    (with_a[extended(c[i], {a[i]})] * with_b[extended(c[i], {static_cast<int>(b[i])})]));
  }
  return sum / static_cast<double>(a.size());
}

TEST(SidQuality, ConditionalEntropiesSumToTheEntropyOfTheId) {
  const CodeFamily family = random_family(500, {8, 5, 9}, 1, 11);
  const SidQuality quality = judge(family);
  std::vector<std::vector<Code>> ids;
  for (std::size_t item = 0; item < family.num_items(); ++item) {
    if (family.has(item)) ids.emplace_back(family.of(item).begin(), family.of(item).end());
  }
  double sum = 0.0;
  for (const LayerQuality& layer : quality.layers) sum += layer.conditional_entropy;
  EXPECT_NEAR(sum, naive_entropy(ids), 1e-12);
  EXPECT_NEAR(quality.entropy, naive_entropy(ids), 1e-12);
  EXPECT_EQ(quality.items, ids.size());
  EXPECT_EQ(quality.items_without_code, 500 - ids.size());
}

TEST(SidQuality, ConditioningNeverRaisesEntropy) {
  const SidQuality quality = judge(random_family(2000, {16, 16, 16}, 2));
  for (const LayerQuality& layer : quality.layers) EXPECT_LE(layer.conditional_entropy, layer.entropy + 1e-12);
  EXPECT_DOUBLE_EQ(quality.layers[0].conditional_entropy, quality.layers[0].entropy);
}

TEST(SidQuality, CopyOfTheFirstLayerAddsNothing) {
  const CodeFamily family = random_family(600, {8, 20, 4}, 3, 13);
  Labels labels(600);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::uint32_t>(i % 5);
  const CodeFamily copy = copy_of_first_layer(family);
  EXPECT_EQ(copy.codebook_sizes, (std::vector<std::size_t>{8, 8, 8}));
  const SidQuality original = judge(family, labels);
  const SidQuality control = judge(copy, labels);
  for (std::size_t layer = 1; layer < 3; ++layer) {
    EXPECT_EQ(control.layers[layer].conditional_entropy, 0.0);
    EXPECT_EQ(control.layers[layer].conditional_information, 0.0);
    EXPECT_EQ(control.layers[layer].conditional_information_null, 0.0);
    EXPECT_EQ(control.layers[layer].entropy, original.layers[0].entropy);
    EXPECT_EQ(control.layers[layer].perplexity, original.layers[0].perplexity);
  }
  EXPECT_EQ(control.layers[0].conditional_information, original.layers[0].conditional_information);
  EXPECT_EQ(control.items_without_code, original.items_without_code);
  EXPECT_EQ(control.unique_sid, original.layers[0].codes_used);
}

TEST(SidQuality, ConditionalInformationEqualsItsDefinition) {
  const CodeFamily family = random_family(300, {4, 3, 5}, 4, 17);
  base::Random random(5);
  Labels labels(300);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] =
        random.index(4) == 0 ? kNoLabel : static_cast<std::uint32_t>(family.codes[i * 3 + 1] / 2 + random.index(2));
  }
  const SidQuality quality = judge(family, labels);
  for (std::size_t layer = 0; layer < 3; ++layer) {
    std::vector<int> codes;
    Labels given;
    std::vector<std::vector<int>> prefixes;
    for (std::size_t item = 0; item < 300; ++item) {
      if (!family.has(item) || labels[item] == kNoLabel) continue;
      codes.push_back(family.of(item)[layer]);
      given.push_back(labels[item]);
      prefixes.emplace_back(family.of(item).begin(), family.of(item).begin() + static_cast<std::ptrdiff_t>(layer));
    }
    EXPECT_EQ(quality.labelled_items, codes.size());
    EXPECT_NEAR(*quality.layers[layer].conditional_information, naive_conditional_information(codes, given, prefixes),
                1e-12);
  }
}

TEST(SidQuality, OnlyALayerThatKnowsTheLabelExceedsTheNull) {
  // Layer 1 is random, layer 2 is the label half the time, layer 3 is random.
  base::Random random(6);
  CodeFamily family{.name = "text", .codebook_sizes = {6, 6, 6}, .codes = {}};
  Labels labels;
  for (std::size_t item = 0; item < 8000; ++item) {
    labels.push_back(static_cast<std::uint32_t>(random.index(6)));
    const auto noise = [&] { return static_cast<Code>(random.index(6)); };
    family.codes.push_back(noise());
    family.codes.push_back(random.index(2) == 0 ? static_cast<Code>(labels.back()) : noise());
    family.codes.push_back(noise());
  }
  const SidQuality quality = judge(family, labels, 7);
  const auto excess = [&](std::size_t layer) {
    return *quality.layers[layer].conditional_information - *quality.layers[layer].conditional_information_null;
  };
  EXPECT_NEAR(excess(0), 0.0, 0.01);
  EXPECT_GT(excess(1), 0.3);
  EXPECT_NEAR(excess(2), 0.0, 0.05);
  // The null of the last layer is what 36 groups x 6 codes x 6 labels on 8,000 items give by chance.
  EXPECT_GT(*quality.layers[2].conditional_information_null, 0.02);
}

TEST(SidQuality, AgreementOfCodesAndOfPrefixes) {
  // Layer 1 halves the labels {0, 1 | 2, 3}, layer 2 tells them apart within a half; the last item has no label.
  const CodeFamily family{
      .name = "text", .codebook_sizes = {2, 2}, .codes = {0, 0, 0, 0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1}};
  const SidQuality quality = judge(family, Labels{0, 0, 1, 1, 2, 2, 3, 3, kNoLabel});
  EXPECT_EQ(quality.labelled_items, 8u);
  for (const LayerQuality& layer : quality.layers) {
    // I(c;y) = ln 2, H(c) = ln 2, H(y) = ln 4, for either layer alone.
    EXPECT_NEAR(layer.code_agreement->nmi, 2.0 / 3.0, 1e-14);
    EXPECT_DOUBLE_EQ(layer.code_agreement->purity, 0.5);
    EXPECT_LT(layer.prefix_agreement_null->ami, layer.prefix_agreement->ami);
    EXPECT_LE(layer.code_agreement_null->nmi, layer.code_agreement->nmi);
  }
  EXPECT_EQ(quality.layers[0].prefix_agreement->nmi, quality.layers[0].code_agreement->nmi);
  EXPECT_DOUBLE_EQ(quality.layers[1].prefix_agreement->nmi, 1.0);
  EXPECT_DOUBLE_EQ(quality.layers[1].prefix_agreement->ami, 1.0);
  EXPECT_DOUBLE_EQ(quality.layers[1].prefix_agreement->purity, 1.0);
}

TEST(SidQuality, SeedOfTheNullIsRepeatable) {
  const CodeFamily family = random_family(400, {8, 8}, 8);
  Labels labels(400);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::uint32_t>(i % 7);
  const auto null_of = [&](std::uint64_t seed) {
    return judge(family, labels, seed).layers[1].conditional_information_null;
  };
  EXPECT_EQ(null_of(1), null_of(1));
  EXPECT_NE(null_of(1), null_of(2));
}

TEST(SidQuality, HandWorkedFamily) {
  // IDs: (0,0) twice, (0,1), (2,1); item 3 has no code. Codebooks of 4 and 2.
  const CodeFamily family{
      .name = "audio", .codebook_sizes = {4, 2}, .codes = {0, 0, 0, 1, 0, 0, kNoCode, kNoCode, 2, 1}};
  const SidQuality quality = judge(family);
  EXPECT_EQ(quality.family, "audio");
  EXPECT_EQ(quality.items, 4u);
  EXPECT_EQ(quality.items_without_code, 1u);
  EXPECT_EQ(quality.unique_sid, 3u);
  EXPECT_DOUBLE_EQ(quality.no_collision_rate, 0.75);
  EXPECT_DOUBLE_EQ(quality.uniquely_identified_item_rate, 0.5);
  EXPECT_DOUBLE_EQ(quality.collision_rate, 0.25);
  EXPECT_DOUBLE_EQ(quality.shared_id_rate, 0.5);
  EXPECT_DOUBLE_EQ(quality.mean_group, 4.0 / 3.0);
  EXPECT_EQ(quality.max_collision, 2u);
  EXPECT_NEAR(quality.entropy, 1.5 * std::log(2.0), 1e-12);
  EXPECT_NEAR(quality.entropy_ratio, 0.75, 1e-12);

  const LayerQuality& first = quality.layers[0];
  EXPECT_EQ(first.codes_used, 2u);
  EXPECT_EQ(first.dead_codes, 2u);
  EXPECT_DOUBLE_EQ(first.coverage, 0.5);
  const double entropy = -(0.75 * std::log(0.75) + 0.25 * std::log(0.25));
  EXPECT_NEAR(first.entropy, entropy, 1e-12);
  EXPECT_NEAR(first.entropy_ratio, entropy / std::log(4.0), 1e-12);
  EXPECT_NEAR(first.perplexity, std::exp(entropy), 1e-12);
  // x = 0, 0, 1, 3: (-3*0 - 1*0 + 1*1 + 3*3) / (4 * 4)
  EXPECT_DOUBLE_EQ(first.gini, 10.0 / 16.0);
  // Given c_1 = 0: codes 0, 0, 1; given c_1 = 2: one code.
  EXPECT_NEAR(quality.layers[1].conditional_entropy,
              0.75 * -(2.0 / 3 * std::log(2.0 / 3) + 1.0 / 3 * std::log(1.0 / 3)), 1e-12);
  EXPECT_DOUBLE_EQ(quality.layers[1].gini, 0.0);
  EXPECT_FALSE(first.conditional_information.has_value());
  EXPECT_FALSE(first.code_agreement.has_value());
}

TEST(SidQuality, EvenUseIsTheBest) {
  const CodeFamily family{.name = "text", .codebook_sizes = {4}, .codes = {3, 2, 1, 0, 0, 1, 2, 3}};
  const SidQuality quality = judge(family);
  EXPECT_NEAR(quality.layers[0].perplexity, 4.0, 1e-12);
  EXPECT_NEAR(quality.layers[0].entropy_ratio, 1.0, 1e-12);
  EXPECT_DOUBLE_EQ(quality.layers[0].gini, 0.0);
  EXPECT_NEAR(quality.entropy_ratio, 1.0, 1e-12);
}

TEST(SidQuality, NoCodesGiveZeros) {
  const CodeFamily none{.name = "text", .codebook_sizes = {4, 4}, .codes = {kNoCode, kNoCode}};
  const SidQuality quality = judge(none, Labels{0});
  EXPECT_EQ(quality.items, 0u);
  EXPECT_EQ(quality.items_without_code, 1u);
  EXPECT_EQ(quality.unique_sid, 0u);
  EXPECT_EQ(quality.layers[1].dead_codes, 4u);
  EXPECT_EQ(quality.layers[1].conditional_information, 0.0);
  EXPECT_EQ(quality.layers[1].prefix_agreement->ami, 0.0);
  EXPECT_EQ(quality.shared_id_rate, 0.0);
  EXPECT_EQ(quality.collision_rate, 0.0);
  EXPECT_EQ(quality.mean_group, 0.0);
}

TEST(SidQuality, RejectsCodesAndLabelsThatDoNotFit) {
  CodeFamily family{.name = "text", .codebook_sizes = {4, 4}, .codes = {0, 1, 2, 3}};
  EXPECT_THROW(judge(family, Labels{1}), InvalidArgument);
  family.codes[1] = 4;
  EXPECT_THROW(judge(family), InvalidArgument);
  family.codes = {0, 1, 2};
  EXPECT_THROW(judge(family), InvalidArgument);
  EXPECT_THROW(judge(CodeFamily{}), InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
