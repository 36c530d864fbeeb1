#pragma once
// Attention of many queries over one history (kernels/attention.hpp has its formula): the history's side is computed
// once and shared. With p_j the projected embedding of history entry j, t_i = -(W_q q_i + b) the thresholds of query i,
// n_j how often the entry occurs:
//   s_ij = output_bias + sum over h of v_h relu(p_jh - t_ih),   pooled_i = sum over j of n_j s_ij e_j.
//
// Two ways, of different costs for m queries and n entries:
//   scores and a product       m n (hidden + width)
//   sweeps of sorted columns   hidden (m + n) (2 width + a sort). For every hidden unit,
//     sum over j of n_j relu(p_jh - t) e_j = S1 - t S0,  S0 and S1 the sums of n_j e_j and n_j p_jh e_j over p_jh > t,
//   piecewise linear in t: entries by falling p_jh and queries by falling t are walked through side by side.

#include <cstddef>
#include <span>

#include "kernels/descending_order.hpp"

namespace neume::kernels {

struct PairScores {
  const float* projected;   ///< hidden x stride: p_jh at [h * stride + j]; finite in all columns
  std::size_t stride;       ///< entries, rounded up to a multiple of kPairGrain
  const float* thresholds;  ///< queries x hidden
  std::size_t hidden;       ///< a multiple of kPairGrain
  const float* output_weights;
  float output_bias;
  float* scores;  ///< queries x stride
};
inline constexpr std::size_t kPairGrain = 16;

/// s_ij of queries [begin, end).
void score_pairs(const PairScores& pass, std::size_t begin, std::size_t end);

/// scores[j] = exp(scores[j]) / sum over i of counts[i] exp(scores[i]) for the entries of one query: what each of the
/// counts[j] equal ones weighs. Columns [count, stride) become 0.
void softmax_of_counts(float* scores, const float* counts, std::size_t count, std::size_t stride);

/// What one hidden unit adds to the sums of all queries.
struct Sweep {
  std::span<const RankedValue> entries;     ///< p_jh, falling
  std::span<const RankedValue> thresholds;  ///< t_ih, falling
  const float* embeddings;                  ///< entries x width: n_j e_j
  std::size_t width;                        ///< a multiple of kPairGrain
  float output_weight;                      ///< v_h
  float* pooled;                            ///< queries x pooled_stride: the sums are added here
  std::size_t pooled_stride;
};
void sweep_hidden_unit(const Sweep& pass);

}  // namespace neume::kernels
