#include "quantize/assignment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "kernels/matmul.hpp"

namespace neume::quantize {

namespace {

// Below this many codes or columns, padding to panels and rounding rows cost what the faster product saves.
constexpr std::size_t kFewestFilteredCodes = 64;
constexpr std::size_t kFewestFilteredColumns = 32;

// A filter that lets more through than this is slower than the product in f32: rows of a block whose short list is too
// long; then this many blocks go without before it is tried again.
constexpr std::ptrdiff_t kMostOverflows = 8;
constexpr std::size_t kPause = 63;

// The few other operations of a score, 2^-18 of what is summed.
constexpr float kScoreRounding = 3.8e-6f;
constexpr float kExactRounding = 1e-11f;
// Sums of squares below this, and products of such rows, underflow; above the other, scores may overflow.
constexpr float kSmallestNorm = 1e-34f;
constexpr float kLargestNorm = 1e37f;

/// The numbers of all rows of a block, in bytes.
constexpr auto kAllRows = [] {
  static_assert(kBlockRows <= 256);
  std::array<std::uint8_t, kBlockRows> rows{};
  for (std::size_t i = 0; i < kBlockRows; ++i) rows[i] = static_cast<std::uint8_t>(i);
  return rows;
}();

bool is_nearer(const Nearest& a, const Nearest& b) {
  const double score = a.residual + a.prefix, other = b.residual + b.prefix;
  return score < other || (score == other && a.index < b.index);
}

double own_norm(const BlockBounds& bounds, std::size_t row) {
  return bounds.own_norms == nullptr ? 0.0 : double{bounds.own_norms[row]};
}

/// The nearest of all codewords, one by one.
Nearest nearest_of_all(const CodebookLayer& codebook, const RowBlock& block, std::size_t row) {
  Nearest best = exact_score(codebook, block, row, 0);
  for (std::size_t j = 1; j < codebook.size(); ++j) {
    const Nearest other = exact_score(codebook, block, row, j);
    if (is_nearer(other, best)) best = other;
  }
  return best;
}

}  // namespace

Nearest exact_score(const CodebookLayer& codebook, const RowBlock& block, std::size_t row, std::size_t code) {
  const std::size_t width = codebook.residual.cols();
  Nearest nearest{static_cast<std::uint32_t>(code),
                  kernels::exact_distance({block.rows + row * width, width}, codebook.residual.row(code)), 0.0};
  if (codebook.prefix_norms.empty()) return nearest;
  nearest.prefix = codebook.prefix_norms[code];
  for (std::size_t m = 0; m < codebook.tables.size(); ++m)
    nearest.prefix -= 2.0 * double{codebook.tables[m].row(block.codes[row * block.code_stride + m])[code]};
  return nearest;
}

AssignmentScratch::AssignmentScratch(std::size_t width, std::size_t largest_codebook)
    : width_(width),
      scores_size_(kBlockRows * std::min(largest_codebook, kCodesAtOnce)),
      nearest_(kBlockRows),
      lists_(kBlockRows),
      norms_(kBlockRows),
      errors_(kBlockRows),
      rounded_(kBlockRows, width) {}

std::span<const Nearest> AssignmentScratch::assign(const CodebookLayer& codebook, const RowBlock& block) {
  if (!codebook.price.empty()) {
    assign_priced(codebook, block);
    return {nearest_.data(), block.count};
  }
  start_lists(codebook, block);
  const bool is_filtered = shortlist_in_int8(codebook, block);
  if (!is_filtered) shortlist_in_f32(codebook, block);
  for (std::size_t i = 0; i < block.count; ++i) nearest_[i] = nearest_of(i, codebook, block);
  if (block.bounds && is_filtered) keep_bounds(codebook, block);
  if (block.bounds && !is_filtered) std::fill_n(block.bounds->bounds, block.count * block.bounds->num_panels, 0.0f);
  return {nearest_.data(), block.count};
}

/// Empty lists that know the score of the row's likely code, and that code as the nearest so far; or the score that a
/// code must be below.
void AssignmentScratch::start_lists(const CodebookLayer& codebook, const RowBlock& block) {
  const float rounding = product_rounding(width_);
  for (std::size_t i = 0; i < block.count; ++i) {
    norms_[i] = kernels::squared_norm({block.rows + i * width_, width_});
    nearest_[i].index = kNoCode;
    lists_[i].clear();
    const auto start = [&](double distance) {
      const float score = static_cast<float>(distance - double{norms_[i]});
      lists_[i].clear(score + rounding * norms_[i] + kScoreRounding * std::abs(score));
    };
    if (block.within != nullptr) start(double{block.within[i]});
    if (block.likely == nullptr || block.likely[i] == kNoCode) continue;
    nearest_[i] = exact_score(codebook, block, i, block.likely[i]);
    start(nearest_[i].residual + nearest_[i].prefix);
  }
}

/// Whether all scores of a row are floats.
bool AssignmentScratch::is_bounded(const CodebookLayer& codebook, std::size_t row) const {
  return std::max({codebook.largest_bias, codebook.largest_table, norms_[row]}) < kLargestNorm;
}

/// The nearest of the codes on the row's list and its likely code. Where the list says nothing (too many codes, or
/// scores beyond the range of floats) that of all codes.
Nearest AssignmentScratch::nearest_of(std::size_t row, const CodebookLayer& codebook, const RowBlock& block) {
  kernels::Shortlist& list = lists_[row];
  list.prune();
  const bool may_be_empty = block.within != nullptr || (block.bounds && nearest_[row].index != kNoCode);
  if (!is_bounded(codebook, row) || list.overflowed || (list.count == 0 && !may_be_empty))
    return nearest_of_all(codebook, block, row);
  Nearest best = nearest_[row];
  for (std::uint32_t e = 0; e < list.count; ++e) {
    const std::uint32_t code = list.entries[e].code;
    if (code == best.index) continue;
    const Nearest other = exact_score(codebook, block, row, code);
    if (best.index == kNoCode || is_nearer(other, best)) best = other;
  }
  return best;
}

bool AssignmentScratch::shortlist_in_int8(const CodebookLayer& codebook, const RowBlock& block) {
  if (codebook.filter.empty()) return false;
  if (blocks_without_filter_ > 0) {
    --blocks_without_filter_;
    return false;
  }
  const std::span lists(lists_.data(), block.count);
  kernels::ScoreTable tables[kernels::kMaxScoreTables];
  const std::size_t num_tables = codebook.tables.size();
  for (std::size_t m = 0; m < num_tables; ++m)
    tables[m] = {codebook.tables[m].data(), codebook.size(), block.codes + m, block.code_stride};
  if (block.bounds)
    choose_panels(codebook, block);
  else
    for (std::size_t i = 0; i < block.count; ++i) rounded_.round(i, block.rows + i * width_);
  for (std::size_t p = 0; p < codebook.filter.num_panels(); ++p) {
    kernels::PanelSearch search{
        p, {kAllRows.data(), block.count}, {tables, num_tables}, codebook.largest_table, nullptr, 0};
    if (block.bounds) {
      search.rows = panel_rows_[p];
      search.scores = panel_scores_.data() + p;
      search.score_stride = panel_rows_.size();
    }
    kernels::shortlist_panel(codebook.filter, rounded_, search, lists);
  }
  const auto overflows = std::ranges::count_if(lists, [](const auto& list) { return list.overflowed; });
  if (overflows <= kMostOverflows) return true;
  blocks_without_filter_ = kPause;
  start_lists(codebook, block);
  return false;
}

/// The rows that meet each panel: all, but for those whose bound says that no code of it is as near as the likely code.
/// Rounds rows that meet one to eight bits.
void AssignmentScratch::choose_panels(const CodebookLayer& codebook, const RowBlock& block) {
  const BlockBounds& known = *block.bounds;
  const std::size_t num_panels = codebook.filter.num_panels();
  panel_rows_.resize(num_panels);
  for (auto& rows : panel_rows_) rows.clear();
  panel_scores_.resize(kBlockRows * num_panels);
  reach_.resize(kBlockRows);
  for (std::size_t i = 0; i < block.count; ++i) {
    float reach = std::numeric_limits<float>::infinity();
    if (nearest_[i].index != kNoCode) {
      reach_[i] = nearest_[i].residual + nearest_[i].prefix + own_norm(known, i);
      reach = kRoundUp * static_cast<float>(std::sqrt(std::max(0.0, reach_[i]) + distance_slack(known, i)));
    }
    bool meets_any = false;
    for (std::size_t p = 0; p < num_panels; ++p) {
      float& bound = known.bounds[i * num_panels + p];
      bound = kRoundDown * bound - known.drifts[p];
      if (bound > reach) continue;
      panel_rows_[p].push_back(static_cast<std::uint8_t>(i));
      meets_any = true;
    }
    if (meets_any) rounded_.round(i, block.rows + i * width_);
  }
}

/// What the search has found out: of each panel that a row has met, how far its codes are at least.
void AssignmentScratch::keep_bounds(const CodebookLayer& codebook, const RowBlock& block) {
  const std::size_t num_panels = panel_rows_.size();
  const BlockBounds& known = *block.bounds;
  const auto distance = [&](double squared, std::size_t i) {
    return kRoundDown * static_cast<float>(std::sqrt(std::max(0.0, squared - distance_slack(known, i))));
  };
  // A code that a row has left counts again in its panel, where the row has not met that.
  for (std::size_t i = 0; i < block.count; ++i) {
    const Code left = block.likely[i];
    if (left == kNoCode || left == nearest_[i].index) continue;
    float& bound = known.bounds[i * num_panels + left / kernels::kCodeGroup];
    bound = std::min(bound, distance(reach_[i], i));
  }
  const double rounding = 1.0 - double{product_rounding(width_)};
  for (std::size_t p = 0; p < num_panels; ++p) {
    for (const std::size_t i : panel_rows_[p]) {
      const double own = rounding * double{norms_[i]} + own_norm(known, i);
      float& bound = known.bounds[i * num_panels + p];
      bound = is_bounded(codebook, i) ? distance(lowest_but_nearest(i, p) + own, i) : 0.0f;
    }
  }
}

/// The score that no code of the panel is below but the nearest code of the row.
double AssignmentScratch::lowest_but_nearest(std::size_t row, std::size_t panel) const {
  const kernels::PanelScores& scores = panel_scores_[row * panel_rows_.size() + panel];
  const std::uint32_t nearest = nearest_[row].index;
  if (nearest / kernels::kCodeGroup != panel) return double{scores.lowest};
  const kernels::Shortlist& list = lists_[row];
  for (std::uint32_t e = 0; e < list.count; ++e)
    if (list.entries[e].code == nearest && list.entries[e].lowest <= scores.lowest) return double{scores.second};
  return double{scores.lowest};
}

/// How far the squared distances that decide may be from those in space.
double AssignmentScratch::distance_slack(const BlockBounds& bounds, std::size_t row) const {
  return bounds.prefix_rounding + double{product_rounding(width_)} * own_norm(bounds, row);
}

void AssignmentScratch::shortlist_in_f32(const CodebookLayer& codebook, const RowBlock& block) {
  const std::span lists(lists_.data(), block.count);
  const float largest_norm = std::sqrt(codebook.largest_bias + kSmallestNorm * static_cast<float>(width_));
  for (std::size_t i = 0; i < block.count; ++i) {
    const float norm = 1.01f * std::sqrt(norms_[i] + kSmallestNorm * static_cast<float>(width_));
    const float product = norm * largest_norm;
    errors_[i] = 2.0f * product_rounding(width_) * product +
                 kScoreRounding * (codebook.largest_bias + 2.0f * (product + codebook.largest_table)) +
                 kExactRounding * norm * norm + kSmallestNorm;
  }
  kernels::ScoreTable tables[kernels::kMaxScoreTables];
  const std::size_t num_tables = codebook.tables.size();
  for (std::size_t first = 0; first < codebook.size(); first += kCodesAtOnce) {
    const std::size_t columns = std::min(kCodesAtOnce, codebook.size() - first);
    multiply(codebook, block.rows, first, columns);
    for (std::size_t m = 0; m < num_tables; ++m)
      tables[m] = {codebook.tables[m].data() + first, codebook.size(), block.codes + m, block.code_stride};
    const kernels::ScoreBlock scores{{scores_.data(), block.count, columns, columns},
                                     codebook.bias.data() + first,
                                     {tables, num_tables},
                                     static_cast<std::uint32_t>(first)};
    kernels::shortlist_scores(scores, errors_, lists);
  }
}

const float* AssignmentScratch::multiply(const CodebookLayer& codebook, const float* rows, std::size_t first,
                                         std::size_t columns) {
  if (scores_.size() == 0) scores_ = base::Buffer<float>(scores_size_);
  kernels::matmul({kBlockRows, columns, width_}, {rows, width_}, {codebook.residual.row(first).data(), width_, true},
                  {scores_.data(), columns});
  return scores_.data();
}

// In double, and with the very products that prices were found with: a cluster holds its capacity exactly, which the
// last bit may decide. Layers with prices have no tables.
void AssignmentScratch::assign_priced(const CodebookLayer& codebook, const RowBlock& block) {
  priced_.assign(block.count, std::numeric_limits<double>::infinity());
  std::fill(nearest_.begin(), nearest_.end(), Nearest{});
  for (std::size_t first = 0; first < codebook.size(); first += kCodesAtOnce) {
    const std::size_t columns = std::min(kCodesAtOnce, codebook.size() - first);
    multiply(codebook, block.rows, first, columns);
    update_nearest_priced(codebook, first, columns);
  }
  for (std::size_t i = 0; i < block.count; ++i) nearest_[i] = exact_score(codebook, block, i, nearest_[i].index);
}

void AssignmentScratch::update_nearest_priced(const CodebookLayer& codebook, std::size_t first, std::size_t columns) {
  for (std::size_t i = 0; i < priced_.size(); ++i) {
    const float* products = scores_.data() + i * columns;
    for (std::size_t j = 0; j < columns; ++j) {
      const double score = priced_score(codebook, first + j, products[j]);
      if (score >= priced_[i]) continue;
      priced_[i] = score;
      nearest_[i].index = static_cast<std::uint32_t>(first + j);
    }
  }
}

const float* AssignmentScratch::full_block(const float* rows, std::size_t count) {
  if (count == kBlockRows) return rows;
  if (padded_.size() == 0) padded_ = base::Buffer<float>(kBlockRows * width_);
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

float largest_size(std::span<const float> values) {
  float largest = 0.0f;
  for (const float x : values) largest = std::max(largest, std::abs(x));
  return largest;
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

void prepare_codebook(CodebookLayer& codebook, std::span<const CodebookLayer> earlier, double prefix_weight,
                      Search search) {
  const double weight_squared = prefix_weight * prefix_weight;
  const bool has_prefix = !codebook.prefix.empty();
  codebook.bias.resize(codebook.size());
  codebook.prefix_norms.resize(has_prefix ? codebook.size() : 0);
  codebook.tables.clear();
  codebook.largest_bias = codebook.largest_table = 0.0f;
  for (std::size_t j = 0; j < codebook.size(); ++j) {
    double norm = norm_in_double(codebook.residual.row(j));
    if (has_prefix) norm += codebook.prefix_norms[j] = weight_squared * norm_in_double(codebook.prefix.row(j));
    codebook.bias[j] = static_cast<float>(norm);
    codebook.largest_bias = std::max(codebook.largest_bias, codebook.bias[j]);
  }
  if (has_prefix) {
    for (const CodebookLayer& layer : earlier) {
      codebook.tables.push_back(prefix_table(layer, codebook.prefix, static_cast<float>(weight_squared)));
      codebook.largest_table += largest_size(codebook.tables.back().flat());
    }
  }
  const bool is_large = codebook.size() >= kFewestFilteredCodes && codebook.residual.cols() >= kFewestFilteredColumns;
  codebook.filter = search == Search::filtered && is_large && kernels::has_int8_products()
                        ? kernels::Int8Codewords(codebook.residual.view(), codebook.bias)
                        : kernels::Int8Codewords();
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
