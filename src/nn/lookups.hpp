#pragma once
// Which table rows the samples of a batch look up: in sample order for the forward pass, grouped by row for the
// backward pass, where every row is then a gather with one owner and one order of sums.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/attention.hpp"

namespace neume::nn {

/// Occurrence n (of sample samples[n]) looks up the `layers` rows rows[n * layers ...]; sample s owns occurrences
/// [offsets[s], offsets[s + 1]).
struct Lookups {
  std::size_t layers = 0;
  std::vector<std::uint32_t> offsets;
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> samples;
  std::vector<std::uint32_t> first;  ///< num_rows + 1: where a row's occurrences begin in `order`
  std::vector<std::uint32_t> order;  ///< occurrence numbers, ascending within a row

  std::size_t size() const { return samples.size(); }
  bool has(std::size_t sample) const { return offsets[sample] < offsets[sample + 1]; }

  void clear(std::size_t num_layers);

  /// Fills `first` and `order` from `rows` by a counting sort.
  void group_by_row(std::size_t num_rows);

  kernels::OccurrenceView view() const { return {offsets.data(), rows.data(), samples.data()}; }
  kernels::RowOrder by_row() const { return {first.data(), order.data()}; }
};

}  // namespace neume::nn
