#include "id_counts.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "eval/sid_quality.hpp"

namespace neume::app {

namespace {

constexpr std::size_t kItemsAtOnce = 16384;

bool fits_in_64_bits(const std::vector<std::size_t>& sizes) {
  double bits = 0.0;
  for (const std::size_t size : sizes) bits += std::log2(static_cast<double>(size));
  return bits < 63.0;
}

/// Calls work(codes of one item) for all items.
template <class Work>
void for_each_id(const data::SidsSource& sids, std::size_t family, const Work& work) {
  const std::size_t layers = sids.families()[family].num_layers();
  std::vector<Code> codes(kItemsAtOnce * layers);
  for (std::size_t first = 0; first < sids.num_items(); first += kItemsAtOnce) {
    const std::size_t count = std::min(kItemsAtOnce, sids.num_items() - first);
    sids.read_codes(family, first, std::span(codes).first(count * layers));
    for (std::size_t i = 0; i < count; ++i) work(std::span<const Code>(codes).subspan(i * layers, layers));
  }
}

IdCounts count_in_memory(const data::SidsSource& sids, std::size_t family) {
  CodeFamily all = sids.families()[family];
  for_each_id(sids, family, [&](std::span<const Code> id) { all.codes.insert(all.codes.end(), id.begin(), id.end()); });
  const eval::SidQuality quality = eval::judge(all);
  const auto sharing = std::lround(quality.shared_id_rate * static_cast<double>(quality.items));
  return {quality.items, quality.items_without_code, quality.unique_sid, static_cast<std::size_t>(sharing),
          quality.max_collision};
}

}  // namespace

double IdCounts::collision_rate() const {
  return items == 0 ? 0.0 : 1.0 - static_cast<double>(distinct) / static_cast<double>(items);
}

double IdCounts::shared_id_rate() const {
  return items == 0 ? 0.0 : static_cast<double>(sharing) / static_cast<double>(items);
}

IdCounts count_ids(const data::SidsSource& sids, std::size_t family, const base::SpillPolicy& policy) {
  const std::vector<std::size_t>& sizes = sids.families()[family].codebook_sizes;
  if (!fits_in_64_bits(sizes)) return count_in_memory(sids, family);
  IdCounts counts;
  base::SpillVector<std::uint64_t> ids(policy);
  for_each_id(sids, family, [&](std::span<const Code> codes) {
    if (codes[0] == kNoCode) {
      ++counts.without;
      return;
    }
    std::uint64_t id = 0;
    for (std::size_t l = 0; l < codes.size(); ++l) id = id * sizes[l] + codes[l];
    ids.push_back(id);
  });
  std::sort(ids.begin(), ids.end());
  counts.items = ids.size();
  for (const std::uint64_t* begin = ids.begin(); begin != ids.end();) {
    const std::uint64_t* end = std::find_if(begin, static_cast<const std::uint64_t*>(ids.end()),
                                            [&](std::uint64_t id) { return id != *begin; });
    const auto group = static_cast<std::size_t>(end - begin);
    ++counts.distinct;
    if (group > 1) counts.sharing += group;
    counts.largest = std::max(counts.largest, group);
    begin = end;
  }
  return counts;
}

}  // namespace neume::app
