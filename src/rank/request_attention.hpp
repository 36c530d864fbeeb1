#pragma once
// Attention of a request's queries over its history (kernels/shared_attention.hpp), by the cheapest way that is exact.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.hpp"
#include "kernels/shared_attention.hpp"
#include "rank/request_history.hpp"
#include "rank/request_tables.hpp"

namespace neume::rank {

/// The queries of one unit, and where what they pool goes.
struct RequestQueries {
  std::size_t count = 0;
  const float* embeddings = nullptr;  ///< count x stride, width columns: e_q
  float* pooled = nullptr;            ///< count x stride, width columns
  std::size_t stride = 0;
};

/// Working memory of one thread.
class RequestAttention {
 public:
  /// `thresholds` (count x hidden): -(W_q e_q + b).
  void attend(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
              const RequestQueries& queries);

  /// What one occurrence of every entry weighs for a single query: size() numbers, valid until the next call.
  const float* weights(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
                       const float* query_embedding);

  /// As the network does it for every history item in turn, in its arithmetic: the same bits. Products in bf16 need
  /// it, as they round sums whose last bits differ to numbers that differ by 2^-8.
  void attend_in_order(const RequestUnit& unit, const RequestHistory& history, std::size_t u,
                       const RequestQueries& queries, kernels::Arithmetic arithmetic);

 private:
  void score(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
             const RequestQueries& queries, float* scores);
  const float* projected_with_product(const RequestUnit& unit, const UnitHistory& history, const float* query);
  void attend_by_pairs(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
                       const RequestQueries& queries);
  void attend_by_sweeps(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
                        const RequestQueries& queries);

  base::Buffer<float> scores_, product_weights_, projected_, columns_, pooled_, network_queries_, products_, terms_;
  std::vector<float> values_, totals_;
  std::vector<kernels::RankedValue> entries_, thresholds_;
  kernels::DescendingOrder order_;
  std::vector<std::uint32_t> rows_, samples_;
  std::vector<std::uint8_t> masks_;
};

}  // namespace neume::rank
