// Products of bf16 factors with f32 sums, by AVX-512 BF16's dot product of pairs. A factor is brought into pairs along
// the summed dimension, two bf16 in 32 bits; then a tile of 6 rows x 64 columns of the result stays in registers.
//
// oneDNN 2.6 has this product as a primitive only, whose call costs more than these products of some microseconds
// (docs/decisions/0011). Highway 1.0's wrapper of the instruction needs a newer compiler than Debian 12's for its
// target, so the intrinsics stand here themselves.

#include <algorithm>
#include <cstdint>
#include <vector>

#include <neume/error.hpp>

#include "base/buffer.hpp"
#include "kernels/instruction_limit.hpp"
#include "kernels/matmul.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#define NEUME_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#endif

namespace neume::kernels {

#if defined(__x86_64__)

bool has_bf16_products() {
  static const bool has = [] {
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  }();
  return has && instruction_limit() != InstructionSet::avx2;
}

namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kPanel = 4 * kLanes;  // columns of a tile
constexpr std::size_t kTileRows = 6;
constexpr std::uint16_t kAllLanes =
    0xFFFF;  // the forms with a mask: those without warn of a variable in GCC 12's header

std::size_t round_up(std::size_t x, std::size_t to) {
  return (x + to - 1) / to * to;
}

/// Pairs of the factor A: pair p of row i is data[i * row_step + p * pair_step].
struct PairsOfA {
  const std::uint32_t* data;
  std::size_t row_step;
  std::size_t pair_step;
};

NEUME_BF16 inline __mmask16 first_lanes(std::size_t count) {
  return static_cast<__mmask16>(count >= kLanes ? 0xFFFF : (1u << count) - 1);
}

/// The bf16 of 16 floats as the low halves of 16 words.
NEUME_BF16 inline __m512i low_halves(__m512 x) {
  return _mm512_maskz_cvtepu16_epi32(kAllLanes, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
}

/// out[p][c] = (x[2p][c], x[2p + 1][c]) for rows x cols values; an odd last row is paired with zeros.
NEUME_BF16 void pair_rows(const float* x, std::size_t stride, std::size_t rows, std::size_t cols, std::uint32_t* out,
                          std::size_t out_stride) {
  for (std::size_t p = 0; 2 * p < rows; ++p) {
    const float* even = x + 2 * p * stride;
    const bool has_odd = 2 * p + 1 < rows;
    for (std::size_t c = 0; c < cols; c += kLanes) {
      const __mmask16 mask = first_lanes(cols - c);
      const __m512i low = low_halves(_mm512_maskz_loadu_ps(mask, even + c));
      const __m512 odd = has_odd ? _mm512_maskz_loadu_ps(mask, even + stride + c) : _mm512_setzero_ps();
      const __m512i high = _mm512_maskz_slli_epi32(kAllLanes, low_halves(odd), 16);
      _mm512_mask_storeu_epi32(out + p * out_stride + c, mask, _mm512_or_si512(low, high));
    }
  }
}

/// out[r][p] = (x[r][2p], x[r][2p + 1]); an odd last column is paired with zeros.
NEUME_BF16 void pair_columns(const float* x, std::size_t stride, std::size_t rows, std::size_t cols, std::uint32_t* out,
                             std::size_t out_stride) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; c += 2 * kLanes) {
      const std::size_t left = cols - c;
      const float* from = x + r * stride + c;
      const __m512 first = _mm512_maskz_loadu_ps(first_lanes(left), from);
      const __m512 second =
          left > kLanes ? _mm512_maskz_loadu_ps(first_lanes(left - kLanes), from + kLanes) : _mm512_setzero_ps();
      const auto pairs = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first));
      _mm512_mask_storeu_epi32(out + r * out_stride + c / 2, first_lanes((left + 1) / 2), pairs);
    }
  }
}

