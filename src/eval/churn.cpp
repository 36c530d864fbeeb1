#include "eval/churn.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>

#include <neume/error.hpp>

#include "eval/matching.hpp"
#include "eval/partition.hpp"

namespace neume::eval {

namespace {

void require_comparable(const CodeFamily& before, const CodeFamily& after) {
  require_valid(before);
  require_valid(after);
  if (before.num_items() != after.num_items() || before.num_layers() != after.num_layers()) {
    throw InvalidArgument(fmt::format(
        "churn: expected two families of the same items and as many layers, found {} x {} ({}) and {} x {} ({})",
        before.num_items(), before.num_layers(), before.name, after.num_items(), after.num_layers(), after.name));
  }
}

/// How often each pair of codes (before, after) occurs in one layer. The pairs are sorted rather than counted in a
/// table, which could have 65535 x 65535 cells.
std::vector<CoOccurrence> co_occurrences(const CodeFamily& before, const CodeFamily& after,
                                         std::span<const std::uint32_t> items, std::size_t layer) {
  std::vector<std::uint32_t> pairs;
  pairs.reserve(items.size());
  for (const std::uint32_t item : items) {
    pairs.push_back(static_cast<std::uint32_t>(before.of(item)[layer]) << 16 | after.of(item)[layer]);
  }
  std::ranges::sort(pairs);
  std::vector<CoOccurrence> table;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i == 0 || pairs[i] != pairs[i - 1]) table.push_back({pairs[i] >> 16, pairs[i] & 0xFFFF, 0});
    ++table.back().count;
  }
  return table;
}

/// Whether some code has differed so far, item by item.
struct PrefixChange {
  std::vector<std::uint8_t> as_it_stands;
  std::vector<std::uint8_t> after_matching;
};

}  // namespace

Churn churn(const CodeFamily& before, const CodeFamily& after) {
  static_assert(sizeof(Code) == 2, "two codes are packed into 32 bits");
  require_comparable(before, after);
  Churn result;
  std::vector<std::uint32_t> items;
  for (std::uint32_t item = 0; item < before.num_items(); ++item) {
    if (before.has(item) && after.has(item)) items.push_back(item);
    if (before.has(item) && !after.has(item)) ++result.only_in_before;
    if (!before.has(item) && after.has(item)) ++result.only_in_after;
  }
  result.items = items.size();
  PrefixChange prefix{std::vector<std::uint8_t>(items.size(), 0), std::vector<std::uint8_t>(items.size(), 0)};
  const double n = std::max(1.0, static_cast<double>(items.size()));
  for (std::size_t layer = 0; layer < before.num_layers(); ++layer) {
    const Matching matching = match_names(co_occurrences(before, after, items, layer), before.codebook_sizes[layer],
                                          after.codebook_sizes[layer]);
    std::size_t changed = 0, prefix_changed = 0, prefix_changed_after_matching = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const Code old_code = before.of(items[i])[layer], new_code = after.of(items[i])[layer];
      const bool differs = old_code != new_code, differs_renamed = matching.column_of_row[old_code] != new_code;
      prefix.as_it_stands[i] |= static_cast<std::uint8_t>(differs);
      prefix.after_matching[i] |= static_cast<std::uint8_t>(differs_renamed);
      changed += differs ? 1 : 0;
      prefix_changed += prefix.as_it_stands[i];
      prefix_changed_after_matching += prefix.after_matching[i];
    }
    LayerChurn& churned = result.layers.emplace_back();
    churned.changed = static_cast<double>(changed) / n;
    churned.changed_after_matching = static_cast<double>(items.size() - matching.agreement) / n;
    churned.prefix_changed = static_cast<double>(prefix_changed) / n;
    churned.prefix_changed_after_matching = static_cast<double>(prefix_changed_after_matching) / n;
    churned.is_optimal = matching.is_optimal;
  }
  return result;
}

}  // namespace neume::eval
