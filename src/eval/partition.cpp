#include "eval/partition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <neume/error.hpp>

namespace neume::eval {

void Partition::refine(const std::function<std::uint32_t(std::uint32_t)>& value) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> keyed(group_of_.size());
  for (std::uint32_t row = 0; row < keyed.size(); ++row) {
    keyed[row] = {static_cast<std::uint64_t>(group_of_[row]) << 32 | value(row), row};
  }
  std::sort(keyed.begin(), keyed.end());
  num_groups_ = 0;
  for (std::size_t i = 0; i < keyed.size(); ++i) {
    if (i == 0 || keyed[i].first != keyed[i - 1].first) ++num_groups_;
    group_of_[keyed[i].second] = static_cast<std::uint32_t>(num_groups_ - 1);
  }
}

std::vector<std::size_t> Partition::sizes() const {
  std::vector<std::size_t> counts(num_groups_, 0);
  for (const std::uint32_t group : group_of_) ++counts[group];
  return counts;
}

GroupedRows Partition::grouped() const {
  GroupedRows result;
  result.offsets.assign(num_groups_ + 1, 0);
  for (const std::uint32_t group : group_of_) ++result.offsets[group + 1];
  for (std::size_t g = 0; g < num_groups_; ++g) result.offsets[g + 1] += result.offsets[g];
  std::vector<std::size_t> next(result.offsets.begin(), result.offsets.end() - 1);
  result.rows.resize(group_of_.size());
  for (std::uint32_t row = 0; row < group_of_.size(); ++row) result.rows[next[group_of_[row]]++] = row;
  return result;
}

double entropy_of_counts(std::span<const std::size_t> counts) {
  // ln n - 1/n sum n_g ln n_g is the same, with one logarithm a group.
  double total = 0.0;
  double sum = 0.0;
  for (const std::size_t count : counts) {
    if (count == 0) continue;
    total += static_cast<double>(count);
    sum += static_cast<double>(count) * std::log(static_cast<double>(count));
  }
  return total == 0.0 ? 0.0 : std::max(0.0, std::log(total) - sum / total);
}

std::vector<std::uint32_t> coded_items(const CodeFamily& family) {
  std::vector<std::uint32_t> items;
  for (std::uint32_t item = 0; item < family.num_items(); ++item) {
    if (family.has(item)) items.push_back(item);
  }
  return items;
}

void require_valid(const CodeFamily& family) {
  const std::size_t layers = family.num_layers();
  if (layers == 0 || family.codes.size() % layers != 0) {
    throw InvalidArgument(
        fmt::format("family {}: {} codes are not N x L for L = {} layers", family.name, family.codes.size(), layers));
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

void require_coded(const CodeFamily& family, std::span<const std::uint32_t> items) {
  require_valid(family);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i] >= family.num_items()) {
      throw InvalidArgument(fmt::format("entry {} of the items is {}, but family {} has {} items", i, items[i],
                                        family.name, family.num_items()));
    }
    if (!family.has(items[i])) {
      throw InvalidArgument(fmt::format("item {} (entry {} of the items) has no code in family {}; leave it out",
                                        items[i], i, family.name));
    }
  }
}

}  // namespace neume::eval
