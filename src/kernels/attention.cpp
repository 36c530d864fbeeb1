// Highway version for every instruction set; the plain version that it is held to is in
// tests/kernels/attention_test.cpp.

#include "kernels/attention.hpp"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, which it builds on.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace neume::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Signs of one vector take this many bytes.
template <class D>
constexpr std::size_t vector_mask_bytes(D d) {
  return hn::MaxLanes(d) < 8 ? 1 : hn::MaxLanes(d) / 8;
}

template <class T>
std::size_t mask_bytes_of(std::size_t hidden) {
  const hn::ScalableTag<T> d;
  return hidden / hn::Lanes(d) * vector_mask_bytes(d);
}

/// The table rows of one occurrence as pointers. kLayers = 0: any number, given at run time.
template <class T, int kLayers>
struct RowPointers {
  RowPointers(const AttentionShape& shape, const TableRows<T>& table, const std::uint32_t* rows)
      : count(kLayers == 0 ? shape.layers : kLayers) {
    for (std::size_t l = 0; l < count; ++l) at[l] = table.at(rows[l], shape.row_size());
  }

  template <class D>
  HWY_INLINE hn::Vec<D> sum(D d, std::size_t column) const {
    auto total = hn::Load(d, at[0] + column);
    for (std::size_t l = 1; l < (kLayers == 0 ? count : kLayers); ++l) {
      total = hn::Add(total, hn::Load(d, at[l] + column));
    }
    return total;
  }

  const T* at[kLayers == 0 ? kMaxLayers : kLayers];
  std::size_t count;
};

/// What is added to an occurrence's projected rows: the sample's query and, if kTerms, the occurrence's hidden terms.
template <class T, bool kTerms>
struct HiddenOffsets {
  template <class D>
  HWY_INLINE hn::Vec<D> at(D d, std::size_t column) const {
    const auto offset = hn::Load(d, query + column);
    if constexpr (kTerms) return hn::Add(offset, hn::Load(d, terms + column));
    return offset;
  }

  const T* query;
  const T* terms;
};

/// One vector of the hidden layer: stores its signs, returns its part of the score.
template <class T, int kLayers, bool kTerms>
HWY_INLINE hn::Vec<hn::ScalableTag<T>> hidden_vector(const AttentionForward<T>& pass,
                                                     const RowPointers<T, kLayers>& rows,
                                                     const HiddenOffsets<T, kTerms>& offsets, std::size_t column,
                                                     std::uint8_t* masks) {
  const hn::ScalableTag<T> d;
  const auto x = hn::Add(rows.sum(d, column), offsets.at(d, column));
  hn::StoreMaskBits(d, hn::Gt(x, hn::Zero(d)), masks + column / hn::Lanes(d) * vector_mask_bytes(d));
  return hn::Mul(hn::Max(x, hn::Zero(d)), hn::Load(d, pass.output_weights + column));
}

/// s_j of one occurrence; stores the signs of its hidden layer. Four vectors at a time, so that they overlap.
template <class T, int kLayers, bool kTerms>
HWY_INLINE T attention_score(const AttentionForward<T>& pass, const RowPointers<T, kLayers>& rows,
                             const HiddenOffsets<T, kTerms>& offsets, std::uint8_t* masks) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  auto score = hn::Zero(d);
  std::size_t c = 0;
  for (; c + 4 * lanes <= pass.shape.hidden; c += 4 * lanes) {
    const auto s0 = hidden_vector<T, kLayers>(pass, rows, offsets, c, masks);
    const auto s1 = hidden_vector<T, kLayers>(pass, rows, offsets, c + lanes, masks);
    const auto s2 = hidden_vector<T, kLayers>(pass, rows, offsets, c + 2 * lanes, masks);
    const auto s3 = hidden_vector<T, kLayers>(pass, rows, offsets, c + 3 * lanes, masks);
    score = hn::Add(score, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
  }
  for (; c < pass.shape.hidden; c += lanes) {
    score = hn::Add(score, hidden_vector<T, kLayers>(pass, rows, offsets, c, masks));
  }
  return hn::GetLane(hn::SumOfLanes(d, score)) + pass.output_bias;
}

