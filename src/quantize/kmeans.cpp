#include "quantize/kmeans.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <unordered_set>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "kernels/argmin.hpp"
#include "kernels/matmul.hpp"
#include "quantize/assignment.hpp"
#include "quantize/seeding.hpp"

namespace neume::quantize {

namespace {

constexpr std::size_t kMaxChunks = 16;
constexpr std::size_t kSmallestChunk = 4 * kBlockRows;

// Squared distances below this share of the rows' mean squared norm are rounding: single precision keeps 1.2e-7, and a
// score is a sum of a few such terms.
constexpr double kRoundingShare = 1e-6;

}  // namespace

ChunkPlan::ChunkPlan(std::size_t num_rows) : rows(num_rows) {
  const std::size_t share = base::num_chunks(rows, kMaxChunks);
  chunk_rows = std::max(kSmallestChunk, base::num_chunks(share, kBlockRows) * kBlockRows);
  count = base::num_chunks(rows, chunk_rows);
}

std::size_t ChunkPlan::end(std::size_t chunk) const {
  return std::min(rows, (chunk + 1) * chunk_rows);
}

Lloyd::Lloyd(const KMeansProblem& problem, CodebookLayer start)
    : problem_(problem),
      plan_(problem.rows.rows),
      codebook_(std::move(start)),
      labels_(problem.rows.rows, kNoCode),
      chunks_(plan_.count),
      counts_(codebook_.size()),
      distances_(problem.rows.rows),
      prefix_norms_(problem.has_prefix() ? problem.rows.rows : 0) {
  if (problem.rows.stride != problem.rows.cols) throw InternalError("k-means wants rows without padding");
  const double weight_squared = problem.prefix_weight * problem.prefix_weight;
  std::vector<double> sums(plan_.count);
  base::parallel_for(plan_.count, [&](std::size_t index) {
    chunks_[index].sums = Matrix(codebook_.size(), problem.rows.cols);
    chunks_[index].counts.resize(codebook_.size());
    std::vector<float> prefix(problem.rows.cols);
    for (std::size_t i = plan_.begin(index); i < plan_.end(index); ++i) {
      sums[index] += double{kernels::squared_norm(problem.rows.row(i))};
      if (!problem.has_prefix()) continue;
      sum_codewords(problem.earlier, problem.codes + i * problem.code_stride, prefix);
      prefix_norms_[i] = static_cast<float>(weight_squared * double{kernels::squared_norm(prefix)});
      sums[index] += double{prefix_norms_[i]};
    }
  });
  const double total = std::accumulate(sums.begin(), sums.end(), 0.0);
  negligible_ = static_cast<float>(kRoundingShare * total / static_cast<double>(std::max<std::size_t>(1, plan_.rows)));
  prepare();
  if (codebook_.filter.empty() || PanelBounds::per_row(codebook_.size(), problem.rows.cols) == 0) return;
  bounds_ = PanelBounds(plan_.rows, codebook_.size());
  bounds_.move_to(codebook_, problem.earlier, problem.prefix_weight);
}

void Lloyd::prepare() {
  prepare_codebook(codebook_, problem_.earlier, problem_.prefix_weight, problem_.search);
  if (!bounds_.empty()) bounds_.move_to(codebook_, problem_.earlier, problem_.prefix_weight);
}

Lloyd::Pass Lloyd::assign() {
  base::parallel_for(plan_.count, [&](std::size_t index) { assign_chunk(index); });
  return total();
}

Lloyd::Pass Lloyd::assign_to(std::span<const Code> labels) {
  bounds_.forget();
  base::parallel_for(plan_.count, [&](std::size_t index) {
    Chunk& chunk = start_chunk(index);
    for (std::size_t i = plan_.begin(index); i < plan_.end(index); ++i) {
      const Code* codes = problem_.has_prefix() ? problem_.codes + i * problem_.code_stride : nullptr;
      take_row(chunk, i, exact_score(codebook_, {problem_.rows.row(i).data(), 1, codes, 0}, 0, labels[i]));
    }
  });
  return total();
}

Lloyd::Pass Lloyd::total() {
  Pass pass;
  std::fill(counts_.begin(), counts_.end(), 0);
  for (const Chunk& chunk : chunks_) {
    pass.objective += chunk.objective;
    pass.changed += chunk.changed;
    for (std::size_t j = 0; j < counts_.size(); ++j) counts_[j] += chunk.counts[j];
  }
  pass.objective /= static_cast<double>(std::max<std::size_t>(1, plan_.rows));
  if (first_pass_) pass.changed = plan_.rows;
  first_pass_ = false;
  return pass;
}

Lloyd::Chunk& Lloyd::start_chunk(std::size_t index) {
  Chunk& chunk = chunks_[index];
  std::fill_n(chunk.sums.data(), chunk.sums.size(), 0.0f);
  std::fill(chunk.counts.begin(), chunk.counts.end(), 0);
  chunk.objective = 0.0;
  chunk.changed = 0;
  return chunk;
}

void Lloyd::assign_chunk(std::size_t index) {
  Chunk& chunk = start_chunk(index);
  AssignmentScratch scratch(problem_.rows.cols, codebook_.size());
  for (std::size_t begin = plan_.begin(index); begin < plan_.end(index); begin += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, plan_.end(index) - begin);
    const Code* codes = problem_.has_prefix() ? problem_.codes + begin * problem_.code_stride : nullptr;
    const float* rows = scratch.full_block(problem_.rows.row(begin).data(), count);
    RowBlock block{rows, count, codes, problem_.code_stride, labels_.data() + begin};
    if (!bounds_.empty()) block.bounds = bounds_.block(begin, prefix_norms_);
    const auto nearest = scratch.assign(codebook_, block);
    for (std::size_t i = 0; i < count; ++i) take_row(chunk, begin + i, nearest[i]);
  }
}

