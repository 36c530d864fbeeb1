#include "quantize/code_matching.hpp"

#include <algorithm>
#include <cstdint>

#include "eval/matching.hpp"

namespace neume::quantize {

namespace {

/// How many rows have each pair of codes (after, before) in a layer.
std::vector<eval::CoOccurrence> co_occurrences(std::span<const Code> before, std::span<const Code> after,
                                               std::size_t layer, std::size_t layers) {
  std::vector<std::uint32_t> pairs;
  for (std::size_t i = layer; i < after.size(); i += layers) pairs.push_back(std::uint32_t{after[i]} << 16 | before[i]);
  std::ranges::sort(pairs);
  std::vector<eval::CoOccurrence> table;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i == 0 || pairs[i] != pairs[i - 1]) table.push_back({pairs[i] >> 16, pairs[i] & 0xFFFF, 0});
    ++table.back().count;
  }
  return table;
}

}  // namespace

std::vector<std::vector<Code>> names_kept(std::span<const Code> before, std::span<const Code> after,
                                          std::span<const std::size_t> sizes) {
  std::vector<std::vector<Code>> names;
  for (std::size_t l = 0; l < sizes.size(); ++l) {
    const eval::Matching matching =
        eval::match_names(co_occurrences(before, after, l, sizes.size()), sizes[l], sizes[l]);
    std::vector<Code>& layer = names.emplace_back();
    for (const std::uint32_t name : matching.column_of_row) layer.push_back(static_cast<Code>(name));
  }
  return names;
}

}  // namespace neume::quantize