/// Occurrences [begin, end) of one sample; `pooled` is four vectors wide and stays in registers.
template <class T, int kLayers>
HWY_INLINE void attend_four_vectors(const AttentionForward<T>& pass, const T* query, std::size_t begin, std::size_t end,
                                    T* pooled) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const AttentionShape& shape = pass.shape;
  const std::size_t signs = mask_bytes_of<T>(shape.hidden);
  const HiddenOffsets<T, false> offsets{query, nullptr};
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  for (std::size_t j = begin; j < end; ++j) {
    const RowPointers<T, kLayers> rows(shape, pass.table, pass.occurrences.rows + j * shape.layers);
    const T weight = attention_score<T, kLayers>(pass, rows, offsets, pass.masks + j * signs);
    pass.weights[j] = weight;
    const auto w = hn::Set(d, weight);
    s0 = hn::MulAdd(w, rows.sum(d, shape.hidden), s0);
    s1 = hn::MulAdd(w, rows.sum(d, shape.hidden + lanes), s1);
    s2 = hn::MulAdd(w, rows.sum(d, shape.hidden + 2 * lanes), s2);
    s3 = hn::MulAdd(w, rows.sum(d, shape.hidden + 3 * lanes), s3);
  }
  hn::Store(s0, d, pooled);
  hn::Store(s1, d, pooled + lanes);
  hn::Store(s2, d, pooled + 2 * lanes);
  hn::Store(s3, d, pooled + 3 * lanes);
}

/// The same for any width.
template <class T, int kLayers>
HWY_INLINE void attend_any_width(const AttentionForward<T>& pass, const T* query, std::size_t begin, std::size_t end,
                                 T* pooled) {
  const hn::ScalableTag<T> d;
  const AttentionShape& shape = pass.shape;
  const std::size_t signs = mask_bytes_of<T>(shape.hidden);
  const HiddenOffsets<T, false> offsets{query, nullptr};
  for (std::size_t c = 0; c < shape.width; c += hn::Lanes(d)) hn::Store(hn::Zero(d), d, pooled + c);
  for (std::size_t j = begin; j < end; ++j) {
    const RowPointers<T, kLayers> rows(shape, pass.table, pass.occurrences.rows + j * shape.layers);
    const T weight = attention_score<T, kLayers>(pass, rows, offsets, pass.masks + j * signs);
    pass.weights[j] = weight;
    const auto w = hn::Set(d, weight);
    for (std::size_t c = 0; c < shape.width; c += hn::Lanes(d)) {
      hn::Store(hn::MulAdd(w, rows.sum(d, shape.hidden + c), hn::Load(d, pooled + c)), d, pooled + c);
    }
  }
}

/// scores[0 .. count) = their softmax. The sum has one order, whatever the vectors' length.
template <class T>
void softmax(T* scores, std::size_t count) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  T largest = -std::numeric_limits<T>::infinity();
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, scores[i]);
  const auto shift = hn::Set(d, largest);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::Exp(d, hn::Sub(hn::LoadU(d, scores + i), shift)), d, scores + i);
  }
  HWY_ALIGN T tail[hn::MaxLanes(hn::ScalableTag<T>())];
  hn::Store(shift, d, tail);
  std::copy_n(scores + i, count - i, tail);
  hn::Store(hn::Exp(d, hn::Sub(hn::Load(d, tail), shift)), d, tail);
  std::copy_n(tail, count - i, scores + i);
  T sum = 0;
  for (i = 0; i < count; ++i) sum += scores[i];
  for (i = 0; i < count; ++i) scores[i] /= sum;
}