void Lloyd::take_row(Chunk& chunk, std::size_t row, const Nearest& nearest) {
  kernels::add_row(problem_.rows.row(row), chunk.sums.row(nearest.index));
  double distance = nearest.residual;
  if (problem_.has_prefix()) distance += std::max(0.0, double{prefix_norms_[row]} + nearest.prefix);
  distances_[row] = static_cast<float>(distance);
  chunk.objective += distance;
  chunk.counts[nearest.index] += 1;
  chunk.changed += labels_[row] != nearest.index;
  labels_[row] = static_cast<Code>(nearest.index);
}

std::size_t Lloyd::update() {
  update_residual_half();
  if (problem_.has_prefix()) update_prefix_half();
  const std::size_t reseeded = fill_empty_clusters();
  prepare();
  return reseeded;
}

void Lloyd::update_residual_half() {
  const std::size_t width = problem_.rows.cols;
  base::parallel_for(base::num_chunks(codebook_.size(), kBlockRows), [&](std::size_t block) {
    std::vector<double> sum(width);
    const std::size_t end = std::min(codebook_.size(), (block + 1) * kBlockRows);
    for (std::size_t j = block * kBlockRows; j < end; ++j) {
      if (counts_[j] == 0) continue;
      std::fill(sum.begin(), sum.end(), 0.0);
      for (const Chunk& chunk : chunks_) {
        const auto part = chunk.sums.row(j);
        for (std::size_t p = 0; p < width; ++p) sum[p] += double{part[p]};
      }
      const auto codeword = codebook_.residual.row(j);
      for (std::size_t p = 0; p < width; ++p) codeword[p] = static_cast<float>(sum[p] / counts_[j]);
    }
  });
}

// The mean prefix of cluster j is sum over earlier layers m of sum over codes c of H_m[j][c] * A_m[c] / n_j, where H_m
// counts the rows of the cluster that have code c in layer m.
void Lloyd::update_prefix_half() {
  const std::size_t width = problem_.rows.cols, num_codes = codebook_.size(), num_earlier = problem_.earlier.size();
  const std::vector<std::uint32_t> members = rows_by_label();
  std::vector<std::size_t> first(num_codes + 1);
  std::inclusive_scan(counts_.begin(), counts_.end(), first.begin() + 1, std::plus<>(), std::size_t{0});
  base::parallel_for(base::num_chunks(num_codes, kBlockRows), [&](std::size_t block) {
    const std::size_t begin = block * kBlockRows, count = std::min(kBlockRows, num_codes - begin);
    Matrix sums(count, width);
    for (std::size_t m = 0; m < num_earlier; ++m) {
      const std::size_t columns = problem_.earlier[m].size();
      Matrix weights(count, columns);
      for (std::size_t j = 0; j < count; ++j) {
        std::vector<std::uint32_t> histogram(columns);
        for (std::size_t at = first[begin + j]; at < first[begin + j + 1]; ++at)
          ++histogram[problem_.codes[members[at] * problem_.code_stride + m]];
        std::ranges::transform(histogram, weights.row(j).begin(), [](auto rows) { return static_cast<float>(rows); });
      }
      kernels::matmul({count, width, columns}, {weights.data(), columns}, {problem_.earlier[m].residual.data(), width},
                      {sums.data(), width, 1.0f});
    }
    for (std::size_t j = 0; j < count; ++j) {
      if (counts_[begin + j] == 0) continue;
      const auto codeword = codebook_.prefix.row(begin + j);
      for (std::size_t p = 0; p < width; ++p) codeword[p] = sums.row(j)[p] / static_cast<float>(counts_[begin + j]);
    }
  });
}

