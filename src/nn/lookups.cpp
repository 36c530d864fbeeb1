#include "nn/lookups.hpp"

namespace neume::nn {

void Lookups::clear(std::size_t num_layers) {
  layers = num_layers;
  offsets.assign(1, 0);
  rows.clear();
  samples.clear();
}

void Lookups::group_by_row(std::size_t num_rows) {
  first.assign(num_rows + 1, 0);
  order.resize(rows.size());
  for (const std::uint32_t row : rows) ++first[row + 1];
  for (std::size_t r = 0; r < num_rows; ++r) first[r + 1] += first[r];
  // Placing moves each start to its row's end; shifting by one row restores the starts.
  for (std::size_t n = 0, entry = 0; n < size(); ++n) {
    for (std::size_t l = 0; l < layers; ++l, ++entry) order[first[rows[entry]]++] = static_cast<std::uint32_t>(n);
  }
  for (std::size_t r = num_rows; r > 0; --r) first[r] = first[r - 1];
  first[0] = 0;
}

}  // namespace neume::nn