/// Attention with the options that the paper does not have, in two passes over a sample's history: all scores (weights,
/// after the softmax), then the sum.
template <class T, int kLayers, bool kTerms>
void attend_in_passes(const AttentionForward<T>& pass, std::size_t begin, std::size_t end) {
  const hn::ScalableTag<T> d;
  const AttentionShape& shape = pass.shape;
  const std::size_t signs = mask_bytes_of<T>(shape.hidden);
  for (std::size_t s = begin; s < end; ++s) {
    const std::size_t first = pass.occurrences.offsets[s], last = pass.occurrences.offsets[s + 1];
    HiddenOffsets<T, kTerms> offsets{pass.queries + s * shape.hidden, nullptr};
    for (std::size_t j = first; j < last; ++j) {
      if constexpr (kTerms) offsets.terms = pass.hidden_terms + j * shape.hidden;
      const RowPointers<T, kLayers> rows(shape, pass.table, pass.occurrences.rows + j * shape.layers);
      pass.weights[j] = attention_score<T, kLayers>(pass, rows, offsets, pass.masks + j * signs);
    }
    if (shape.softmax) softmax(pass.weights + first, last - first);
    T* pooled = pass.pooled + s * pass.pooled_stride;
    for (std::size_t c = 0; c < shape.width; c += hn::Lanes(d)) hn::Store(hn::Zero(d), d, pooled + c);
    for (std::size_t j = first; j < last; ++j) {
      const RowPointers<T, kLayers> rows(shape, pass.table, pass.occurrences.rows + j * shape.layers);
      const auto weight = hn::Set(d, pass.weights[j]);
      for (std::size_t c = 0; c < shape.width; c += hn::Lanes(d)) {
        hn::Store(hn::MulAdd(weight, rows.sum(d, shape.hidden + c), hn::Load(d, pooled + c)), d, pooled + c);
      }
    }
  }
}

template <class T, int kLayers>
void attend_layers(const AttentionForward<T>& pass, std::size_t begin, std::size_t end) {
  if (pass.hidden_terms != nullptr) return attend_in_passes<T, kLayers, true>(pass, begin, end);
  if (pass.shape.softmax) return attend_in_passes<T, kLayers, false>(pass, begin, end);
  const hn::ScalableTag<T> d;
  const std::uint32_t* offsets = pass.occurrences.offsets;
  for (std::size_t s = begin; s < end; ++s) {
    T* pooled = pass.pooled + s * pass.pooled_stride;
    const T* query = pass.queries + s * pass.shape.hidden;
    if (pass.shape.width == 4 * hn::Lanes(d)) {
      attend_four_vectors<T, kLayers>(pass, query, offsets[s], offsets[s + 1], pooled);
    } else {
      attend_any_width<T, kLayers>(pass, query, offsets[s], offsets[s + 1], pooled);
    }
  }
}

/// d loss / d a_j = gradient . e_j, in every lane.
template <class T, int kLayers>
HWY_INLINE hn::Vec<hn::ScalableTag<T>> weight_gradient(const AttentionBackward<T>& pass, const T* gradient,
                                                       std::size_t j) {
  const hn::ScalableTag<T> d;
  const AttentionShape& shape = pass.shape;
  const RowPointers<T, kLayers> rows(shape, pass.table, pass.occurrences.rows + j * shape.layers);
  auto dot = hn::Zero(d);
  for (std::size_t c = 0; c < shape.width; c += hn::Lanes(d)) {
    dot = hn::MulAdd(hn::Load(d, gradient + c), rows.sum(d, shape.hidden + c), dot);
  }
  return hn::SumOfLanes(d, dot);
}

