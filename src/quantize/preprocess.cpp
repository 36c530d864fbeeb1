#include "quantize/preprocess.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "kernels/argmin.hpp"
#include "quantize/kmeans.hpp"

namespace neume::quantize {

namespace {

// Squared norms up to here leave room for the products and sums of a distance within single precision (3.4e38).
constexpr float kLargestSquaredNorm = 1e36f;

void check_finite(std::span<const float> row, std::size_t index) {
  const auto bad = std::find_if(row.begin(), row.end(), [](float x) { return !std::isfinite(x); });
  if (bad == row.end()) return;
  throw BadRow(index, fmt::format("column {} is {}; expected a finite number; remove the item or repair its embedding",
                                  bad - row.begin(), *bad));
}

/// Divides each block of the row by its norm; a block of zeros stays.
void normalise_blocks(const InputShape& shape, std::span<float> row) {
  std::size_t begin = 0;
  for (const std::size_t width : shape.block_widths) {
    const auto block = row.subspan(begin, width);
    double norm = 0.0;
    for (const float x : block) norm += double{x} * x;
    norm = std::sqrt(norm);
    if (norm > 0.0)
      for (float& x : block) x = static_cast<float>(x / norm);
    begin += width;
  }
}

/// Calls work(chunk, row number) for every row, chunks in parallel, rows of a chunk in order.
template <class Work>
void for_each_row(const ChunkPlan& plan, const Work& work) {
  base::parallel_for(plan.count, [&](std::size_t chunk) {
    for (std::size_t i = plan.begin(chunk); i < plan.end(chunk); ++i) work(chunk, i);
  });
}

std::vector<double> sum_of_chunks(const std::vector<std::vector<double>>& parts, std::size_t size) {
  std::vector<double> sum(size, 0.0);
  for (const auto& part : parts)
    for (std::size_t j = 0; j < size; ++j) sum[j] += part[j];
  return sum;
}

/// 1 / root mean squared norm of each block's centred rows, repeated over the block's columns.
std::vector<float> rms_scale(MatrixView rows, const InputShape& shape, std::span<const float> mean) {
  const ChunkPlan plan(rows.rows);
  std::vector<std::vector<double>> parts(plan.count, std::vector<double>(rows.cols));
  for_each_row(plan, [&](std::size_t chunk, std::size_t i) {
    const auto row = rows.row(i);
    for (std::size_t j = 0; j < row.size(); ++j) {
      const double centred = double{row[j]} - mean[j];
      parts[chunk][j] += centred * centred;
    }
  });
  const std::vector<double> squares = sum_of_chunks(parts, rows.cols);
  std::vector<float> scale;
  for (const std::size_t width : shape.block_widths) {
    double total = 0.0;
    for (std::size_t j = 0; j < width; ++j) total += squares[scale.size() + j];
    const double rms = std::sqrt(total / static_cast<double>(rows.rows));
    const float inverse = static_cast<float>(1.0 / rms);
    scale.insert(scale.end(), width, rms > 0.0 && std::isfinite(inverse) ? inverse : 1.0f);
  }
  return scale;
}

}  // namespace

BadRow::BadRow(std::size_t row, const std::string& reason)
    : DataError(fmt::format("row {}: {}", row, reason)), row_(row), reason_(reason) {}

void RowTransform::apply(std::span<const float> raw, std::size_t index, std::span<float> out) const {
  if (raw.data() != out.data()) std::ranges::copy(raw, out.begin());
  if (shape.scaling == Scaling::l2) normalise_blocks(shape, out);
  for (std::size_t j = 0; j < out.size(); ++j) out[j] = (out[j] - mean[j]) * scale[j];
  const float norm = kernels::squared_norm(out);
  if (norm < kLargestSquaredNorm) return;
  if (raw.data() != out.data()) check_finite(raw, index);
  throw BadRow(index, fmt::format("squared norm {} is too large for distances in single precision; expected less than "
                                  "{}; scale the embeddings (rms or l2)",
                                  norm, kLargestSquaredNorm));
}

Moments fit_transform(MatrixView rows, const InputShape& shape) {
  const ChunkPlan plan(rows.rows);
  std::vector<std::vector<double>> parts(plan.count, std::vector<double>(rows.cols));
  for_each_row(plan, [&](std::size_t chunk, std::size_t i) {
    const auto row = rows.row(i);
    check_finite(row, i);
    std::vector<float> normalised;
    std::span<const float> counted = row;
    if (shape.scaling == Scaling::l2) {
      normalised.assign(row.begin(), row.end());
      normalise_blocks(shape, normalised);
      counted = normalised;
    }
    for (std::size_t j = 0; j < counted.size(); ++j) parts[chunk][j] += double{counted[j]};
  });
  Moments moments;
  for (const double sum : sum_of_chunks(parts, rows.cols))
    moments.mean.push_back(static_cast<float>(sum / static_cast<double>(rows.rows)));
  moments.scale =
      shape.scaling == Scaling::rms ? rms_scale(rows, shape, moments.mean) : std::vector<float>(rows.cols, 1.0f);
  const RowTransform transform{shape, moments.mean, moments.scale};
  for_each_row(plan, [&](std::size_t, std::size_t i) { transform.apply(rows.row(i), i, rows.row(i)); });
  return moments;
}

}  // namespace neume::quantize
