#include "eval/sid_quality.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <neume/error.hpp>

#include "base/random.hpp"
#include "eval/partition.hpp"

namespace neume::eval {

namespace {

double entropy_of(const Partition& partition) {
  return entropy_of_counts(partition.sizes());
}

/// `counts` is taken by value because it is sorted.
double gini_of_counts(std::vector<std::size_t> counts) {
  std::sort(counts.begin(), counts.end());
  const double k = static_cast<double>(counts.size());
  double total = 0.0;
  double weighted = 0.0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    total += static_cast<double>(counts[i]);
    weighted += (2.0 * static_cast<double>(i + 1) - k - 1.0) * static_cast<double>(counts[i]);
  }
  return total == 0.0 ? 0.0 : weighted / (k * total);
}

void require_labels_fit(const CodeFamily& family, std::span<const std::uint32_t> labels) {
  if (!labels.empty() && labels.size() != family.num_items()) {
    throw InvalidArgument(fmt::format("family {}: {} labels for {} items; give one an item", family.name, labels.size(),
                                      family.num_items()));
  }
}

LayerQuality usage_of_layer(const CodeFamily& family, std::span<const std::uint32_t> items, std::size_t layer) {
  const std::size_t k = family.codebook_sizes[layer];
  std::vector<std::size_t> counts(k, 0);
  for (const std::uint32_t item : items) ++counts[family.of(item)[layer]];
  LayerQuality quality;
  quality.codebook_size = k;
  quality.codes_used = k - static_cast<std::size_t>(std::count(counts.begin(), counts.end(), std::size_t{0}));
  quality.dead_codes = k - quality.codes_used;
  quality.coverage = static_cast<double>(quality.codes_used) / static_cast<double>(k);
  quality.entropy = entropy_of_counts(counts);
  quality.entropy_ratio = k > 1 ? quality.entropy / std::log(static_cast<double>(k)) : 0.0;
  quality.perplexity = items.empty() ? 0.0 : std::exp(quality.entropy);
  quality.gini = gini_of_counts(std::move(counts));
  return quality;
}

/// What one layer tells of the labels.
struct LayerInformation {
  double conditional = 0.0;  ///< I(c_l ; y | c_<l)
  LabelAgreement of_code;
  LabelAgreement of_prefix;  ///< c_1..c_l
};

/// For items whose label is `labels[row]`, row by row with `items`. With H(a | b) = H(a, b) - H(b), the conditional
/// information is the rise of H(c_<=l) less the rise of H(c_<=l, y).
std::vector<LayerInformation> layer_informations(const CodeFamily& family, std::span<const std::uint32_t> items,
                                                 std::span<const std::uint32_t> labels) {
  Partition prefix(items.size());
  Partition with_label(items.size());
  with_label.refine([&](std::uint32_t row) { return labels[row]; });
  double prefix_entropy = 0.0;
  double joint_entropy = entropy_of(with_label);
  std::vector<LayerInformation> result;
  std::vector<std::uint32_t> codes(items.size());
  for (std::size_t layer = 0; layer < family.num_layers(); ++layer) {
    const auto code = [&](std::uint32_t row) { return family.of(items[row])[layer]; };
    prefix.refine(code);
    with_label.refine(code);
    for (std::uint32_t row = 0; row < codes.size(); ++row) codes[row] = code(row);
    const double next_prefix_entropy = entropy_of(prefix);
    const double next_joint_entropy = entropy_of(with_label);
    LayerInformation& layer_information = result.emplace_back();
    layer_information.conditional =
        std::max(0.0, (next_prefix_entropy - prefix_entropy) - (next_joint_entropy - joint_entropy));
    layer_information.of_code = label_agreement(codes, labels);
    layer_information.of_prefix = layer == 0 ? layer_information.of_code : label_agreement(prefix.group_of(), labels);
    prefix_entropy = next_prefix_entropy;
    joint_entropy = next_joint_entropy;
  }
  return result;
}

void shuffle(std::vector<std::uint32_t>& values, std::uint64_t seed) {
  base::Random random(seed);
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.index(i)]);
}

