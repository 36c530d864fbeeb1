#pragma once
// Attention of a target over a history of semantic IDs, on folded tables (the first layer's product with the embedding
// tables is taken once a batch, so that a history item costs one row-add a layer).
//
// A table row is [projected (hidden) | raw (width)]. For occurrence j of sample s, with rows r_1..r_L of its codes:
//   x_j = sum_l projected[r_l] + query[s],   a_j = output_weights . relu(x_j) + output_bias,
//   pooled[s] = sum_j a_j * sum_l raw[r_l].
// There is no softmax and no position (arXiv 2508.20359, section 3.3).

#include <cstddef>
#include <cstdint>

namespace neume::kernels {

/// `hidden` and `width` are multiples of kAttentionGrain.
struct AttentionShape {
  std::size_t hidden;
  std::size_t width;
  std::size_t layers;

  std::size_t row_size() const { return hidden + width; }
};

inline constexpr std::size_t kAttentionGrain = 16;
inline constexpr std::size_t kMaxLayers = 16;

/// History occurrences of all samples of a batch in one code family: sample s owns [offsets[s], offsets[s + 1]).
struct OccurrenceView {
  const std::uint32_t* offsets;  ///< B + 1
  const std::uint32_t* rows;     ///< n x layers, rows of the table
  const std::uint32_t* samples;  ///< n
};

/// Bytes that hold the relu signs of one occurrence; a property of the instruction set in use.
template <class T>
std::size_t mask_bytes(std::size_t hidden);

/// Bytes to allocate for the signs of `count` occurrences (the last load may read past its own bytes).
template <class T>
std::size_t mask_buffer_bytes(std::size_t hidden, std::size_t count) {
  return mask_bytes<T>(hidden) * count + 8;
}

template <class T>
struct AttentionForward {
  AttentionShape shape;
  OccurrenceView occurrences;
  const T* table;           ///< rows x (hidden + width)
  const T* queries;         ///< B x hidden: W_q e_target + b
  const T* output_weights;  ///< hidden
  T output_bias;
  T* pooled;  ///< B x pooled_stride, columns [0, width) are set
  std::size_t pooled_stride;
  T* weights;           ///< n: a_j
  std::uint8_t* masks;  ///< n x mask_bytes: signs of x_j
};

/// Samples [begin, end).
template <class T>
void attend(const AttentionForward<T>& pass, std::size_t begin, std::size_t end);

template <class T>
struct AttentionBackward {
  AttentionShape shape;
  OccurrenceView occurrences;
  const T* table;
  const T* pooled_gradient;  ///< B x pooled_stride: d loss / d pooled
  std::size_t pooled_stride;
  const T* weights;
  const std::uint8_t* masks;
  T* weight_gradients;  ///< n: d loss / d a_j = pooled_gradient[s] . raw_j
  T* query_signs;       ///< B x hidden: sum_j [x_j > 0] * weight_gradients[j]; times output_weights it is d/d query
};

/// First half of the backward pass, samples [begin, end): sets weight_gradients and query_signs.
template <class T>
void attend_backward(const AttentionBackward<T>& pass, std::size_t begin, std::size_t end);

/// Second half, table rows [begin, end); `out` is the row `begin`'s, others follow: out row = [ sum_j [x_j > 0] *
/// weight_gradients[j] | sum_j a_j * pooled_gradient[sample] ] over the occurrences of that row, which are
/// order[first[row]], ..., order[first[row+1] - 1]. A gather: each row is written by one caller, in one order, whatever
/// the number of threads.
struct RowOrder {
  const std::uint32_t* first;  ///< rows + 1
  const std::uint32_t* order;  ///< occurrence numbers, grouped by row
};
template <class T>
void gather_row_gradients(const AttentionBackward<T>& pass, RowOrder by_row, T* out, std::size_t begin,
                          std::size_t end);

/// Rows [begin, end), `out` being row `begin`'s: out[row][hidden + c] += sum of gradients[samples[order[i]]][c] over
/// the row's look-ups: the part of target embeddings.
template <class T>
struct TargetGradient {
  AttentionShape shape;
  const T* gradients;  ///< B x stride, columns [0, width) are used
  std::size_t stride;
  const std::uint32_t* samples;  ///< sample of each target look-up
  RowOrder by_row;               ///< target look-ups, grouped by table row
};
template <class T>
void add_target_gradients(const TargetGradient<T>& pass, T* out, std::size_t begin, std::size_t end);

/// out (width) = sum over layers of the raw halves of `rows`.
template <class T>
void sum_rows(const AttentionShape& shape, const T* table, const std::uint32_t* rows, T* out);

}  // namespace neume::kernels
