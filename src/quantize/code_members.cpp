#include "quantize/code_members.hpp"

#include <algorithm>

#include "base/parallel.hpp"

namespace neume::quantize {

CodeMembers::CodeMembers(const CodedRows& coded, std::size_t layer, std::size_t codes) : begin_(codes + 1) {
  const std::size_t num_rows = coded.rows.rows, layers = num_rows == 0 ? 0 : coded.codes.size() / num_rows;
  const auto code_of = [&](std::size_t i) { return std::size_t{coded.codes[i * layers + layer]}; };
  for (std::size_t i = 0; i < num_rows; ++i)
    if (coded.is_left_out[i] == 0) ++begin_[code_of(i) + 1];
  for (std::size_t j = 0; j < codes; ++j) begin_[j + 1] += begin_[j];
  rows_.resize(begin_.back());
  std::vector<std::size_t> next(begin_.begin(), begin_.end() - 1);
  for (std::size_t i = 0; i < num_rows; ++i)
    if (coded.is_left_out[i] == 0) rows_[next[code_of(i)]++] = static_cast<std::uint32_t>(i);
}

std::size_t CodeMembers::first_in_use() const {
  for (std::size_t j = 0; j < num_codes(); ++j)
    if (!of(j).empty()) return j;
  return 0;
}

Matrix means_of(const CodeMembers& members, std::size_t width, const RowFn& row) {
  Matrix means(members.num_codes(), width);
  base::parallel_for(members.num_codes(), [&](std::size_t j) {
    const auto rows = members.of(j);
    if (rows.empty()) return;
    std::vector<double> sums(width, 0.0);
    std::vector<float> values(width);
    for (const std::uint32_t i : rows) {
      row(i, values);
      for (std::size_t c = 0; c < width; ++c) sums[c] += double{values[c]};
    }
    for (std::size_t c = 0; c < width; ++c)
      means.row(j)[c] = static_cast<float>(sums[c] / static_cast<double>(rows.size()));
  });
  const std::size_t first = members.first_in_use();
  for (std::size_t j = 0; j < members.num_codes(); ++j)
    if (members.of(j).empty()) std::ranges::copy(means.row(first), means.row(j).begin());
  return means;
}

Matrix rows_renamed(const Matrix& values, std::span<const Code> new_names) {
  Matrix result(values.rows(), values.cols());
  for (std::size_t j = 0; j < values.rows(); ++j) std::ranges::copy(values.row(j), result.row(new_names[j]).begin());
  return result;
}

}  // namespace neume::quantize