/// query_signs += [x_j > 0] * score_gradient.
template <class T>
HWY_INLINE void add_signs(std::size_t hidden, const std::uint8_t* mask, hn::Vec<hn::ScalableTag<T>> score_gradient,
                          T* HWY_RESTRICT query_signs) {
  const hn::ScalableTag<T> d;
  for (std::size_t c = 0; c < hidden; c += hn::Lanes(d), mask += vector_mask_bytes(d)) {
    const auto kept = hn::IfThenElseZero(hn::LoadMaskBits(d, mask), score_gradient);
    hn::Store(hn::Add(hn::Load(d, query_signs + c), kept), d, query_signs + c);
  }
}

/// From weights and their gradients to the scores' gradients, in place: g_j becomes a_j (g_j - sum_i a_i g_i).
template <class T>
void softmax_backward(const T* weights, T* gradients, std::size_t count) {
  T mean = 0;
  for (std::size_t i = 0; i < count; ++i) mean += weights[i] * gradients[i];
  for (std::size_t i = 0; i < count; ++i) gradients[i] = weights[i] * (gradients[i] - mean);
}

template <class T, int kLayers>
void softmax_backward_sample(const AttentionBackward<T>& pass, std::size_t s, T* query_signs) {
  const hn::ScalableTag<T> d;
  const std::size_t signs = mask_bytes_of<T>(pass.shape.hidden);
  const std::size_t first = pass.occurrences.offsets[s], last = pass.occurrences.offsets[s + 1];
  for (std::size_t j = first; j < last; ++j) {
    pass.score_gradients[j] =
        hn::GetLane(weight_gradient<T, kLayers>(pass, pass.pooled_gradient + s * pass.pooled_stride, j));
  }
  softmax_backward(pass.weights + first, pass.score_gradients + first, last - first);
  for (std::size_t j = first; j < last; ++j) {
    add_signs(pass.shape.hidden, pass.masks + j * signs, hn::Set(d, pass.score_gradients[j]), query_signs);
  }
}

template <class T, int kLayers>
void attend_backward_layers(const AttentionBackward<T>& pass, std::size_t begin, std::size_t end) {
  const hn::ScalableTag<T> d;
  const AttentionShape& shape = pass.shape;
  const std::size_t signs = mask_bytes_of<T>(shape.hidden);
  for (std::size_t s = begin; s < end; ++s) {
    T* query_signs = pass.query_signs + s * shape.hidden;
    for (std::size_t c = 0; c < shape.hidden; c += hn::Lanes(d)) hn::Store(hn::Zero(d), d, query_signs + c);
    if (shape.softmax) {
      softmax_backward_sample<T, kLayers>(pass, s, query_signs);
      continue;
    }
    const T* gradient = pass.pooled_gradient + s * pass.pooled_stride;
    for (std::size_t j = pass.occurrences.offsets[s]; j < pass.occurrences.offsets[s + 1]; ++j) {
      const auto score_gradient = weight_gradient<T, kLayers>(pass, gradient, j);
      pass.score_gradients[j] = hn::GetLane(score_gradient);
      add_signs(shape.hidden, pass.masks + j * signs, score_gradient, query_signs);
    }
  }
}

/// Columns [column, column + 4 vectors) of the projected half: the sums stay in registers over all occurrences.
template <class T>
HWY_INLINE void gather_projected(const AttentionBackward<T>& pass, const std::uint32_t* order, std::size_t count,
                                 std::size_t column, T* out) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const std::size_t step = vector_mask_bytes(d);
  const std::size_t signs = mask_bytes_of<T>(pass.shape.hidden);
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* mask = pass.masks + order[i] * signs + column / lanes * step;
    const auto g = hn::Set(d, pass.score_gradients[order[i]]);
    s0 = hn::Add(s0, hn::IfThenElseZero(hn::LoadMaskBits(d, mask), g));
    s1 = hn::Add(s1, hn::IfThenElseZero(hn::LoadMaskBits(d, mask + step), g));
    s2 = hn::Add(s2, hn::IfThenElseZero(hn::LoadMaskBits(d, mask + 2 * step), g));
    s3 = hn::Add(s3, hn::IfThenElseZero(hn::LoadMaskBits(d, mask + 3 * step), g));
  }
  hn::Store(s0, d, out + column);
  hn::Store(s1, d, out + column + lanes);
  hn::Store(s2, d, out + column + 2 * lanes);
  hn::Store(s3, d, out + column + 3 * lanes);
}