/// All rows, those of each label together, rising.
std::vector<std::uint32_t> Lloyd::rows_by_label() const {
  std::vector<std::size_t> next(counts_.size());
  std::exclusive_scan(counts_.begin(), counts_.end(), next.begin(), std::size_t{0});
  std::vector<std::uint32_t> rows(plan_.rows);
  for (std::size_t i = 0; i < plan_.rows; ++i) rows[next[labels_[i]]++] = static_cast<std::uint32_t>(i);
  return rows;
}

std::size_t Lloyd::fill_empty_clusters() {
  std::vector<std::size_t> empty;
  for (std::size_t j = 0; j < counts_.size(); ++j)
    if (counts_[j] == 0) empty.push_back(j);
  if (empty.empty()) return 0;

  std::vector<std::size_t> far;
  for (std::size_t i = 0; i < plan_.rows; ++i)
    if (distances_[i] > negligible_) far.push_back(i);
  std::sort(far.begin(), far.end(), [&](std::size_t a, std::size_t b) {
    return distances_[a] != distances_[b] ? distances_[a] > distances_[b] : a < b;
  });
  std::unordered_set<std::uint64_t> used;
  std::size_t filled = 0;
  for (std::size_t i = 0; i < far.size() && filled < empty.size(); ++i)
    if (used.insert(row_identity(problem_, far[i])).second) place_at_row(empty[filled++], far[i]);

  const auto in_use = std::find_if(counts_.begin(), counts_.end(), [](std::uint32_t count) { return count > 0; });
  const auto source = static_cast<std::size_t>(in_use - counts_.begin());
  for (std::size_t e = filled; e < empty.size(); ++e) {
    std::ranges::copy(codebook_.residual.row(source), codebook_.residual.row(empty[e]).begin());
    if (problem_.has_prefix()) std::ranges::copy(codebook_.prefix.row(source), codebook_.prefix.row(empty[e]).begin());
  }
  return filled;
}

void Lloyd::reseed(std::span<const std::pair<std::size_t, std::size_t>> places) {
  for (const auto& [code, row] : places) place_at_row(code, row);
  prepare();
}

void Lloyd::place_at_row(std::size_t code, std::size_t row) {
  std::ranges::copy(problem_.rows.row(row), codebook_.residual.row(code).begin());
  if (problem_.has_prefix())
    sum_codewords(problem_.earlier, problem_.codes + row * problem_.code_stride, codebook_.prefix.row(code));
}

CodebookLayer first_codebook(const KMeansProblem& problem, const KMeansOptions& options) {
  if (options.start != nullptr) {
    CodebookLayer start;
    start.residual = options.start->residual.clone();
    start.prefix = options.start->prefix.clone();
    return start;
  }
  std::vector<std::size_t> seeds = choose_seeds(problem, options.codes, options.seed);
  if (options.require_distinct_rows && seeds.size() < options.codes)
    throw DataError(
        fmt::format("layer 1 asks for {} codes, but there are only {} distinct rows among {}; use at most {} "
                    "codes or more items",
                    options.codes, seeds.size(), problem.rows.rows, seeds.size()));
  seeds.resize(options.codes, seeds.front());  // equal codewords: the lowest wins, the others stay unused
  return codebook_at(problem, seeds);
}

KMeansFit fit_kmeans(const KMeansProblem& problem, const KMeansOptions& options, const IterationFn& on_iteration) {
  const auto start = std::chrono::steady_clock::now();
  Lloyd lloyd(problem, first_codebook(problem, options));
  KMeansFit fit;
  std::size_t reseeded = 0;
  for (std::size_t iteration = 0;; ++iteration) {
    const Lloyd::Pass pass = lloyd.assign();
    auto& objective = fit.report.objective;
    const double before = objective.empty() ? 0.0 : objective.back();
    objective.push_back(pass.objective);
    if (on_iteration) on_iteration(iteration, pass.objective);
    const bool settled = iteration > 0 && reseeded == 0 && before - pass.objective <= options.tolerance * before;
    if (iteration == options.iterations || pass.changed == 0 || settled) break;
    reseeded = lloyd.update();
    fit.report.reseeded += reseeded;
  }
  fit.labels.assign(lloyd.labels().begin(), lloyd.labels().end());
  fit.codebook = lloyd.take_codebook();
  fit.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return fit;
}

}  // namespace neume::quantize
