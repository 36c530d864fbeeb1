#pragma once
// Attention of a target over a history of semantic IDs, on folded tables (the first layer's product with the embedding
// tables is taken once a batch, so that a history item costs one row-add a layer).
//
// A table row is [projected (hidden) | raw (width)]. For occurrence j of sample s, with rows r_1..r_L of its codes:
//   x_j = sum_l projected[r_l] + query[s],   s_j = output_weights . relu(x_j) + output_bias,   a_j = s_j,
//   e_j = sum_l raw[r_l],   pooled[s] = sum_j a_j * e_j.
// There is no softmax and no position (arXiv 2508.20359, section 3.3). Two departures from the paper are offered:
//   softmax          a_j = exp(s_j) / sum over the sample's history i of exp(s_i); an empty history pools to 0
//   hidden terms     x_j gets a further term that does not fold into the tables, such as a product of e_j and target

#include <cstddef>
#include <cstdint>

namespace neume::kernels {

/// `hidden` and `width` are multiples of kAttentionGrain.
struct AttentionShape {
  std::size_t hidden;
  std::size_t width;
  std::size_t layers;
  bool softmax = false;

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

/// Where the rows of a table stand, each hidden + width long: rows [0, num_shared) at `shared`, and of the later ones
/// those from `first_own` on at `own`, where a thread keeps what it alone works on. A plain table is shared as a whole.
template <class T>
struct TableRows {
  TableRows(const T* table) : shared(table) {}
  TableRows(const T* shared_rows, std::uint32_t num_shared_rows, const T* own_rows, std::uint32_t first_own_row)
      : shared(shared_rows), num_shared(num_shared_rows), own(own_rows), first_own(first_own_row) {}

  const T* at(std::size_t row, std::size_t row_size) const {
    return row < num_shared ? shared + row * row_size : own + (row - first_own) * row_size;
  }

  const T* shared;
  std::uint32_t num_shared = 0xFFFFFFFF;
  const T* own = nullptr;
  std::uint32_t first_own = 0;
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
  TableRows<T> table;       ///< rows x (hidden + width)
  const T* queries;         ///< B x hidden: W_q e_target + b
  const T* output_weights;  ///< hidden
  T output_bias;
  T* pooled;  ///< B x pooled_stride, columns [0, width) are set
  std::size_t pooled_stride;
  T* weights;                       ///< n: a_j
  std::uint8_t* masks;              ///< n x mask_bytes: signs of x_j
  const T* hidden_terms = nullptr;  ///< n x hidden, added to x_j; null: none
};

/// Samples [begin, end).
template <class T>
void attend(const AttentionForward<T>& pass, std::size_t begin, std::size_t end);

template <class T>
struct AttentionBackward {
  AttentionShape shape;
  OccurrenceView occurrences;
  TableRows<T> table;
  const T* pooled_gradient;  ///< B x pooled_stride: d loss / d pooled
  std::size_t pooled_stride;
  const T* weights;
  const std::uint8_t* masks;
  /// n: d loss / d s_j. With g_j = d loss / d a_j = pooled_gradient[s] . e_j it is g_j, and a_j (g_j - sum_i a_i g_i)
  /// under softmax.
  T* score_gradients;
  T* query_signs;  ///< B x hidden: sum_j [x_j > 0] * score_gradients[j]; times output_weights it is d/d query
};

/// First half of the backward pass, samples [begin, end): sets score_gradients and query_signs.
template <class T>
void attend_backward(const AttentionBackward<T>& pass, std::size_t begin, std::size_t end);

/// Second half, table rows [begin, end); `out` is the row `begin`'s, others follow: out row = [ sum_j [x_j > 0] *
/// score_gradients[j] | sum_j a_j * pooled_gradient[sample] ] over the occurrences of that row, which are
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
struct LookupGradient {
  AttentionShape shape;
  const T* gradients;  ///< B x stride, columns [0, width) are used
  std::size_t stride;
  const std::uint32_t* samples;  ///< sample of each look-up; null: every look-up has a row of `gradients` of its own
  RowOrder by_row;               ///< look-ups, grouped by table row
};
template <class T>
void add_lookup_gradients(const LookupGradient<T>& pass, T* out, std::size_t begin, std::size_t end);

/// Occurrence embeddings times the sample's target embedding, element by element: e_j * q_s.
template <class T>
struct TargetProduct {
  AttentionShape shape;
  OccurrenceView occurrences;
  TableRows<T> table;
  const T* targets;  ///< B x target_stride, columns [0, width) are used: q_s
  std::size_t target_stride;
  T* products;  ///< n x width
  /// B x target_gradient_stride; the backward pass adds d loss / d q_s. Null in the forward pass.
  T* target_gradients = nullptr;
  std::size_t target_gradient_stride = 0;
};

/// Samples [begin, end): products[j] = e_j * q_s.
template <class T>
void multiply_by_targets(const TargetProduct<T>& pass, std::size_t begin, std::size_t end);

/// Samples [begin, end): on entry products[j] = d loss / d (e_j * q_s). Adds sum_j products[j] * e_j to row s of
/// target_gradients, and leaves d loss / d e_j = products[j] * q_s.
template <class T>
void multiply_by_targets_backward(const TargetProduct<T>& pass, std::size_t begin, std::size_t end);

/// The backward pass of hidden terms t_j, with ds_j the score gradients.
template <class T>
struct HiddenTermGradient {
  const T* output_weights;    ///< hidden
  T* terms;                   ///< n x hidden: t_j on entry, d loss / d t_j = [x_j > 0] ds_j output_weights after
  T* output_weight_gradient;  ///< hidden: the terms' share is added, sum_j [x_j > 0] ds_j t_j
};

/// Occurrences [begin, end), after attend_backward of their samples.
template <class T>
void hidden_terms_backward(const AttentionBackward<T>& pass, const HiddenTermGradient<T>& terms, std::size_t begin,
                           std::size_t end);

/// out (width) = sum over layers of the raw halves of `rows`.
template <class T>
void sum_rows(const AttentionShape& shape, const TableRows<T>& table, const std::uint32_t* rows, T* out);

}  // namespace neume::kernels