template <class T>
HWY_INLINE void gather_projected_vector(const AttentionBackward<T>& pass, const std::uint32_t* order, std::size_t count,
                                        std::size_t column, T* out) {
  const hn::ScalableTag<T> d;
  const std::size_t offset = column / hn::Lanes(d) * vector_mask_bytes(d);
  const std::size_t signs = mask_bytes_of<T>(pass.shape.hidden);
  auto sum = hn::Zero(d);
  for (std::size_t i = 0; i < count; ++i) {
    const auto mask = hn::LoadMaskBits(d, pass.masks + order[i] * signs + offset);
    sum = hn::Add(sum, hn::IfThenElseZero(mask, hn::Set(d, pass.score_gradients[order[i]])));
  }
  hn::Store(sum, d, out + column);
}

/// The raw half, likewise: four vectors at a time, then one.
template <class T>
HWY_INLINE void gather_raw(const AttentionBackward<T>& pass, const std::uint32_t* order, std::size_t count,
                           std::size_t column, T* out) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), s2 = hn::Zero(d), s3 = hn::Zero(d);
  for (std::size_t i = 0; i < count; ++i) {
    const T* g = pass.pooled_gradient + pass.occurrences.samples[order[i]] * pass.pooled_stride + column;
    const auto weight = hn::Set(d, pass.weights[order[i]]);
    s0 = hn::MulAdd(weight, hn::Load(d, g), s0);
    s1 = hn::MulAdd(weight, hn::Load(d, g + lanes), s1);
    s2 = hn::MulAdd(weight, hn::Load(d, g + 2 * lanes), s2);
    s3 = hn::MulAdd(weight, hn::Load(d, g + 3 * lanes), s3);
  }
  hn::Store(s0, d, out + column);
  hn::Store(s1, d, out + column + lanes);
  hn::Store(s2, d, out + column + 2 * lanes);
  hn::Store(s3, d, out + column + 3 * lanes);
}

template <class T>
HWY_INLINE void gather_raw_vector(const AttentionBackward<T>& pass, const std::uint32_t* order, std::size_t count,
                                  std::size_t column, T* out) {
  const hn::ScalableTag<T> d;
  auto sum = hn::Zero(d);
  for (std::size_t i = 0; i < count; ++i) {
    const T* g = pass.pooled_gradient + pass.occurrences.samples[order[i]] * pass.pooled_stride + column;
    sum = hn::MulAdd(hn::Set(d, pass.weights[order[i]]), hn::Load(d, g), sum);
  }
  hn::Store(sum, d, out + column);
}

template <class T>
void gather_rows(const AttentionBackward<T>& pass, RowOrder by_row, T* out, std::size_t begin, std::size_t end) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const AttentionShape& shape = pass.shape;
  for (std::size_t row = begin; row < end; ++row) {
    const std::uint32_t* order = by_row.order + by_row.first[row];
    const std::size_t count = by_row.first[row + 1] - by_row.first[row];
    T* projected = out + (row - begin) * shape.row_size();
    std::size_t c = 0;
    for (; c + 4 * lanes <= shape.hidden; c += 4 * lanes) gather_projected(pass, order, count, c, projected);
    for (; c < shape.hidden; c += lanes) gather_projected_vector(pass, order, count, c, projected);
    T* raw = projected + shape.hidden;
    for (c = 0; c + 4 * lanes <= shape.width; c += 4 * lanes) gather_raw(pass, order, count, c, raw);
    for (; c < shape.width; c += lanes) gather_raw_vector(pass, order, count, c, raw);
  }
}

