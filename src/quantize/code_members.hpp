#pragma once
// Codes turned round: which rows has each code? And what follows at once: means of codes, and other names for them.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/semantic_ids.hpp>

#include "quantize/codec.hpp"

namespace neume::quantize {

/// The rows of each code of one layer, rising, without those that are left out.
class CodeMembers {
 public:
  /// O(N + k).
  CodeMembers(const CodedRows& coded, std::size_t layer, std::size_t codes);

  std::size_t num_codes() const { return begin_.size() - 1; }
  std::span<const std::uint32_t> of(std::size_t code) const {
    return {rows_.data() + begin_[code], begin_[code + 1] - begin_[code]};
  }
  /// The lowest code that has rows; 0 where none has.
  std::size_t first_in_use() const;

 private:
  std::vector<std::size_t> begin_;  // k + 1
  std::vector<std::uint32_t> rows_;
};

/// Writes what row i brings to the mean of its code.
using RowFn = std::function<void(std::size_t row, std::span<float> out)>;

/// k x width: the mean over the rows of each code; a code without rows gets that of first_in_use(). Every mean is
/// summed in double by one thread in the order of the rows.
Matrix means_of(const CodeMembers& members, std::size_t width, const RowFn& row);

/// Row new_names[j] of the result is row j of `values`.
Matrix rows_renamed(const Matrix& values, std::span<const Code> new_names);

}  // namespace neume::quantize
