#include "eval/code_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "eval/partition.hpp"

namespace neume::eval {

namespace {

constexpr std::size_t kMostTagsInName = 3;

void require_tags_fit(const CodeFamily& family, const ItemTags& tags) {
  if (tags.offsets.size() != family.num_items() + 1 || tags.offsets.front() != 0 ||
      tags.offsets.back() != tags.tags.size() || !std::ranges::is_sorted(tags.offsets)) {
    throw InvalidArgument(
        fmt::format("item tags: expected {} rising offsets from 0 to {} (one more than the items of family {}), found "
                    "{} that are not",
                    family.num_items() + 1, tags.tags.size(), family.name, tags.offsets.size()));
  }
  for (const std::uint32_t tag : tags.tags) {
    if (tag >= tags.names.size()) {
      throw InvalidArgument(fmt::format("item tags: tag {} has no name; there are {}", tag, tags.names.size()));
    }
  }
}

void require_valid_options(const NamingOptions& options) {
  // Without a prior, a tag that the background lacks would be infinitely strong.
  if (!(options.prior_total > 0.0) || !std::isfinite(options.prior_total)) {
    throw InvalidArgument(fmt::format("naming: prior_total must be above 0, found {}", options.prior_total));
  }
}

void require_layer(const CodeFamily& family, std::size_t layer) {
  if (layer == 0 || layer > family.num_layers()) {
    throw InvalidArgument(
        fmt::format("family {} has layers 1..{}, found layer {}", family.name, family.num_layers(), layer));
  }
}

/// Items with each tag, among the items added since the last clear(): a dense table of which only the touched entries
/// are cleared, so that thousands of small groups stay cheap.
class TagCounts {
 public:
  explicit TagCounts(const ItemTags& tags) : tags_(tags), counts_(tags.names.size(), 0) {}

  void add(std::uint32_t item) {
    ++items_;
    const auto begin = tags_.tags.begin() + static_cast<std::ptrdiff_t>(tags_.offsets[item]);
    const auto end = tags_.tags.begin() + static_cast<std::ptrdiff_t>(tags_.offsets[item + 1]);
    for (auto it = begin; it != end; ++it) {
      if (std::find(begin, it, *it) != it) continue;  // repeated
      if (counts_[*it]++ == 0) touched_.push_back(*it);
      ++total_;
    }
  }

  void clear() {
    for (const std::uint32_t tag : touched_) counts_[tag] = 0;
    touched_.clear();
    items_ = total_ = 0;
  }

  std::size_t operator[](std::uint32_t tag) const { return counts_[tag]; }
  std::size_t items() const { return items_; }
  std::size_t total() const { return total_; }  ///< sum of the counts
  std::span<const std::uint32_t> touched() const { return touched_; }

