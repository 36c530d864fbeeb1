// A tile of 6 rows x 64 codes stays in registers while AVX-512 VNNI sums products of bytes, and is turned into scores
// there: no score is ever written to memory. Highway 1.0 has no wrapper of the instruction, so the intrinsics stand
// here, under a function attribute and a check of the CPU, as in bf16_matmul.cpp.

#include "kernels/int8_products.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <neume/error.hpp>

#include "kernels/instruction_limit.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#define NEUME_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define NEUME_VNNI_INLINE __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"), always_inline)) inline
#endif

namespace neume::kernels {

#if defined(__x86_64__)

bool has_int8_products() {
  static const bool has = [] {
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  }();
  return has && !instruction_limit();
}

namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kTileRows = 6;
constexpr std::size_t kLargestInteger = 127;
constexpr std::uint8_t kZeroByte = 128;  // bytes are integers plus 128: the instruction wants one unsigned factor
constexpr std::uint32_t kToSigned = 0x80808080u;

// Below this, 127 / (largest value) is not a number to rely on: the whole row is then rounding error.
constexpr float kSmallestValue = 1e-30f;

// Squares of smaller values underflow.
constexpr float kSmallestGap = 1e-18f;

// A score is made of few f32 operations (some 2 a term, at most 18 terms), each wrong by 2^-24 of what it has summed.
constexpr float kScoreRounding = 3.8e-6f;  // 2^-18
// What decides between codes is summed in double.
constexpr float kExactRounding = 1e-11f;
constexpr float kScoreUnderflow = 1e-35f;

/// Sums of n squares in f32 are too low by at most this factor.
float round_up_factor(std::size_t n) {
  return 1.0f + 1.3e-7f * static_cast<float>(n + 16);
}

NEUME_VNNI_INLINE __mmask16 first_lanes(std::size_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFF : (1u << count) - 1);
}

// GCC 12's own reductions, like its forms without a mask, warn of a variable in its header.
NEUME_VNNI_INLINE float smallest_lane(__m512 x) {
  x = _mm512_maskz_min_ps(0xFFFF, x, _mm512_maskz_shuffle_f32x4(0xFFFF, x, x, 0x4E));
  x = _mm512_maskz_min_ps(0xFFFF, x, _mm512_maskz_shuffle_f32x4(0xFFFF, x, x, 0xB1));
  x = _mm512_maskz_min_ps(0xFFFF, x, _mm512_maskz_permute_ps(0xFFFF, x, 0x4E));
  x = _mm512_maskz_min_ps(0xFFFF, x, _mm512_maskz_permute_ps(0xFFFF, x, 0xB1));
  return _mm512_cvtss_f32(x);
}

NEUME_VNNI_INLINE float sum_of_lanes(__m512 x) {
  x = _mm512_add_ps(x, _mm512_maskz_shuffle_f32x4(0xFFFF, x, x, 0x4E));
  x = _mm512_add_ps(x, _mm512_maskz_shuffle_f32x4(0xFFFF, x, x, 0xB1));
  x = _mm512_add_ps(x, _mm512_maskz_permute_ps(0xFFFF, x, 0x4E));
  x = _mm512_add_ps(x, _mm512_maskz_permute_ps(0xFFFF, x, 0xB1));
  return _mm512_cvtss_f32(x);
}

NEUME_VNNI float largest_size(const float* x, std::size_t width) {
  __m512 lowest = _mm512_setzero_ps();  // of -|x|
  for (std::size_t j = 0; j < width; j += kLanes) {
    const __m512 value = _mm512_maskz_loadu_ps(first_lanes(width - j), x + j);
    lowest = _mm512_maskz_min_ps(0xFFFF, lowest, _mm512_sub_ps(_mm512_setzero_ps(), _mm512_abs_ps(value)));
  }
  return -smallest_lane(lowest);
}

