#pragma once
// Products of rows and codewords that are both rounded to eight bits, as a filter: integer sums are exact, so the only
// error is that of rounding, and its length is measured for every row and codeword. Codes that may be nearest go to
// short lists; who is nearest is decided elsewhere, from the values as they are.
//
// A row x is s q + e with integers q in [-127, 127], a codeword c is t w + f. Then x . c = s t (q . w) + e . c + (s q)
// . f, and by Cauchy and Schwarz the last two terms are at most |e| |c| + |s q| |f|.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <neume/matrix.hpp>

#include "base/buffer.hpp"
#include "kernels/argmin.hpp"

namespace neume::kernels {

/// Whether this CPU has products of four pairs of bytes (AVX-512 VNNI) and no instruction_limit() holds them back.
bool has_int8_products();

/// The length of a row after rounding, and of what rounding has taken away; both rounded up.
struct RoundedRow {
  float scale = 0.0f;
  float length = 0.0f;
  float error = 0.0f;
};

/// Codewords in eight bits, in panels of kCodeGroup of them that lie as the kernel reads them.
class Int8Codewords {
 public:
  Int8Codewords() = default;
  /// `bias` are the scores' first terms, one a codeword. Throws InternalError where has_int8_products() is false.
  Int8Codewords(ConstMatrixView codewords, std::span<const float> bias);

  bool empty() const { return num_codes_ == 0; }
  std::size_t size() const { return num_codes_; }
  std::size_t num_panels() const { return lengths_.size(); }

 private:
  friend struct PanelView;

  void pack(std::size_t code, const std::uint8_t* bytes, const RoundedRow& rounded);

  std::size_t num_codes_ = 0;
  std::size_t quads_ = 0;               // groups of four columns
  base::Buffer<std::uint32_t> words_;   // panel by panel: quads x kCodeGroup
  base::Buffer<std::int32_t> offsets_;  // -128 times the sum of a codeword's integers: rows are stored plus 128
  base::Buffer<float> scales_;
  base::Buffer<float> bias_;
  std::vector<float> lengths_;  // of each panel the largest |c|, |f| and |bias|
  std::vector<float> errors_;
  std::vector<float> largest_bias_;
};

struct PanelSearch;

/// Rows in eight bits.
class Int8Rows {
 public:
  /// Room for `capacity` rows of `width` floats.
  Int8Rows(std::size_t capacity, std::size_t width);

  /// Rounds `values` (`width` floats) to row i < capacity.
  void round(std::size_t i, const float* values);

 private:
  friend void shortlist_panel(const Int8Codewords&, const Int8Rows&, const PanelSearch&, std::span<Shortlist>);

  std::size_t width_;
  std::size_t stride_;  // bytes
  base::Buffer<std::uint8_t> bytes_;
  std::vector<RoundedRow> rounded_;
};

/// Of a row and the codes of a panel: no true score is below `lowest`. But for the code that has the lowest score, none
/// is below `second`, which is written only where codes of the panel have gone to the row's list.
struct PanelScores {
  float lowest;
  float second;
};

/// Which rows of a block meet the codes of which panel, the codes from panel * kCodeGroup on.
struct PanelSearch {
  std::size_t panel = 0;
  std::span<const std::uint8_t> rows;  ///< their numbers in the block
  std::span<const ScoreTable> tables;  ///< as in ScoreBlock
  float largest_table = 0.0f;          ///< no row of the tables has entries that sum to more than this in size
  PanelScores* scores = nullptr;       ///< null, or for row i of the block at [i * score_stride] its scores
  std::size_t score_stride = 0;
};

/// Adds the codes of a panel that may be nearest to the short lists, one for each row of the block. Panels must come in
/// rising order.
void shortlist_panel(const Int8Codewords& codewords, const Int8Rows& rows, const PanelSearch& search,
                     std::span<Shortlist> lists);

}  // namespace neume::kernels
