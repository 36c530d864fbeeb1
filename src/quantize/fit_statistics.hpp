#pragma once
// Measures how far rows like the fitted ones lie from their codes. Not the fitted rows themselves: every codeword is a
// mean of rows that are counted, so they lie nearer than any row to come (lfm2k text, k = 256: a third of fresh rows
// from the same set lie beyond the 99th percentile of the fitted ones, in layer 3). So some rows are held out:
// codewords become the means of the other rows, their codes kept, and the held-out rows are encoded anew. That is a
// cross-validation with one update of the codewords instead of a whole fit, and costs about one Lloyd iteration.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <neume/fit_statistics.hpp>
#include <neume/matrix.hpp>
#include <neume/semantic_ids.hpp>

#include "quantize/codec.hpp"

namespace neume::quantize {

/// Codes of n rows, n x L, and their distances |x - y_l|, layer by layer n.
struct MeasuredRows {
  std::vector<Code> codes;
  std::vector<std::vector<float>> distances;

  explicit MeasuredRows(std::size_t layers, std::size_t rows = 0)
      : codes(rows * layers), distances(layers, std::vector<float>(rows)) {}

  std::size_t num_rows() const { return distances.front().size(); }
  /// Codes of layer l, n of them.
  std::vector<Code> codes_of(std::size_t layer) const;
  void append(const MeasuredRows& more);
};

/// Encodes mapped rows (n x d without padding) and measures them. Blocks run on all threads.
MeasuredRows measure_rows(const Codec& codec, ConstMatrixView rows);

/// Mean, deviation and quantiles of `distances` (not empty), linear between neighbours in rank, and the usage of
/// `codes` codes in `labels`.
LayerStatistics statistics_of(std::vector<float> distances, std::span<const Code> labels, std::size_t codes);

/// The smallest fit that is measured: below, a percentile means nothing.
inline constexpr std::size_t kFewestFittedRows = 100;

/// Held-out rows a code below which its usage tells nothing: with few rows a code, codewords without a tenth of them
/// are others than those with them, and so is their usage.
inline constexpr std::size_t kRowsACode = 10;

/// Statistics of a fit to `rows` (mapped, N x d) with `codes` (N x L). Rows fall by `seed` into ten parts; parts are
/// held out one after the other until 10,000 rows and kRowsACode a code, or all ten parts, have been measured. Nothing
/// where N is below kFewestFittedRows or the codec's codewords are no means. O(N d L) a part and one encoding of the
/// held-out rows.
std::optional<FitStatistics> measure_fit(const Codec& codec, ConstMatrixView rows, std::span<const Code> codes,
                                         std::uint64_t seed);

}  // namespace neume::quantize
