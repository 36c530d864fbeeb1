#include "quantize/assignment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "kernels/matmul.hpp"

namespace neume::quantize {

AssignmentScratch::AssignmentScratch(std::size_t width, std::size_t largest_codebook)
    : width_(width),
      scores_(kBlockRows * std::min(largest_codebook, kCodesAtOnce)),
      padded_(kBlockRows * width),
      nearest_(kBlockRows) {}

std::span<const kernels::Nearest> AssignmentScratch::assign(const CodebookLayer& codebook, const RowBlock& block) {
  const std::span<kernels::Nearest> nearest(nearest_.data(), block.count);
  std::fill(nearest.begin(), nearest.end(), kernels::Nearest{});
  priced_.assign(codebook.price.empty() ? 0 : block.count, std::numeric_limits<double>::infinity());
  kernels::ScoreTable tables[kernels::kMaxScoreTables];
  const std::size_t num_tables = codebook.tables.size();
  for (std::size_t first = 0; first < codebook.size(); first += kCodesAtOnce) {
    const std::size_t columns = std::min(kCodesAtOnce, codebook.size() - first);
    multiply(codebook, block.rows, first, columns);
    if (!codebook.price.empty()) {
      update_nearest_priced(codebook, first, columns);
      continue;
    }
    for (std::size_t m = 0; m < num_tables; ++m)
      tables[m] = {codebook.tables[m].data() + first, codebook.size(), block.codes + m, block.code_stride};
    const kernels::ScoreBlock scores{{scores_.data(), block.count, columns, columns},
                                     codebook.bias.data() + first,
                                     {tables, num_tables},
                                     static_cast<std::uint32_t>(first)};
    kernels::update_nearest(scores, nearest);
  }
  return nearest;
}

const float* AssignmentScratch::multiply(const CodebookLayer& codebook, const float* rows, std::size_t first,
                                         std::size_t columns) {
  kernels::matmul({kBlockRows, columns, width_}, {rows, width_}, {codebook.residual.row(first).data(), width_, true},
                  {scores_.data(), columns});
  return scores_.data();
}

// In double: prices are found such that a cluster holds its capacity exactly, which the last bit may decide. Layers
// with prices have no tables.
void AssignmentScratch::update_nearest_priced(const CodebookLayer& codebook, std::size_t first, std::size_t columns) {
  for (std::size_t i = 0; i < priced_.size(); ++i) {
    const float* products = scores_.data() + i * columns;
    for (std::size_t j = 0; j < columns; ++j) {
      const double score = priced_score(codebook, first + j, products[j]);
      if (score >= priced_[i]) continue;
      priced_[i] = score;
      nearest_[i] = {static_cast<float>(score), static_cast<std::uint32_t>(first + j)};
    }
  }
}

const float* AssignmentScratch::full_block(const float* rows, std::size_t count) {
  if (count == kBlockRows) return rows;
  std::copy_n(rows, count * width_, padded_.data());
  std::fill(padded_.begin() + count * width_, padded_.end(), 0.0f);
  return padded_.data();
}

namespace {

double norm_in_double(std::span<const float> row) {
  double sum = 0.0;
  for (const float x : row) sum += double{x} * x;
  return sum;
}

Matrix prefix_table(const CodebookLayer& earlier, const Matrix& prefix, float weight_squared) {
  const std::size_t width = prefix.cols(), codes = prefix.rows(), rows = earlier.size();
  if (rows > kMaxTableFloats / codes)
    throw InvalidArgument(
        fmt::format("psrq with {} and {} codes in two layers needs a table of {} x {} floats, more "
                    "than 1 GiB; use fewer codes (16384 fit) or prefix-weight 0",
                    rows, codes, rows, codes));
  Matrix table(rows, codes);
  base::parallel_for(base::num_chunks(rows, kBlockRows), [&](std::size_t chunk) {
    const std::size_t begin = chunk * kBlockRows, count = std::min(kBlockRows, rows - begin);
    float* out = table.row(begin).data();
    kernels::matmul({count, codes, width}, {earlier.residual.row(begin).data(), width}, {prefix.data(), width, true},
                    {out, codes});
    for (std::size_t i = 0; i < count * codes; ++i) out[i] *= weight_squared;
  });
  return table;
}

}  // namespace

void prepare_codebook(CodebookLayer& codebook, std::span<const CodebookLayer> earlier, double prefix_weight) {
  const double weight_squared = prefix_weight * prefix_weight;
  codebook.bias.resize(codebook.size());
  codebook.tables.clear();
  for (std::size_t j = 0; j < codebook.size(); ++j) {
    const double prefix_norm = codebook.prefix.empty() ? 0.0 : weight_squared * norm_in_double(codebook.prefix.row(j));
    codebook.bias[j] = static_cast<float>(norm_in_double(codebook.residual.row(j)) + prefix_norm);
  }
  if (codebook.prefix.empty()) return;
  for (const CodebookLayer& layer : earlier)
    codebook.tables.push_back(prefix_table(layer, codebook.prefix, static_cast<float>(weight_squared)));
}

void sum_codewords(std::span<const CodebookLayer> earlier, const Code* codes, std::span<float> out) {
  std::fill(out.begin(), out.end(), 0.0f);
  for (std::size_t m = 0; m < earlier.size(); ++m) {
    const auto codeword = earlier[m].residual.row(codes[m]);
    for (std::size_t j = 0; j < out.size(); ++j) out[j] += codeword[j];
  }
}

void subtract_codeword(std::span<float> row, std::span<const float> codeword) {
  for (std::size_t j = 0; j < row.size(); ++j) row[j] -= codeword[j];
}

}  // namespace neume::quantize