template <class T>
void add_lookups(const LookupGradient<T>& pass, T* out, std::size_t begin, std::size_t end) {
  const hn::ScalableTag<T> d;
  const AttentionShape& shape = pass.shape;
  for (std::size_t row = begin; row < end; ++row) {
    T* raw = out + (row - begin) * shape.row_size() + shape.hidden;
    for (std::size_t i = pass.by_row.first[row]; i < pass.by_row.first[row + 1]; ++i) {
      const std::size_t lookup = pass.by_row.order[i];
      const T* gradient = pass.gradients + (pass.samples != nullptr ? pass.samples[lookup] : lookup) * pass.stride;
      for (std::size_t c = 0; c < shape.width; c += hn::Lanes(d)) {
        hn::Store(hn::Add(hn::Load(d, raw + c), hn::Load(d, gradient + c)), d, raw + c);
      }
    }
  }
}

template <class T>
void target_products(const TargetProduct<T>& pass, std::size_t begin, std::size_t end) {
  const hn::ScalableTag<T> d;
  const AttentionShape& shape = pass.shape;
  for (std::size_t s = begin; s < end; ++s) {
    const T* target = pass.targets + s * pass.target_stride;
    for (std::size_t j = pass.occurrences.offsets[s]; j < pass.occurrences.offsets[s + 1]; ++j) {
      const RowPointers<T, 0> rows(shape, pass.table, pass.occurrences.rows + j * shape.layers);
      T* product = pass.products + j * shape.width;
      for (std::size_t c = 0; c < shape.width; c += hn::Lanes(d)) {
        hn::Store(hn::Mul(rows.sum(d, shape.hidden + c), hn::Load(d, target + c)), d, product + c);
      }
    }
  }
}

template <class T>
void target_products_backward(const TargetProduct<T>& pass, std::size_t begin, std::size_t end) {
  const hn::ScalableTag<T> d;
  const AttentionShape& shape = pass.shape;
  for (std::size_t s = begin; s < end; ++s) {
    const T* target = pass.targets + s * pass.target_stride;
    T* target_gradient = pass.target_gradients + s * pass.target_gradient_stride;
    for (std::size_t j = pass.occurrences.offsets[s]; j < pass.occurrences.offsets[s + 1]; ++j) {
      const RowPointers<T, 0> rows(shape, pass.table, pass.occurrences.rows + j * shape.layers);
      T* product = pass.products + j * shape.width;
      for (std::size_t c = 0; c < shape.width; c += hn::Lanes(d)) {
        const auto gradient = hn::Load(d, product + c);
        hn::Store(hn::MulAdd(gradient, rows.sum(d, shape.hidden + c), hn::Load(d, target_gradient + c)), d,
                  target_gradient + c);
        hn::Store(hn::Mul(gradient, hn::Load(d, target + c)), d, product + c);
      }
    }
  }
}

template <class T>
void terms_backward(const AttentionBackward<T>& pass, const HiddenTermGradient<T>& terms, std::size_t begin,
                    std::size_t end) {
  const hn::ScalableTag<T> d;
  const std::size_t hidden = pass.shape.hidden;
  const std::size_t signs = mask_bytes_of<T>(hidden);
  for (std::size_t j = begin; j < end; ++j) {
    const auto score_gradient = hn::Set(d, pass.score_gradients[j]);
    const std::uint8_t* mask = pass.masks + j * signs;
    T* term = terms.terms + j * hidden;
    for (std::size_t c = 0; c < hidden; c += hn::Lanes(d), mask += vector_mask_bytes(d)) {
      const auto kept = hn::IfThenElseZero(hn::LoadMaskBits(d, mask), score_gradient);
      T* sums = terms.output_weight_gradient + c;
      hn::StoreU(hn::MulAdd(kept, hn::Load(d, term + c), hn::LoadU(d, sums)), d, sums);
      hn::Store(hn::Mul(kept, hn::Load(d, terms.output_weights + c)), d, term + c);
    }
  }
}

