#pragma once
// Nearest codewords of blocks of rows. Who is nearest is decided by one number a row and codeword, exact_score;
// products only find the few codewords that may be nearest, in f32 or, where the CPU has them, in eight bits at four
// times the speed. Both know how far their scores may be from the true ones, so a row gets the same code whichever is
// used, wherever the row stands, in fit and in encode (docs/decisions/0012).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "base/buffer.hpp"
#include "kernels/argmin.hpp"
#include "kernels/int8_products.hpp"
#include "quantize/codebook_layer.hpp"
#include "quantize/codec.hpp"
#include "quantize/panel_bounds.hpp"

namespace neume::quantize {

/// Codewords that are searched at once: 128 x 512 scores are 256 KiB, which stay in L2 beside the block.
inline constexpr std::size_t kCodesAtOnce = 512;

/// Squared distance of a row to a codeword, less the row's own squared norm, plus the codeword's price, from the inner
/// product of the two. Fit and encode compare these very numbers, so a balanced fit comes out balanced.
inline double priced_score(float bias, double price, float product) {
  return double{bias} + price - 2.0 * double{product};
}
inline double priced_score(const CodebookLayer& codebook, std::size_t code, float product) {
  return priced_score(codebook.bias[code], codebook.price[code], product);
}

/// A block of rows: kBlockRows x d floats without padding between rows, of which the first `count` are real, and the
/// earlier codes of row i at codes[i * code_stride], one a table of the codebook.
/// Where the likely codes of the rows are known, `likely` has them (kNoCode: not known): that saves time, and changes
/// no code. Where only codewords nearer than a known one are looked for, `within` has for each row what
/// Nearest::residual + Nearest::prefix must be below (rounded up); a row without such a codeword may get kNoCode.
struct RowBlock {
  const float* rows;
  std::size_t count;
  const Code* codes;
  std::size_t code_stride;
  const Code* likely = nullptr;
  const float* within = nullptr;
  std::optional<BlockBounds> bounds = {};  ///< read where the filter serves, and brought up to date
};

/// The codeword that a row goes to.
struct Nearest {
  std::uint32_t index = 0;
  double residual = 0.0;  ///< squared distance of the row and the residual half
  double prefix = 0.0;    ///< what the prefix half adds, less lambda^2 |p|^2, which is the same for all codewords
};

/// What decides which of two codewords is nearer to a row of the block: the sum of the two parts.
Nearest exact_score(const CodebookLayer& codebook, const RowBlock& block, std::size_t row, std::size_t code);

/// Memory that one thread needs to assign blocks of width d.
class AssignmentScratch {
 public:
  AssignmentScratch(std::size_t width, std::size_t largest_codebook);

  /// Nearest codewords of the block's rows, prices included; among equal distances the lowest. Valid until the next
  /// call.
  std::span<const Nearest> assign(const CodebookLayer& codebook, const RowBlock& block);

  /// Inner products of a full block of rows with `columns` <= kCodesAtOnce codewords from `first` on: kBlockRows x
  /// columns, valid until the next call. The same numbers as in assign where `first` is a multiple of kCodesAtOnce.
  const float* multiply(const CodebookLayer& codebook, const float* rows, std::size_t first, std::size_t columns);

  /// `count` rows of width d at `rows` as a full block: the rows themselves where there are kBlockRows of them, else a
  /// copy with zeros behind.
  const float* full_block(const float* rows, std::size_t count);

 private:
  void start_lists(const CodebookLayer& codebook, const RowBlock& block);
  Nearest nearest_of(std::size_t row, const CodebookLayer& codebook, const RowBlock& block);
  void shortlist_in_f32(const CodebookLayer& codebook, const RowBlock& block);
  bool shortlist_in_int8(const CodebookLayer& codebook, const RowBlock& block);
  void choose_panels(const CodebookLayer& codebook, const RowBlock& block);
  void keep_bounds(const CodebookLayer& codebook, const RowBlock& block);
  bool is_bounded(const CodebookLayer& codebook, std::size_t row) const;
  double lowest_but_nearest(std::size_t row, std::size_t panel) const;
  double distance_slack(const BlockBounds& bounds, std::size_t row) const;
  void assign_priced(const CodebookLayer& codebook, const RowBlock& block);
  void update_nearest_priced(const CodebookLayer& codebook, std::size_t first, std::size_t columns);

  std::size_t width_;
  std::size_t scores_size_;
  base::Buffer<float> scores_;  // made when first needed, as is padded_: many a scratch lives for a few blocks only
  base::Buffer<float> padded_;
  std::vector<Nearest> nearest_;
  std::vector<double> priced_;  // the smallest priced score of each row so far
  std::vector<kernels::Shortlist> lists_;
  std::vector<float> norms_;   // |x|^2
  std::vector<float> errors_;  // of scores in f32
  kernels::Int8Rows rounded_;
  std::vector<std::vector<std::uint8_t>> panel_rows_;  // of each panel, the rows that meet its codes
  std::vector<kernels::PanelScores> panel_scores_;     // kBlockRows x panels
  std::vector<double> reach_;                          // of each row, the squared distance to its likely code
  std::size_t blocks_without_filter_ = 0;              // still to come, since the filter has let too much through
};

/// Any order of summing `width` products, each rounded once at most, is wrong by at most this times |x| |c| (to first
/// order width 2^-24; Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); here with some room.
inline float product_rounding(std::size_t width) {
  return 6.1e-8f * static_cast<float>(width + 8);
}

/// Whether the search may go through products in eight bits first. The codes are the same.
enum class Search { filtered, plain };

/// Fills bias, tables and filter of `codebook` from its codewords. `earlier` are the layers before it, or none where
/// the codebook has no prefix half. Throws InvalidArgument where a table would pass kMaxTableFloats.
void prepare_codebook(CodebookLayer& codebook, std::span<const CodebookLayer> earlier, double prefix_weight,
                      Search search = Search::filtered);

/// Limit of one k_m x k table: 1 GiB, reached at k = 16,384.
inline constexpr std::size_t kMaxTableFloats = std::size_t{1} << 28;

/// out = sum over `earlier` of the residual halves that `codes` select: the prefix of a row (d floats).
void sum_codewords(std::span<const CodebookLayer> earlier, const Code* codes, std::span<float> out);

/// row -= codeword, the step from one residual to the next. Fit and encode share it.
void subtract_codeword(std::span<float> row, std::span<const float> codeword);

}  // namespace neume::quantize