/// Writes the integers of a row plus 128 to `bytes`; what lies behind them must be kZeroByte already.
NEUME_VNNI RoundedRow round_row(const float* x, std::size_t width, std::uint8_t* bytes) {
  RoundedRow rounded;
  const float largest = largest_size(x, width), factor = round_up_factor(width);
  if (!(largest >= kSmallestValue)) {
    std::fill_n(bytes, width, kZeroByte);
    rounded.error = kSmallestValue * std::sqrt(static_cast<float>(width)) * factor;
    return rounded;
  }
  const __m512 scale = _mm512_set1_ps(largest / float{kLargestInteger});
  const __m512 inverse = _mm512_set1_ps(float{kLargestInteger} / largest);
  __m512 length = _mm512_setzero_ps(), error = _mm512_setzero_ps();
  for (std::size_t j = 0; j < width; j += kLanes) {
    const __mmask16 mask = first_lanes(width - j);
    const __m512 value = _mm512_maskz_loadu_ps(mask, x + j);
    const __m512i integer = _mm512_maskz_cvtps_epi32(0xFFFF, _mm512_mul_ps(value, inverse));
    const __m512 near = _mm512_maskz_cvtepi32_ps(0xFFFF, integer);
    const __m512 gap = _mm512_fnmadd_ps(near, scale, value);
    length = _mm512_fmadd_ps(near, near, length);
    error = _mm512_fmadd_ps(gap, gap, error);
    const __m512i shifted = _mm512_add_epi32(integer, _mm512_set1_epi32(kZeroByte));
    _mm512_mask_cvtepi32_storeu_epi8(bytes + j, mask, shifted);
  }
  rounded.scale = largest / float{kLargestInteger};
  rounded.length = rounded.scale * std::sqrt(sum_of_lanes(length)) * factor;
  // The gap itself is rounded to f32, once.
  const float underflow = kSmallestGap * std::sqrt(static_cast<float>(width));
  rounded.error = std::sqrt(sum_of_lanes(error)) * factor + 1.3e-7f * rounded.length + underflow;
  return rounded;
}

}  // namespace

/// What the kernel reads of one panel.
struct PanelView {
  PanelView(const Int8Codewords& codewords, std::size_t panel)
      : words(codewords.words_.data() + panel * codewords.quads_ * kCodeGroup),
        offsets(codewords.offsets_.data() + panel * kCodeGroup),
        scales(codewords.scales_.data() + panel * kCodeGroup),
        bias(codewords.bias_.data() + panel * kCodeGroup),
        first(panel * kCodeGroup),
        count(std::min(kCodeGroup, codewords.num_codes_ - first)),
        quads(codewords.quads_),
        length(codewords.lengths_[panel]),
        error(codewords.errors_[panel]),
        largest_bias(codewords.largest_bias_[panel]) {}

  /// How far a score of the panel's codes may be from the true one.
  float score_error(const RoundedRow& row, float largest_table) const {
    const float whole = row.length + row.error;
    const float rounding = row.error * length + row.length * error;
    return 2.001f * rounding + kScoreRounding * (largest_bias + 2.0f * (whole * length + largest_table)) +
           kExactRounding * whole * whole + kScoreUnderflow;
  }

  const std::uint32_t* words;
  const std::int32_t* offsets;
  const float* scales;
  const float* bias;
  std::size_t first;
  std::size_t count;
  std::size_t quads;
  float length, error, largest_bias;
};

