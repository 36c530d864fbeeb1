#include "eval/sid_quality.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::eval {

namespace {

/// A partition of rows into groups 0 .. num_groups - 1: rows in one group agree in everything refined by so far.
struct Partition {
  std::vector<std::uint32_t> group_of;
  std::size_t num_groups = 1;

  explicit Partition(std::size_t rows) : group_of(rows, 0) {}

  /// Splits every group by `value(row)`. New groups are numbered in the order of (old group, value), so two values
  /// that split in the same way give the same partition.
  template <class Value>
  void refine(const Value& value) {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> keyed(group_of.size());
    for (std::uint32_t row = 0; row < keyed.size(); ++row) {
      keyed[row] = {static_cast<std::uint64_t>(group_of[row]) << 32 | value(row), row};
    }
    std::sort(keyed.begin(), keyed.end());
    num_groups = 0;
    for (std::size_t i = 0; i < keyed.size(); ++i) {
      if (i == 0 || keyed[i].first != keyed[i - 1].first) ++num_groups;
      group_of[keyed[i].second] = static_cast<std::uint32_t>(num_groups - 1);
    }
  }

  std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> counts(num_groups, 0);
    for (const std::uint32_t group : group_of) ++counts[group];
    return counts;
  }
};

/// ln n - 1/n sum n_g ln n_g, which is -sum n_g/n ln(n_g/n).
double entropy_of_counts(std::span<const std::size_t> counts) {
  double total = 0.0;
  double sum = 0.0;
  for (const std::size_t count : counts) {
    if (count == 0) continue;
    total += static_cast<double>(count);
    sum += static_cast<double>(count) * std::log(static_cast<double>(count));
  }
  return total == 0.0 ? 0.0 : std::max(0.0, std::log(total) - sum / total);
}

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

void require_valid(const CodeFamily& family, std::span<const std::uint32_t> labels) {
  const std::size_t layers = family.num_layers();
  if (layers == 0 || family.codes.size() % layers != 0) {
    throw InvalidArgument(
        fmt::format("family {}: {} codes are not N x L for L = {} layers", family.name, family.codes.size(), layers));
  }
  if (!labels.empty() && labels.size() != family.num_items()) {
    throw InvalidArgument(fmt::format("family {}: {} labels for {} items; give one an item", family.name, labels.size(),
                                      family.num_items()));
  }
  for (std::size_t item = 0; item < family.num_items(); ++item) {
    if (!family.has(item)) continue;
    for (std::size_t layer = 0; layer < layers; ++layer) {
      if (family.of(item)[layer] >= family.codebook_sizes[layer]) {
        throw InvalidArgument(fmt::format("family {}: code {} of item {} in layer {} lies outside its codebook of {}",
                                          family.name, family.of(item)[layer], item, layer + 1,
                                          family.codebook_sizes[layer]));
      }
    }
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

/// I(c_l ; y | c_<l) for every layer, for items whose label is `labels[row]`, row by row with `items`. With
/// H(a | b) = H(a, b) - H(b) it is the rise of H(c_<=l) less the rise of H(c_<=l, y).
std::vector<double> conditional_informations(const CodeFamily& family, std::span<const std::uint32_t> items,
                                             std::span<const std::uint32_t> labels) {
  Partition prefix(items.size());
  Partition with_label(items.size());
  with_label.refine([&](std::uint32_t row) { return labels[row]; });
  double prefix_entropy = 0.0;
  double joint_entropy = entropy_of(with_label);
  std::vector<double> result;
  for (std::size_t layer = 0; layer < family.num_layers(); ++layer) {
    const auto code = [&](std::uint32_t row) { return family.of(items[row])[layer]; };
    prefix.refine(code);
    with_label.refine(code);
    const double next_prefix_entropy = entropy_of(prefix);
    const double next_joint_entropy = entropy_of(with_label);
    result.push_back(std::max(0.0, (next_prefix_entropy - prefix_entropy) - (next_joint_entropy - joint_entropy)));
    prefix_entropy = next_prefix_entropy;
    joint_entropy = next_joint_entropy;
  }
  return result;
}

void shuffle(std::vector<std::uint32_t>& values, std::uint64_t seed) {
  base::Random random(seed);
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.index(i)]);
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
  const std::vector<double> information = conditional_informations(family, items, label_of_row);
  shuffle(label_of_row, seed);
  const std::vector<double> null = conditional_informations(family, items, label_of_row);
  for (std::size_t layer = 0; layer < quality.layers.size(); ++layer) {
    quality.layers[layer].conditional_information = information[layer];
    quality.layers[layer].conditional_information_null = null[layer];
  }
}

void judge_collisions(const Partition& ids, const CodeFamily& family, SidQuality& quality) {
  const std::vector<std::size_t> sizes = ids.sizes();
  const double n = static_cast<double>(quality.items);
  quality.unique_sid = sizes.size();
  quality.no_collision_rate = static_cast<double>(sizes.size()) / n;
  quality.uniquely_identified_item_rate =
      static_cast<double>(std::count(sizes.begin(), sizes.end(), std::size_t{1})) / n;
  quality.max_collision = *std::max_element(sizes.begin(), sizes.end());
  quality.entropy = entropy_of_counts(sizes);
  double log_possible = 0.0;
  for (const std::size_t k : family.codebook_sizes) log_possible += std::log(static_cast<double>(k));
  const double most = std::min(log_possible, std::log(n));
  quality.entropy_ratio = most > 0.0 ? quality.entropy / most : 0.0;
}

}  // namespace

SidQuality judge(const CodeFamily& family, std::span<const std::uint32_t> labels, std::uint64_t seed) {
  require_valid(family, labels);
  std::vector<std::uint32_t> coded;
  for (std::uint32_t item = 0; item < family.num_items(); ++item) {
    if (family.has(item)) coded.push_back(item);
  }
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
