#pragma once
// What a fit holds in memory, so that a sample can be as large as there is room for.

#include <cstddef>

#include <neume/quantizer.hpp>

namespace neume::quantize {

/// fixed + rows * per_row bytes.
struct FitMemory {
  std::size_t fixed = 0;
  std::size_t per_row = 0;

  std::size_t of(std::size_t rows) const { return fixed + rows * per_row; }
  /// The most rows for which of(rows) is at most `bytes`.
  std::size_t rows_within(std::size_t bytes) const { return bytes < fixed ? 0 : (bytes - fixed) / per_row; }
};

/// What Quantizer::fit holds at its peak for rows of `width` columns, the rows themselves included: an estimate from
/// above, within a quarter where rows are many. Throws as QuantizerOptions::validate.
FitMemory fit_memory(const QuantizerOptions& options, std::size_t width);

}  // namespace neume::quantize
