#include "eval/cohesion.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "eval/partition.hpp"

namespace neume::eval {

namespace {

/// Positions of the grouped list that one thread works through; a group belongs to the chunk it starts in.
constexpr std::size_t kChunk = 8192;

/// The rows that have a direction.
struct Directions {
  ConstMatrixView rows;
  std::vector<std::uint32_t> with_direction;  ///< row numbers, ascending
  std::vector<double> inverse_norms;          ///< of every row; 0 for a row of norm 0
};

Directions directions_of(ConstMatrixView rows) {
  Directions directions{rows, {}, std::vector<double>(rows.rows, 0.0)};
  base::parallel_for(base::num_chunks(rows.rows, kChunk), [&](std::size_t chunk) {
    const std::size_t end = std::min(rows.rows, (chunk + 1) * kChunk);
    for (std::size_t i = chunk * kChunk; i < end; ++i) {
      double sum = 0.0;
      for (const float x : rows.row(i)) sum += double{x} * x;
      if (!std::isfinite(sum)) {
        throw InvalidArgument(fmt::format("row {}: expected finite values, found one that is not", i));
      }
      directions.inverse_norms[i] = sum > 0.0 ? 1.0 / std::sqrt(sum) : 0.0;
    }
  });
  for (std::uint32_t i = 0; i < rows.rows; ++i) {
    if (directions.inverse_norms[i] > 0.0) directions.with_direction.push_back(i);
  }
  return directions;
}

/// sum over i of the mean cosine of i to the others in `members` (at least 2): (|S|^2 - m) / (m - 1).
double sum_of_mean_cosines(const Directions& directions, std::span<const std::uint32_t> members,
                           std::vector<double>& sum) {
  sum.assign(directions.rows.cols, 0.0);
  for (const std::uint32_t row : members) {
    const double inverse_norm = directions.inverse_norms[row];
    const auto values = directions.rows.row(row);
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += inverse_norm * double{values[j]};
  }
  const double squared_norm = std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0);
  const double m = static_cast<double>(members.size());
  return (squared_norm - m) / (m - 1.0);
}

/// Mean over the members of groups of two or more of the mean cosine to their group's others. Group g has the members
/// `order[offsets[g] .. offsets[g + 1])`.
double mean_cosine_within(const Directions& directions, std::span<const std::uint32_t> order,
                          std::span<const std::size_t> offsets) {
  const std::size_t num_groups = offsets.size() - 1;
  std::vector<double> parts(base::num_chunks(order.size(), kChunk), 0.0);
  std::vector<std::size_t> counts(parts.size(), 0);
  base::parallel_for(parts.size(), [&](std::size_t chunk) {
    std::vector<double> scratch;
    auto g = static_cast<std::size_t>(std::ranges::lower_bound(offsets, chunk * kChunk) - offsets.begin());
    for (; g < num_groups && offsets[g] < (chunk + 1) * kChunk; ++g) {
      const std::size_t size = offsets[g + 1] - offsets[g];
      if (size < 2) continue;
      parts[chunk] += sum_of_mean_cosines(directions, order.subspan(offsets[g], size), scratch);
      counts[chunk] += size;
    }
  });
  const double total = std::accumulate(parts.begin(), parts.end(), 0.0);
  const std::size_t count = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  return count == 0 ? 0.0 : total / static_cast<double>(count);
}

std::vector<std::uint32_t> permuted(std::span<const std::uint32_t> values, std::uint64_t seed) {
  std::vector<std::uint32_t> result(values.begin(), values.end());
  base::Random random(seed);
  for (std::size_t i = result.size(); i > 1; --i) std::swap(result[i - 1], result[random.index(i)]);
  return result;
}

std::size_t members_of_groups(std::span<const std::size_t> offsets) {
  std::size_t count = 0;
  for (std::size_t g = 0; g + 1 < offsets.size(); ++g) {
    const std::size_t size = offsets[g + 1] - offsets[g];
    if (size > 1) count += size;
  }
  return count;
}

}  // namespace

std::vector<CohesionAtDepth> cohesion(const CodeFamily& family, std::span<const std::uint32_t> items,
                                      ConstMatrixView rows, std::uint64_t seed) {
  require_coded(family, items);
  if (items.size() != rows.rows) {
    throw InvalidArgument(fmt::format("cohesion: {} items and {} rows; give one row an item", items.size(), rows.rows));
  }
  const Directions directions = directions_of(rows);
  const std::vector<std::uint32_t>& kept = directions.with_direction;
  const std::vector<std::uint32_t> mixed = permuted(kept, seed);
  const std::size_t everything[] = {0, kept.size()};
  const double all_pairs = mean_cosine_within(directions, kept, everything);
  std::vector<CohesionAtDepth> result;
  Partition prefix(kept.size());
  for (std::size_t layer = 0; layer < family.num_layers(); ++layer) {
    prefix.refine([&](std::uint32_t i) { return family.of(items[kept[i]])[layer]; });
    GroupedRows groups = prefix.grouped();
    for (std::uint32_t& row : groups.rows) row = kept[row];
    result.push_back({mean_cosine_within(directions, groups.rows, groups.offsets),
                      mean_cosine_within(directions, mixed, groups.offsets), all_pairs,
                      members_of_groups(groups.offsets)});
  }
  return result;
}

}  // namespace neume::eval