/// out[q][r] = rows[r][q] for 16 x 16 words: pairs of rows, then of pairs, and so on, change places.
NEUME_BF16 void transpose_words(const std::uint32_t* rows, std::uint32_t* out, std::size_t out_stride) {
  __m512i x[kLanes], y[kLanes];
  for (std::size_t r = 0; r < kLanes; ++r) x[r] = _mm512_load_si512(rows + r * kLanes);
  for (std::size_t r = 0; r < kLanes; r += 2) {
    y[r] = _mm512_maskz_unpacklo_epi32(kAllLanes, x[r], x[r + 1]);
    y[r + 1] = _mm512_maskz_unpackhi_epi32(kAllLanes, x[r], x[r + 1]);
  }
  for (std::size_t r = 0; r < kLanes; r += 4) {
    for (std::size_t i = 0; i < 2; ++i) {
      x[r + 2 * i] = _mm512_maskz_unpacklo_epi64(0xFF, y[r + i], y[r + i + 2]);
      x[r + 2 * i + 1] = _mm512_maskz_unpackhi_epi64(0xFF, y[r + i], y[r + i + 2]);
    }
  }
  // x[4g + c] holds column c of every fourth column in rows 4g .. 4g + 3, one in each quarter.
  for (std::size_t c = 0; c < 4; ++c) {
    const __m512i low01 = _mm512_maskz_shuffle_i32x4(kAllLanes, x[c], x[4 + c], 0x88);
    const __m512i high01 = _mm512_maskz_shuffle_i32x4(kAllLanes, x[c], x[4 + c], 0xDD);
    const __m512i low23 = _mm512_maskz_shuffle_i32x4(kAllLanes, x[8 + c], x[12 + c], 0x88);
    const __m512i high23 = _mm512_maskz_shuffle_i32x4(kAllLanes, x[8 + c], x[12 + c], 0xDD);
    y[c] = _mm512_maskz_shuffle_i32x4(kAllLanes, low01, low23, 0x88);
    y[8 + c] = _mm512_maskz_shuffle_i32x4(kAllLanes, low01, low23, 0xDD);
    y[4 + c] = _mm512_maskz_shuffle_i32x4(kAllLanes, high01, high23, 0x88);
    y[12 + c] = _mm512_maskz_shuffle_i32x4(kAllLanes, high01, high23, 0xDD);
  }
  for (std::size_t q = 0; q < kLanes; ++q) _mm512_storeu_si512(out + q * out_stride, y[q]);
}

/// A panel of B, stored by rows of pairs: rows [0, pairs) x kPanel columns, zeros beyond `columns`.
NEUME_BF16 void pack_panel(const Factor<float>& b, std::size_t column, std::size_t columns, std::size_t k,
                           std::uint32_t* panel) {
  const std::size_t pairs = (k + 1) / 2;
  if (!b.transposed) {
    if (columns < kPanel) std::fill_n(panel, pairs * kPanel, 0u);
    return pair_rows(b.data + column, b.stride, k, columns, panel, kPanel);
  }
  // The last transposed block may reach beyond the last pair: pack_panel's caller leaves room for it.
  alignas(64) std::uint32_t rows[kLanes * kLanes] = {};
  for (std::size_t c = 0; c < kPanel; c += kLanes) {
    const std::size_t num_rows = c < columns ? std::min(kLanes, columns - c) : 0;
    for (std::size_t p = 0; p < pairs; p += kLanes) {
      const std::size_t num_cols = std::min(2 * kLanes, k - 2 * p);
      if (num_rows < kLanes || num_cols < 2 * kLanes) std::fill_n(rows, kLanes * kLanes, 0u);
      pair_columns(b.data + (column + c) * b.stride + 2 * p, b.stride, num_rows, num_cols, rows, kLanes);
      transpose_words(rows, panel + p * kPanel + c, kPanel);
    }
  }
}