template <class T>
void sum_raw_rows(const AttentionShape& shape, const TableRows<T>& table, const std::uint32_t* row_numbers, T* out) {
  const hn::ScalableTag<T> d;
  const RowPointers<T, 0> rows(shape, table, row_numbers);
  for (std::size_t c = 0; c < shape.width; c += hn::Lanes(d)) hn::Store(rows.sum(d, shape.hidden + c), d, out + c);
}

/// Three layers are the usual semantic ID and one is an item ID: these two are compiled with their count known.
template <class T>
void attend_any(const AttentionForward<T>& pass, std::size_t begin, std::size_t end) {
  if (pass.shape.layers == 1) return attend_layers<T, 1>(pass, begin, end);
  if (pass.shape.layers == 3) return attend_layers<T, 3>(pass, begin, end);
  attend_layers<T, 0>(pass, begin, end);
}

template <class T>
void attend_backward_any(const AttentionBackward<T>& pass, std::size_t begin, std::size_t end) {
  if (pass.shape.layers == 1) return attend_backward_layers<T, 1>(pass, begin, end);
  if (pass.shape.layers == 3) return attend_backward_layers<T, 3>(pass, begin, end);
  attend_backward_layers<T, 0>(pass, begin, end);
}

// Highway's dispatch tables hold plain functions: one name a type.
std::size_t mask_bytes_f32(std::size_t hidden) {
  return mask_bytes_of<float>(hidden);
}
std::size_t mask_bytes_f64(std::size_t hidden) {
  return mask_bytes_of<double>(hidden);
}
void attend_f32(const AttentionForward<float>& p, std::size_t b, std::size_t e) {
  attend_any(p, b, e);
}
void attend_f64(const AttentionForward<double>& p, std::size_t b, std::size_t e) {
  attend_any(p, b, e);
}
void backward_f32(const AttentionBackward<float>& p, std::size_t b, std::size_t e) {
  attend_backward_any(p, b, e);
}
void backward_f64(const AttentionBackward<double>& p, std::size_t b, std::size_t e) {
  attend_backward_any(p, b, e);
}
void gather_f32(const AttentionBackward<float>& p, RowOrder o, float* out, std::size_t b, std::size_t e) {
  gather_rows(p, o, out, b, e);
}
void gather_f64(const AttentionBackward<double>& p, RowOrder o, double* out, std::size_t b, std::size_t e) {
  gather_rows(p, o, out, b, e);
}
void lookups_f32(const LookupGradient<float>& p, float* out, std::size_t b, std::size_t e) {
  add_lookups(p, out, b, e);
}
void lookups_f64(const LookupGradient<double>& p, double* out, std::size_t b, std::size_t e) {
  add_lookups(p, out, b, e);
}
void products_f32(const TargetProduct<float>& p, std::size_t b, std::size_t e) {
  target_products(p, b, e);
}
void products_f64(const TargetProduct<double>& p, std::size_t b, std::size_t e) {
  target_products(p, b, e);
}
void products_backward_f32(const TargetProduct<float>& p, std::size_t b, std::size_t e) {
  target_products_backward(p, b, e);
}
void products_backward_f64(const TargetProduct<double>& p, std::size_t b, std::size_t e) {
  target_products_backward(p, b, e);
}
void terms_f32(const AttentionBackward<float>& p, const HiddenTermGradient<float>& t, std::size_t b, std::size_t e) {
  terms_backward(p, t, b, e);
}
void terms_f64(const AttentionBackward<double>& p, const HiddenTermGradient<double>& t, std::size_t b, std::size_t e) {
  terms_backward(p, t, b, e);
}
void sum_f32(const AttentionShape& s, const TableRows<float>& t, const std::uint32_t* r, float* out) {
  sum_raw_rows(s, t, r, out);
}
void sum_f64(const AttentionShape& s, const TableRows<double>& t, const std::uint32_t* r, double* out) {
  sum_raw_rows(s, t, r, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace neume::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace neume::kernels {

HWY_EXPORT(mask_bytes_f32);
HWY_EXPORT(mask_bytes_f64);
HWY_EXPORT(attend_f32);
HWY_EXPORT(attend_f64);
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_f64);
HWY_EXPORT(gather_f32);
HWY_EXPORT(gather_f64);
HWY_EXPORT(lookups_f32);
HWY_EXPORT(lookups_f64);
HWY_EXPORT(products_f32);
HWY_EXPORT(products_f64);
HWY_EXPORT(products_backward_f32);
HWY_EXPORT(products_backward_f64);
HWY_EXPORT(terms_f32);
HWY_EXPORT(terms_f64);
HWY_EXPORT(sum_f32);
HWY_EXPORT(sum_f64);

template <>
std::size_t mask_bytes<float>(std::size_t hidden) {
  return HWY_DYNAMIC_DISPATCH(mask_bytes_f32)(hidden);
}
template <>
std::size_t mask_bytes<double>(std::size_t hidden) {
  return HWY_DYNAMIC_DISPATCH(mask_bytes_f64)(hidden);
}
template <>
void attend(const AttentionForward<float>& pass, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(attend_f32)(pass, begin, end);
}
template <>
void attend(const AttentionForward<double>& pass, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(attend_f64)(pass, begin, end);
}
template <>
void attend_backward(const AttentionBackward<float>& pass, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(backward_f32)(pass, begin, end);
}
template <>
void attend_backward(const AttentionBackward<double>& pass, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(backward_f64)(pass, begin, end);
}
template <>
void gather_row_gradients(const AttentionBackward<float>& pass, RowOrder by_row, float* out, std::size_t begin,
                          std::size_t end) {
  HWY_DYNAMIC_DISPATCH(gather_f32)(pass, by_row, out, begin, end);
}
template <>
void gather_row_gradients(const AttentionBackward<double>& pass, RowOrder by_row, double* out, std::size_t begin,
                          std::size_t end) {
  HWY_DYNAMIC_DISPATCH(gather_f64)(pass, by_row, out, begin, end);
}
template <>
void add_lookup_gradients(const LookupGradient<float>& pass, float* out, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(lookups_f32)(pass, out, begin, end);
}
template <>
void multiply_by_targets(const TargetProduct<float>& pass, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(products_f32)(pass, begin, end);
}
template <>
void multiply_by_targets_backward(const TargetProduct<float>& pass, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(products_backward_f32)(pass, begin, end);
}
template <>
void hidden_terms_backward(const AttentionBackward<float>& pass, const HiddenTermGradient<float>& terms,
                           std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(terms_f32)(pass, terms, begin, end);
}
template <>
void add_lookup_gradients(const LookupGradient<double>& pass, double* out, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(lookups_f64)(pass, out, begin, end);
}
template <>
void multiply_by_targets(const TargetProduct<double>& pass, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(products_f64)(pass, begin, end);
}
template <>
void multiply_by_targets_backward(const TargetProduct<double>& pass, std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(products_backward_f64)(pass, begin, end);
}
template <>
void hidden_terms_backward(const AttentionBackward<double>& pass, const HiddenTermGradient<double>& terms,
                           std::size_t begin, std::size_t end) {
  HWY_DYNAMIC_DISPATCH(terms_f64)(pass, terms, begin, end);
}
template <>
void sum_rows(const AttentionShape& shape, const TableRows<float>& table, const std::uint32_t* rows, float* out) {
  HWY_DYNAMIC_DISPATCH(sum_f32)(shape, table, rows, out);
}
template <>
void sum_rows(const AttentionShape& shape, const TableRows<double>& table, const std::uint32_t* rows, double* out) {
  HWY_DYNAMIC_DISPATCH(sum_f64)(shape, table, rows, out);
}

}  // namespace neume::kernels
#endif
