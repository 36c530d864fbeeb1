#include "quantize/fit_statistics.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "kernels/argmin.hpp"

namespace neume::quantize {

namespace {

constexpr std::size_t kParts = 10;
constexpr std::size_t kEnoughRows = 10'000;
constexpr std::size_t kRowsAtOnce = 4 * kBlockRows;

/// Rows [begin, begin + count), with zeros behind them.
struct RowBlock {
  Matrix rows;  ///< kBlockRows
  std::size_t begin;
  std::size_t count;
};

/// Codes and distances of a block of rows.
void measure_block(const Codec& codec, Codec::Scratch& scratch, const RowBlock& block, MeasuredRows& out) {
  const std::size_t layers = out.distances.size();
  Matrix workspace = block.rows.clone();
  Code* codes = out.codes.data() + block.begin * layers;
  codec.encode(scratch, workspace.data(), block.count, codes);
  for (std::size_t l = 0; l < layers; ++l) {
    codec.decode(scratch, codes, block.count, l + 1, workspace.data());
    for (std::size_t i = 0; i < block.count; ++i)
      out.distances[l][block.begin + i] = std::sqrt(kernels::squared_distance(block.rows.row(i), workspace.row(i)));
  }
}

Matrix rows_marked(ConstMatrixView rows, const std::vector<std::uint8_t>& is_marked) {
  Matrix marked(static_cast<std::size_t>(std::ranges::count(is_marked, 1)), rows.cols);
  std::size_t next = 0;
  for (std::size_t i = 0; i < rows.rows; ++i)
    if (is_marked[i] != 0) std::ranges::copy(rows.row(i), marked.row(next++).begin());
  return marked;
}

}  // namespace

std::vector<Code> MeasuredRows::codes_of(std::size_t layer) const {
  std::vector<Code> result;
  result.reserve(num_rows());
  for (std::size_t i = layer; i < codes.size(); i += distances.size()) result.push_back(codes[i]);
  return result;
}

void MeasuredRows::append(const MeasuredRows& more) {
  codes.insert(codes.end(), more.codes.begin(), more.codes.end());
  for (std::size_t l = 0; l < distances.size(); ++l)
    distances[l].insert(distances[l].end(), more.distances[l].begin(), more.distances[l].end());
}

MeasuredRows measure_rows(const Codec& codec, ConstMatrixView rows) {
  MeasuredRows result(codec.num_layers(), rows.rows);
  base::parallel_for(base::num_chunks(rows.rows, kRowsAtOnce), [&](std::size_t chunk) {
    const auto scratch = codec.make_scratch();
    const std::size_t end = std::min(rows.rows, (chunk + 1) * kRowsAtOnce);
    for (std::size_t begin = chunk * kRowsAtOnce; begin < end; begin += kBlockRows) {
      RowBlock block{Matrix(kBlockRows, rows.cols), begin, std::min(kBlockRows, end - begin)};
      for (std::size_t i = 0; i < block.count; ++i) std::ranges::copy(rows.row(begin + i), block.rows.row(i).begin());
      measure_block(codec, *scratch, block, result);
    }
  });
  return result;
}

LayerStatistics statistics_of(std::vector<float> distances, std::span<const Code> labels, std::size_t codes) {
  LayerStatistics result;
  result.usage.assign(codes, 0);
  for (const Code code : labels) ++result.usage[code];
  std::ranges::sort(distances);
  const double count = static_cast<double>(distances.size());
  double sum = 0.0, squares = 0.0;
  for (const float x : distances) sum += double{x};
  result.mean = sum / count;
  for (const float x : distances) squares += (double{x} - result.mean) * (double{x} - result.mean);
  result.deviation = std::sqrt(squares / count);
  for (std::size_t q = 0; q < kNumQuantiles; ++q) {
    const double place = static_cast<double>(q) / (kNumQuantiles - 1) * (count - 1.0);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, distances.size() - 1);
    const double share = place - static_cast<double>(below);
    result.quantiles.push_back(
        static_cast<float>((1.0 - share) * double{distances[below]} + share * double{distances[above]}));
  }
  return result;
}

std::optional<FitStatistics> measure_fit(const Codec& codec, ConstMatrixView rows, std::span<const Code> codes,
                                         std::uint64_t seed) {
  if (rows.rows < kFewestFittedRows) return std::nullopt;
  std::vector<std::uint8_t> part(rows.rows), is_left_out(rows.rows);
  for (std::size_t i = 0; i < part.size(); ++i)
    part[i] = static_cast<std::uint8_t>(base::derive_seed(seed, i) % kParts);
  const std::vector<std::size_t> sizes = codec.codebook_sizes();
  const std::size_t enough = std::max(kEnoughRows, kRowsACode * std::ranges::max(sizes));
  MeasuredRows measured(sizes.size());
  for (std::size_t p = 0; p < kParts && measured.num_rows() < enough; ++p) {
    for (std::size_t i = 0; i < part.size(); ++i) is_left_out[i] = part[i] == p ? 1 : 0;
    const std::unique_ptr<const Codec> without = codec.with_means({rows, codes, is_left_out});
    if (without == nullptr) return std::nullopt;
    measured.append(measure_rows(*without, rows_marked(rows, is_left_out).view()));
  }
  FitStatistics result;
  result.rows = measured.num_rows();
  for (std::size_t l = 0; l < sizes.size(); ++l)
    result.layers.push_back(statistics_of(std::move(measured.distances[l]), measured.codes_of(l), sizes[l]));
  return result;
}

}  // namespace neume::quantize