namespace {

/// Sums of one row with the 64 codes of a panel.
struct Sums {
  __m512i a, b, c, d;
};

NEUME_VNNI_INLINE Sums start_sums(const PanelView& panel) {
  return {_mm512_loadu_si512(panel.offsets), _mm512_loadu_si512(panel.offsets + kLanes),
          _mm512_loadu_si512(panel.offsets + 2 * kLanes), _mm512_loadu_si512(panel.offsets + 3 * kLanes)};
}

NEUME_VNNI_INLINE void add_quad(Sums& sums, const std::uint8_t* row, std::size_t quad, const Sums& words) {
  std::uint32_t bytes;
  std::memcpy(&bytes, row + 4 * quad, sizeof bytes);
  const __m512i x = _mm512_set1_epi32(static_cast<int>(bytes));
  sums.a = _mm512_dpbusd_epi32(sums.a, x, words.a);
  sums.b = _mm512_dpbusd_epi32(sums.b, x, words.b);
  sums.c = _mm512_dpbusd_epi32(sums.c, x, words.c);
  sums.d = _mm512_dpbusd_epi32(sums.d, x, words.d);
}

/// One row of a tile: where its bytes are, and what its scores need.
struct TileRow {
  const std::uint8_t* bytes;
  float minus_two_scale;
  float error;  // of its scores in this panel
  Shortlist* list;
  PanelScores* scores;
  std::size_t num_tables;
  const float* tables[kMaxScoreTables];  // the rows that its earlier codes select
};

struct Scores {
  __m512 a, b, c, d;
};

NEUME_VNNI_INLINE __m512 score_lanes(__m512i sums, const PanelView& panel, const TileRow& row, std::size_t at,
                                     __m512 minus_two_scale) {
  const __m512 product = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(0xFFFF, sums), _mm512_loadu_ps(panel.scales + at));
  __m512 score = _mm512_fmadd_ps(minus_two_scale, product, _mm512_loadu_ps(panel.bias + at));
  const __mmask16 mask = at < panel.count ? first_lanes(panel.count - at) : __mmask16{0};
  for (std::size_t t = 0; t < row.num_tables; ++t) {
    const __m512 entry = _mm512_maskz_loadu_ps(mask, row.tables[t] + panel.first + at);
    score = _mm512_fnmadd_ps(_mm512_set1_ps(2.0f), entry, score);
  }
  return score;
}

/// Adds the lanes of `scores` that are at most `limit` to the row's list.
NEUME_VNNI_INLINE void add_lanes(__m512 scores, const PanelView& panel, const TileRow& row, std::size_t at,
                                 float limit) {
  const __mmask16 real = at < panel.count ? first_lanes(panel.count - at) : __mmask16{0};
  std::uint32_t hits = _mm512_mask_cmp_ps_mask(real, scores, _mm512_set1_ps(limit), _CMP_LE_OQ);
  if (hits == 0) return;
  alignas(64) float values[kLanes];
  _mm512_store_ps(values, scores);
  for (; hits != 0; hits &= hits - 1) {
    const auto lane = static_cast<std::size_t>(__builtin_ctz(hits));
    row.list->add(values[lane] - row.error, static_cast<std::uint32_t>(panel.first + at + lane));
  }
}

/// The lowest score but one.
NEUME_VNNI_INLINE float second_lowest(const Scores& s, float lowest) {
  const __m512 low_ab = _mm512_maskz_min_ps(0xFFFF, s.a, s.b), high_ab = _mm512_maskz_max_ps(0xFFFF, s.a, s.b);
  const __m512 low_cd = _mm512_maskz_min_ps(0xFFFF, s.c, s.d), high_cd = _mm512_maskz_max_ps(0xFFFF, s.c, s.d);
  const __m512 first = _mm512_maskz_min_ps(0xFFFF, low_ab, low_cd);
  const __m512 next = _mm512_maskz_min_ps(0xFFFF, _mm512_maskz_max_ps(0xFFFF, low_ab, low_cd),
                                          _mm512_maskz_min_ps(0xFFFF, high_ab, high_cd));
  const std::uint32_t lanes = _mm512_cmp_ps_mask(first, _mm512_set1_ps(lowest), _CMP_EQ_OQ);
  const auto one = static_cast<__mmask16>(lanes & (~lanes + 1));
  return smallest_lane(_mm512_mask_mov_ps(first, one, next));
}