/// I(c_l ; y' | c_<l) for every layer, y' the labels permuted among the items of each prefix c_<l.
std::vector<double> conditional_nulls(const CodeFamily& family, std::span<const std::uint32_t> items,
                                      std::span<const std::uint32_t> labels, std::uint64_t seed) {
  Partition prefix(items.size());
  std::vector<double> result;
  for (std::size_t layer = 0; layer < family.num_layers(); ++layer) {
    base::Random random(base::derive_seed(seed, layer));
    std::vector<std::uint32_t> permuted(labels.begin(), labels.end());
    const GroupedRows groups = prefix.grouped();
    for (std::size_t g = 0; g < groups.num_groups(); ++g) {
      const auto rows = groups.of(g);
      for (std::size_t i = rows.size(); i > 1; --i) std::swap(permuted[rows[i - 1]], permuted[rows[random.index(i)]]);
    }
    Partition with_label = prefix;
    with_label.refine([&](std::uint32_t row) { return permuted[row]; });
    const double prefix_entropy = entropy_of(prefix), joint_entropy = entropy_of(with_label);
    const auto code = [&](std::uint32_t row) { return family.of(items[row])[layer]; };
    prefix.refine(code);
    with_label.refine(code);
    result.push_back(std::max(0.0, (entropy_of(prefix) - prefix_entropy) - (entropy_of(with_label) - joint_entropy)));
  }
  return result;
}

void judge_labels(const CodeFamily& family, std::span<const std::uint32_t> coded, std::span<const std::uint32_t> labels,
                  std::uint64_t seed, SidQuality& quality) {
  std::vector<std::uint32_t> items;
  std::vector<std::uint32_t> label_of_row;
  for (const std::uint32_t item : coded) {
    if (labels[item] == kNoLabel) continue;
    items.push_back(item);
    label_of_row.push_back(labels[item]);
  }
  quality.labelled_items = items.size();
  const std::vector<LayerInformation> found = layer_informations(family, items, label_of_row);
  const std::vector<double> conditional_null = conditional_nulls(family, items, label_of_row, seed);
  shuffle(label_of_row, seed);
  const std::vector<LayerInformation> null = layer_informations(family, items, label_of_row);
  for (std::size_t l = 0; l < quality.layers.size(); ++l) {
    LayerQuality& layer = quality.layers[l];
    layer.conditional_information = found[l].conditional;
    layer.conditional_information_null = conditional_null[l];
    layer.code_agreement = found[l].of_code;
    layer.code_agreement_null = null[l].of_code;
    layer.prefix_agreement = found[l].of_prefix;
    layer.prefix_agreement_null = null[l].of_prefix;
  }
}

void judge_collisions(const Partition& ids, const CodeFamily& family, SidQuality& quality) {
  const std::vector<std::size_t> sizes = ids.sizes();
  const double n = static_cast<double>(quality.items);
  quality.unique_sid = sizes.size();
  quality.no_collision_rate = static_cast<double>(sizes.size()) / n;
  quality.uniquely_identified_item_rate =
      static_cast<double>(std::count(sizes.begin(), sizes.end(), std::size_t{1})) / n;
  quality.collision_rate = 1.0 - quality.no_collision_rate;
  quality.shared_id_rate = 1.0 - quality.uniquely_identified_item_rate;
  quality.mean_group = n / static_cast<double>(sizes.size());
  quality.max_collision = *std::max_element(sizes.begin(), sizes.end());
  quality.entropy = entropy_of_counts(sizes);
  double log_possible = 0.0;
  for (const std::size_t k : family.codebook_sizes) log_possible += std::log(static_cast<double>(k));
  const double most = std::min(log_possible, std::log(n));
  quality.entropy_ratio = most > 0.0 ? quality.entropy / most : 0.0;
}

}  // namespace

SidQuality judge(const CodeFamily& family, std::span<const std::uint32_t> labels, std::uint64_t seed) {
  require_valid(family);
  require_labels_fit(family, labels);
  const std::vector<std::uint32_t> coded = coded_items(family);
  SidQuality quality;
  quality.family = family.name;
  quality.items = coded.size();
  quality.items_without_code = family.num_items() - coded.size();

  Partition prefix(coded.size());
  double prefix_entropy = 0.0;
  for (std::size_t layer = 0; layer < family.num_layers(); ++layer) {
    prefix.refine([&](std::uint32_t row) { return family.of(coded[row])[layer]; });
    const double entropy = entropy_of(prefix);
    quality.layers.push_back(usage_of_layer(family, coded, layer));
    quality.layers.back().conditional_entropy = std::max(0.0, entropy - prefix_entropy);
    prefix_entropy = entropy;
  }
  if (!coded.empty()) judge_collisions(prefix, family, quality);
  if (!labels.empty()) judge_labels(family, coded, labels, seed, quality);
  return quality;
}

CodeFamily copy_of_first_layer(const CodeFamily& family) {
  CodeFamily copy = family;
  copy.name = family.name + " (layer 1 copied)";
  const std::size_t layers = family.num_layers();
  for (std::size_t i = 0; i < copy.codes.size(); ++i) copy.codes[i] = family.codes[i - i % layers];
  std::fill(copy.codebook_sizes.begin(), copy.codebook_sizes.end(), layers == 0 ? 0 : family.codebook_sizes[0]);
  return copy;
}

}  // namespace neume::eval