 private:
  const ItemTags& tags_;
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint32_t> touched_;
  std::size_t items_ = 0;
  std::size_t total_ = 0;
};

/// ln of the odds of a tag with `count` of `total` and pseudo-counts `prior` of `prior_total`.
double log_odds(double count, double total, double prior, double prior_total) {
  return std::log((count + prior) / (total + prior_total - count - prior));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Groups of items, each with the parent that it is compared within; groups of one parent are neighbours in the order.
struct Grouping {
  std::size_t layer = 0;
  bool is_prefix = false;
  GroupedRows items;                     ///< item numbers
  std::vector<std::uint32_t> parent_of;  ///< of every group; rising
};

/// Counts, judges and names the groups of one grouping.
class Naming {
 public:
  Naming(const CodeFamily& family, const ItemTags& tags, const NamingOptions& options)
      : family_(family), tags_(tags), options_(options), catalogue_(tags), parent_(tags), group_(tags) {
    for (const std::uint32_t item : coded_items(family)) catalogue_.add(item);
  }

  CodeGroups name(const Grouping& grouping) {
    const std::size_t num_groups = grouping.items.num_groups();
    const std::vector<std::uint8_t> is_kept = largest_groups(grouping.items);
    CodeGroups result;
    for (std::size_t begin = 0, end = 0; begin < num_groups; begin = end) {
      parent_.clear();
      for (end = begin; end < num_groups && grouping.parent_of[end] == grouping.parent_of[begin]; ++end) {
        for (const std::uint32_t item : grouping.items.of(end)) parent_.add(item);
      }
      for (std::size_t g = begin; g < end; ++g) {
        if (is_kept[g] != 0) result.groups.push_back(describe(grouping, g));
      }
    }
    result.left_out = num_groups - result.groups.size();
    return result;
  }

 private:
  std::vector<std::uint8_t> largest_groups(const GroupedRows& groups) const {
    const std::size_t num_groups = groups.num_groups();
    if (options_.max_groups == 0 || options_.max_groups >= num_groups) return std::vector<std::uint8_t>(num_groups, 1);
    std::vector<std::uint32_t> order(num_groups);
    for (std::uint32_t g = 0; g < num_groups; ++g) order[g] = g;
    std::ranges::stable_sort(
        order, [&](std::uint32_t a, std::uint32_t b) { return groups.of(a).size() > groups.of(b).size(); });
    std::vector<std::uint8_t> is_kept(num_groups, 0);
    for (std::size_t i = 0; i < options_.max_groups; ++i) is_kept[order[i]] = 1;
    return is_kept;
  }

  CodeGroup describe(const Grouping& grouping, std::size_t g) {
    group_.clear();
    for (const std::uint32_t item : grouping.items.of(g)) group_.add(item);
    const auto codes = family_.of(grouping.items.of(g).front());
    CodeGroup group;
    group.layer = grouping.layer;
    group.items = group_.items();
    if (grouping.is_prefix) {
      group.codes.assign(codes.begin(), codes.begin() + static_cast<std::ptrdiff_t>(grouping.layer));
    } else {
      group.codes.assign(1, codes[grouping.layer - 1]);
    }
    group.tags = excesses();
    group.name = group.tags.empty() ? name_without_excess() : name_of(group.tags);
    return group;
  }

  /// The tags of group_ that stand out against the rest of parent_.
  std::vector<TagExcess> excesses() const {
    std::vector<TagExcess> result;
    if (parent_.items() == group_.items()) return result;
    for (const std::uint32_t tag : group_.touched()) {
      if (group_[tag] < options_.least_count) continue;
      const TagExcess excess = excess_of(tag);
      if (excess.z >= options_.least_z) result.push_back(excess);
    }
    std::ranges::sort(result, [](const TagExcess& a, const TagExcess& b) {
      return a.strength() != b.strength() ? a.strength() > b.strength() : a.tag < b.tag;
    });
    if (result.size() > options_.max_tags) result.resize(options_.max_tags);
    return result;
  }

  TagExcess excess_of(std::uint32_t tag) const {
    const double count = static_cast<double>(group_[tag]), total = static_cast<double>(group_.total());
    const double rest_count = static_cast<double>(parent_[tag]) - count;
    const double rest_total = static_cast<double>(parent_.total()) - total;
    const double rest_items = static_cast<double>(parent_.items() - group_.items());
    const double prior =
        options_.prior_total * static_cast<double>(catalogue_[tag]) / static_cast<double>(catalogue_.total());
    TagExcess excess;
    excess.tag = tag;
    excess.count = group_[tag];
    excess.share = count / static_cast<double>(group_.items());
    excess.background_share = rest_count / rest_items;
    // The only tag of the catalogue has odds of infinity everywhere, so it stands out nowhere.
    if (catalogue_[tag] == catalogue_.total()) return excess;
    const double difference = log_odds(count, total, prior, options_.prior_total) -
                              log_odds(rest_count, rest_total, prior, options_.prior_total);
    excess.z = difference / std::sqrt(1.0 / (count + prior) + 1.0 / (rest_count + prior));
    return excess;
  }

  std::string name_of(std::span<const TagExcess> tags) const {
    std::vector<std::string> words;
    for (const TagExcess& tag : tags) {
      if (words.size() == kMostTagsInName || tag.strength() < tags.front().strength() / 2.0) break;
      const std::string& name = tags_.names[tag.tag];
      const auto repeats = [&](const std::string& word) { return contains(word, name) || contains(name, word); };
      if (std::ranges::none_of(words, repeats)) words.push_back(name);
    }
    return fmt::format("{}", fmt::join(words, ", "));
  }

  std::string name_without_excess() const {
    if (group_.total() == 0) return "untagged";
    const std::uint32_t most = *std::ranges::max_element(group_.touched(), [&](std::uint32_t a, std::uint32_t b) {
      return group_[a] != group_[b] ? group_[a] < group_[b] : a > b;
    });
    return 2 * group_[most] >= group_.items() ? "mostly " + tags_.names[most] : "mixed";
  }

  const CodeFamily& family_;
  const ItemTags& tags_;
  const NamingOptions& options_;
  TagCounts catalogue_;
  TagCounts parent_;
  TagCounts group_;
};

/// Groups of `parents` split by the code of one layer; both partitions are of `coded` items.
Grouping grouping_of(const Partition& parents, const Partition& groups, std::span<const std::uint32_t> coded) {
  Grouping grouping;
  grouping.items = groups.grouped();
  for (std::size_t g = 0; g < groups.num_groups(); ++g) {
    grouping.parent_of.push_back(parents.group_of()[grouping.items.of(g).front()]);
  }
  for (std::uint32_t& row : grouping.items.rows) row = coded[row];
  return grouping;
}

/// Refines by c_1..c_layer, or by c_layer alone.
Partition partition_by_codes(const CodeFamily& family, std::span<const std::uint32_t> items, std::size_t layer,
                             bool is_prefix) {
  Partition partition(items.size());
  for (std::size_t l = is_prefix ? 0 : layer - 1; l < layer; ++l) {
    partition.refine([&](std::uint32_t row) { return family.of(items[row])[l]; });
  }
  return partition;
}

CodeGroups name_groups(const CodeFamily& family, std::size_t layer, bool is_prefix, const ItemTags& tags,
                       const NamingOptions& options) {
  require_valid(family);
  require_layer(family, layer);
  require_tags_fit(family, tags);
  require_valid_options(options);
  const std::vector<std::uint32_t> coded = coded_items(family);
  const Partition groups = partition_by_codes(family, coded, layer, is_prefix);
  const Partition parents = is_prefix ? partition_by_codes(family, coded, layer - 1, true) : Partition(coded.size());
  Grouping grouping = grouping_of(parents, groups, coded);
  grouping.layer = layer;
  grouping.is_prefix = is_prefix;
  return Naming(family, tags, options).name(grouping);
}

void require_one_kind(const CodeGroups& groups, const CodeFamily& family) {
  for (const CodeGroup& group : groups.groups) {
    const CodeGroup& first = groups.groups.front();
    require_layer(family, group.layer);
    if (group.layer != first.layer || group.codes.size() != first.codes.size() ||
        (group.codes.size() != group.layer && group.codes.size() != 1)) {
      throw InvalidArgument(
          "typical items: expected the groups of one layer, as name_codes or name_prefixes gives them");
    }
  }
}

/// The members nearest to the mean of their rows. Distances in double, ties to the lowest row.
std::vector<std::uint32_t> nearest_to_mean(ConstMatrixView rows, std::span<const std::uint32_t> members,
                                           std::size_t count) {
  std::vector<double> mean(rows.cols, 0.0);
  for (const std::uint32_t member : members) {
    const auto row = rows.row(member);
    for (std::size_t j = 0; j < mean.size(); ++j) mean[j] += double{row[j]};
  }
  for (double& value : mean) value /= static_cast<double>(members.size());
  std::vector<std::pair<double, std::uint32_t>> distances;
  for (const std::uint32_t member : members) {
    const auto row = rows.row(member);
    double distance = 0.0;
    for (std::size_t j = 0; j < mean.size(); ++j) distance += (row[j] - mean[j]) * (row[j] - mean[j]);
    distances.emplace_back(distance, member);
  }
  const std::size_t found = std::min(count, distances.size());
  std::ranges::partial_sort(distances, distances.begin() + static_cast<std::ptrdiff_t>(found));
  std::vector<std::uint32_t> nearest;
  for (std::size_t i = 0; i < found; ++i) nearest.push_back(distances[i].second);
  return nearest;
}

}  // namespace

CodeGroups name_codes(const CodeFamily& family, std::size_t layer, const ItemTags& tags, const NamingOptions& options) {
  return name_groups(family, layer, false, tags, options);
}

CodeGroups name_prefixes(const CodeFamily& family, std::size_t depth, const ItemTags& tags,
                         const NamingOptions& options) {
  return name_groups(family, depth, true, tags, options);
}

void find_typical(CodeGroups& groups, const CodeFamily& family, std::span<const std::uint32_t> items,
                  ConstMatrixView rows, std::size_t count) {
  require_coded(family, items);
  require_one_kind(groups, family);
  if (items.size() != rows.rows) {
    throw InvalidArgument(
        fmt::format("typical items: {} items and {} rows; give one row an item", items.size(), rows.rows));
  }
  if (groups.groups.empty()) return;
  const std::size_t layer = groups.groups.front().layer, width = groups.groups.front().codes.size();
  std::map<std::vector<Code>, CodeGroup*> group_of_codes;
  for (CodeGroup& group : groups.groups) {
    group.typical.clear();
    group_of_codes[group.codes] = &group;
  }
  const GroupedRows members = partition_by_codes(family, items, layer, width == layer).grouped();
  base::parallel_for(members.num_groups(), [&](std::size_t g) {
    const auto codes = family.of(items[members.of(g).front()]).subspan(layer - width, width);
    const auto found = group_of_codes.find({codes.begin(), codes.end()});
    if (found == group_of_codes.end()) return;  // left out by max_groups
    for (const std::uint32_t row : nearest_to_mean(rows, members.of(g), count)) {
      found->second->typical.push_back(items[row]);
    }
  });
}

}  // namespace neume::eval