NEUME_VNNI void finish_row(Sums sums, const PanelView& panel, const TileRow& row) {
  const __m512 factor = _mm512_set1_ps(row.minus_two_scale);
  const Scores scores{score_lanes(sums.a, panel, row, 0, factor), score_lanes(sums.b, panel, row, kLanes, factor),
                      score_lanes(sums.c, panel, row, 2 * kLanes, factor),
                      score_lanes(sums.d, panel, row, 3 * kLanes, factor)};
  const __m512 lowest = _mm512_maskz_min_ps(0xFFFF, _mm512_maskz_min_ps(0xFFFF, scores.a, scores.b),
                                            _mm512_maskz_min_ps(0xFFFF, scores.c, scores.d));
  Shortlist& list = *row.list;
  const bool is_far = _mm512_cmp_ps_mask(lowest, _mm512_set1_ps(list.highest + row.error), _CMP_LE_OQ) == 0;
  if (is_far && row.scores == nullptr) return;
  const float smallest = smallest_lane(lowest);
  if (row.scores != nullptr) row.scores->lowest = smallest - row.error;
  if (is_far) return;
  if (row.scores != nullptr) row.scores->second = second_lowest(scores, smallest) - row.error;
  list.highest = std::min(list.highest, smallest + row.error);
  const float limit = list.highest + row.error;
  add_lanes(scores.a, panel, row, 0, limit);
  add_lanes(scores.b, panel, row, kLanes, limit);
  add_lanes(scores.c, panel, row, 2 * kLanes, limit);
  add_lanes(scores.d, panel, row, 3 * kLanes, limit);
}

/// Named sums instead of an array of them: GCC 12 keeps an array in memory.
NEUME_VNNI void search_tile(const PanelView& panel, const TileRow (&rows)[kTileRows], std::size_t num_rows) {
  Sums r0 = start_sums(panel), r1 = r0, r2 = r0, r3 = r0, r4 = r0, r5 = r0;
  for (std::size_t q = 0; q < panel.quads; ++q) {
    const std::uint32_t* at = panel.words + q * kCodeGroup;
    const Sums words{_mm512_loadu_si512(at), _mm512_loadu_si512(at + kLanes), _mm512_loadu_si512(at + 2 * kLanes),
                     _mm512_loadu_si512(at + 3 * kLanes)};
    add_quad(r0, rows[0].bytes, q, words);
    add_quad(r1, rows[1].bytes, q, words);
    add_quad(r2, rows[2].bytes, q, words);
    add_quad(r3, rows[3].bytes, q, words);
    add_quad(r4, rows[4].bytes, q, words);
    add_quad(r5, rows[5].bytes, q, words);
  }
  finish_row(r0, panel, rows[0]);
  if (num_rows > 1) finish_row(r1, panel, rows[1]);
  if (num_rows > 2) finish_row(r2, panel, rows[2]);
  if (num_rows > 3) finish_row(r3, panel, rows[3]);
  if (num_rows > 4) finish_row(r4, panel, rows[4]);
  if (num_rows > 5) finish_row(r5, panel, rows[5]);
}

}  // namespace

Int8Codewords::Int8Codewords(ConstMatrixView codewords, std::span<const float> bias)
    : num_codes_(codewords.rows), quads_((codewords.cols + 3) / 4) {
  if (!has_int8_products()) throw InternalError("Int8Codewords on a CPU without AVX-512 VNNI");
  const std::size_t num_panels = (num_codes_ + kCodeGroup - 1) / kCodeGroup;
  words_ = base::Buffer<std::uint32_t>(num_panels * quads_ * kCodeGroup);
  offsets_ = base::Buffer<std::int32_t>(num_panels * kCodeGroup);
  scales_ = base::Buffer<float>(num_panels * kCodeGroup);
  bias_ = base::Buffer<float>(num_panels * kCodeGroup);
  std::fill(bias_.begin(), bias_.end(), std::numeric_limits<float>::infinity());
  std::copy(bias.begin(), bias.end(), bias_.begin());
  lengths_.resize(num_panels);
  errors_.resize(num_panels);
  largest_bias_.resize(num_panels);
  base::Buffer<std::uint8_t> bytes(4 * quads_);
  std::fill(bytes.begin(), bytes.end(), kZeroByte);
  for (std::size_t j = 0; j < num_codes_; ++j)
    pack(j, bytes.data(), round_row(codewords.row(j).data(), codewords.cols, bytes.data()));
}