/// Rows of one tile: C[r][0 .. columns) = sum over pairs of A's row r and the panel, added to C where beta is 1.
template <int kRows>
NEUME_BF16 inline void tile(const PairsOfA& a, const std::uint32_t* panel, std::size_t pairs, const Product<float>& c,
                            std::size_t columns) {
  __m512 sums[kRows][4];
  for (int r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < 4; ++v) {
      const __mmask16 mask = v * kLanes < columns ? first_lanes(columns - v * kLanes) : __mmask16{0};
      sums[r][v] = c.beta == 0.0f
                       ? _mm512_setzero_ps()
                       : _mm512_maskz_loadu_ps(mask, c.data + static_cast<std::size_t>(r) * c.stride + v * kLanes);
    }
  }
  for (std::size_t p = 0; p < pairs; ++p) {
    const std::uint32_t* row = panel + p * kPanel;
    __m512bh b[4];
    for (std::size_t v = 0; v < 4; ++v) b[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(row + v * kLanes));
    for (int r = 0; r < kRows; ++r) {
      const std::uint32_t pair = a.data[static_cast<std::size_t>(r) * a.row_step + p * a.pair_step];
      const auto both = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(pair)));
      for (std::size_t v = 0; v < 4; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], both, b[v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (std::size_t v = 0; v < 4 && v * kLanes < columns; ++v) {
      _mm512_mask_storeu_ps(c.data + static_cast<std::size_t>(r) * c.stride + v * kLanes,
                            first_lanes(columns - v * kLanes), sums[r][v]);
    }
  }
}

NEUME_BF16 void multiply(const MatmulShape& shape, const PairsOfA& a, const Factor<float>& b, const Product<float>& c,
                         std::uint32_t* panel) {
  const std::size_t pairs = (shape.k + 1) / 2;
  for (std::size_t column = 0; column < shape.n; column += kPanel) {
    const std::size_t columns = std::min(kPanel, shape.n - column);
    pack_panel(b, column, columns, shape.k, panel);
    std::size_t row = 0;
    const auto rows_of = [&](std::size_t i) { return PairsOfA{a.data + i * a.row_step, a.row_step, a.pair_step}; };
    const auto result = [&](std::size_t i) { return Product<float>{c.data + i * c.stride + column, c.stride, c.beta}; };
    for (; row + kTileRows <= shape.m; row += kTileRows)
      tile<kTileRows>(rows_of(row), panel, pairs, result(row), columns);
    for (; row < shape.m; ++row) tile<1>(rows_of(row), panel, pairs, result(row), columns);
  }
}

}  // namespace

void matmul_bf16(const MatmulShape& shape, Factor<float> a, Factor<float> b, Product<float> c) {
  if (!has_bf16_products()) throw InternalError("matmul_bf16 on a CPU without AVX-512 BF16");
  if (c.beta != 0.0f && c.beta != 1.0f) throw InternalError("matmul_bf16 knows beta 0 and 1 only");
  if (shape.m == 0 || shape.n == 0) return;
  const std::size_t pairs = (shape.k + 1) / 2;
  thread_local base::Buffer<std::uint32_t> scratch;  // the pairs of A, then one panel of B
  const std::size_t a_size = round_up(shape.m * pairs, kLanes);
  const std::size_t size = a_size + round_up(pairs, kLanes) * kPanel;
  if (scratch.size() < size) scratch = base::Buffer<std::uint32_t>(size);
  PairsOfA packed{scratch.data(), pairs, 1};
  if (a.transposed) {
    pair_rows(a.data, a.stride, shape.k, shape.m, scratch.data(), shape.m);
    packed = {scratch.data(), 1, shape.m};
  } else {
    pair_columns(a.data, a.stride, shape.m, shape.k, scratch.data(), pairs);
  }
  multiply(shape, packed, b, c, scratch.data() + a_size);
}

#else

bool has_bf16_products() {
  return false;
}

void matmul_bf16(const MatmulShape&, Factor<float>, Factor<float>, Product<float>) {
  throw InternalError("matmul_bf16 on a CPU without bf16 products");
}

#endif

}  // namespace neume::kernels
