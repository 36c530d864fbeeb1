#pragma once
// The few codes that a row may end up with when clusters are balanced: its nearest ones, prices included. Prices change
// little at a time, so balancing looks at these lists and not at all k scores of a row.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "base/buffer.hpp"
#include "quantize/assignment.hpp"
#include "quantize/codebook_layer.hpp"

namespace neume::quantize {

/// M codes of every one of N rows with their inner products: 6 M bytes a row. M starts at k or 64, whichever is less,
/// with fewer from 65,536 rows upwards, and 8 from 524,288.
class CandidateLists {
 public:
  CandidateLists(std::size_t rows, std::size_t codes);

  /// Doubles M, up to k and 192 MiB; the lists are empty until the next gather. False where M stays as it is.
  bool lengthen();

  /// Lists the M best codes of every row (N x d without padding) by priced_score, best first, among equal scores the
  /// lowest code first. `codebook` has prices and no prefix half. Costs one product of N x d with d x k.
  void gather(ConstMatrixView rows, const CodebookLayer& codebook);

  /// Puts every code j into the lists of the `wanted[j]` rows that would lose least by it, beside those whose lists
  /// have it already, in place of their last codes: codes with room are then on the way from everywhere, however far
  /// off they are. To be called after gather with the same arguments. Costs at most one product of N x d with d x k.
  void widen(ConstMatrixView rows, const CodebookLayer& codebook, std::span<const std::size_t> wanted);

  std::size_t rows() const { return rows_; }
  std::size_t num_codes() const { return bias_.size(); }
  std::size_t length() const { return length_; }
  Code code(std::size_t row, std::size_t place) const { return codes_[row * length_ + place]; }

  /// priced_score of a row and the code at `place` of its list: what encode compares.
  double score(std::size_t row, std::size_t place, double price) const {
    const std::size_t at = row * length_ + place;
    return priced_score(bias_[codes_[at]], price, products_[at]);
  }

  /// Places of the best and the second best code of a row under `prices`, by the rule of encode, and their scores.
  /// Second is the first again where a list has one entry.
  struct Best {
    std::size_t first, second;
    double first_score, second_score;
    double gap() const { return second_score - first_score; }
  };
  Best best(std::size_t row, std::span<const double> prices) const;

 private:
  /// A row that could list a code, and what it would lose by that code.
  struct Entry {
    double gap;
    std::uint32_t row;
    float product;
    bool operator<(const Entry& other) const { return gap != other.gap ? gap < other.gap : row < other.row; }
  };
  /// Entries of each code, at most wanted[j] of them: a heap, worst first.
  using Entries = std::vector<std::vector<Entry>>;

  void gather_rows(ConstMatrixView rows, const CodebookLayer& codebook, std::size_t begin, std::size_t end);

  void collect(ConstMatrixView rows, const CodebookLayer& codebook, std::span<const std::size_t> wanted,
               std::span<Entries> chunks) const;
  bool lists(std::size_t row, Code code) const;

  std::size_t rows_;
  std::size_t length_;
  std::vector<float> bias_;
  base::Buffer<Code> codes_;
  base::Buffer<float> products_;
};

}  // namespace neume::quantize