void Int8Codewords::pack(std::size_t code, const std::uint8_t* bytes, const RoundedRow& rounded) {
  const std::size_t panel = code / kCodeGroup;
  std::uint32_t* out = words_.data() + panel * quads_ * kCodeGroup + code % kCodeGroup;
  std::int32_t sum = 0;
  for (std::size_t q = 0; q < quads_; ++q) {
    std::uint32_t word;
    std::memcpy(&word, bytes + 4 * q, sizeof word);
    out[q * kCodeGroup] = word ^ kToSigned;
    for (std::size_t b = 0; b < 4; ++b) sum += bytes[4 * q + b] - std::int32_t{kZeroByte};
  }
  offsets_[code] = -std::int32_t{kZeroByte} * sum;
  scales_[code] = rounded.scale;
  lengths_[panel] = std::max(lengths_[panel], rounded.length + rounded.error);
  errors_[panel] = std::max(errors_[panel], rounded.error);
  largest_bias_[panel] = std::max(largest_bias_[panel], std::abs(bias_[code]));
}

Int8Rows::Int8Rows(std::size_t capacity, std::size_t width)
    : width_(width), stride_((width + 63) / 64 * 64), bytes_(capacity * stride_), rounded_(capacity) {
  std::fill(bytes_.begin(), bytes_.end(), kZeroByte);
}

void Int8Rows::round(std::size_t i, const float* values) {
  rounded_[i] = round_row(values, width_, bytes_.data() + i * stride_);
}

void shortlist_panel(const Int8Codewords& codewords, const Int8Rows& rows, const PanelSearch& search,
                     std::span<Shortlist> lists) {
  const std::span tables = search.tables;
  if (tables.size() > kMaxScoreTables) throw InternalError("more score tables than kMaxScoreTables");
  const PanelView panel(codewords, search.panel);
  for (std::size_t first = 0; first < search.rows.size(); first += kTileRows) {
    const std::size_t num_rows = std::min(kTileRows, search.rows.size() - first);
    TileRow tile[kTileRows];
    for (std::size_t r = 0; r < kTileRows; ++r) {
      const std::size_t i = search.rows[first + std::min(r, num_rows - 1)];  // the last again in a tile not full
      tile[r].bytes = rows.bytes_.data() + i * rows.stride_;
      tile[r].minus_two_scale = -2.0f * rows.rounded_[i].scale;
      tile[r].list = &lists[i];
      tile[r].scores = search.scores == nullptr ? nullptr : search.scores + i * search.score_stride;
      tile[r].error = panel.score_error(rows.rounded_[i], search.largest_table);
      tile[r].num_tables = tables.size();
      for (std::size_t t = 0; t < tables.size(); ++t)
        tile[r].tables[t] = tables[t].data + tables[t].codes[i * tables[t].code_stride] * tables[t].stride;
    }
    search_tile(panel, tile, num_rows);
  }
}

#else

bool has_int8_products() {
  return false;
}

Int8Codewords::Int8Codewords(ConstMatrixView, std::span<const float>) {
  throw InternalError("Int8Codewords on a CPU without byte products");
}

Int8Rows::Int8Rows(std::size_t, std::size_t) {}

void Int8Rows::round(std::size_t, const float*) {}

void shortlist_panel(const Int8Codewords&, const Int8Rows&, const PanelSearch&, std::span<Shortlist>) {
  throw InternalError("shortlist_panel on a CPU without byte products");
}

#endif

}  // namespace neume::kernels
