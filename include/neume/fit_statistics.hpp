#pragma once
// What a fit remembers of its rows: the ruler that new rows are laid against (src/quantize/drift.hpp).

#include <cstddef>
#include <cstdint>
#include <vector>

namespace neume {

/// Rows as one layer sees them. The distance of a row x is |x - y|, with x as the quantizer maps it and y its
/// approximation by the codes up to and with this layer.
struct LayerStatistics {
  std::vector<float> quantiles;      ///< of the distance at 0%, 1%, ..., 100%: kNumQuantiles values, rising
  double mean = 0.0;                 ///< of the distance
  double deviation = 0.0;            ///< of the distance: standard deviation
  std::vector<std::uint32_t> usage;  ///< rows of each code: k entries
};

inline constexpr std::size_t kNumQuantiles = 101;

/// Measured on rows that had no part in the codewords they were measured with (src/quantize/fit_statistics.hpp): rows
/// that a codebook was fitted to lie nearer to it than any new row, however alike the two are.
struct FitStatistics {
  std::size_t rows = 0;  ///< that were measured
  std::vector<LayerStatistics> layers;
};

}  // namespace neume
