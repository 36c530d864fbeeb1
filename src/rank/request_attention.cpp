#include "rank/request_attention.hpp"

#include <algorithm>
#include <array>

#include "kernels/elementwise.hpp"

namespace neume::rank {

namespace {

constexpr std::size_t kScoresAtOnce = 32768;  // scores in cache between the pass that makes them and their product

// Costs of the two ways in their smallest parts, measured (docs/benchmarks.md): nanoseconds a pair, and a hidden unit's
// entry and query, at hidden = width = 64.
constexpr double kPairCost = 1.4;
constexpr double kSweptEntryCost = 6.5;
constexpr double kSweptQueryCost = 8.8;

bool sweeps_pay(const RequestUnit& unit, std::size_t entries, std::size_t queries) {
  if (unit.shape.softmax || unit.product_weights != nullptr) return false;
  const double n = static_cast<double>(entries), m = static_cast<double>(queries);
  return static_cast<double>(unit.shape.hidden) * (n * kSweptEntryCost + m * kSweptQueryCost) < n * m * kPairCost;
}

}  // namespace

void RequestAttention::attend(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
                              const RequestQueries& queries) {
  if (history.size() == 0) {
    for (std::size_t i = 0; i < queries.count; ++i) {
      std::fill_n(queries.pooled + i * queries.stride, unit.shape.width, 0.0f);
    }
  } else if (sweeps_pay(unit, history.size(), queries.count)) {
    attend_by_sweeps(unit, history, thresholds, queries);
  } else {
    attend_by_pairs(unit, history, thresholds, queries);
  }
}

// W_e e_j + W_p (e_j * q) = W_e e_j + (W_p diag(q)) e_j: one product a query.
const float* RequestAttention::projected_with_product(const RequestUnit& unit, const UnitHistory& history,
                                                      const float* query) {
  const std::size_t hidden = unit.shape.hidden, width = unit.shape.width;
  float* weights = reserve(product_weights_, hidden * width);
  for (std::size_t h = 0; h < hidden; ++h) {
    for (std::size_t c = 0; c < width; ++c) weights[h * width + c] = unit.product_weights[h * width + c] * query[c];
  }
  float* projected = reserve(projected_, hidden * history.stride);
  std::copy_n(history.projected.data(), hidden * history.stride, projected);
  kernels::matmul({hidden, history.size(), width}, {weights, width},
                  {history.wide.data() + hidden, unit.shape.row_size(), true},
                  kernels::Product<float>{projected, history.stride, 1.0f});
  return projected;
}

void RequestAttention::score(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
                             const RequestQueries& queries, float* scores) {
  kernels::PairScores pass{history.projected.data(), history.stride,   thresholds, unit.shape.hidden,
                           unit.output_weights,      unit.output_bias, scores};
  if (unit.product_weights == nullptr) {
    kernels::score_pairs(pass, 0, queries.count);
  } else {
    for (std::size_t i = 0; i < queries.count; ++i) {
      pass.projected = projected_with_product(unit, history, queries.embeddings + i * queries.stride);
      kernels::score_pairs(pass, i, i + 1);
    }
  }
  if (!unit.shape.softmax) return;
  for (std::size_t i = 0; i < queries.count; ++i) {
    kernels::softmax_of_counts(scores + i * history.stride, history.counts.data(), history.size(), history.stride);
  }
}

const float* RequestAttention::weights(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
                                       const float* query_embedding) {
  float* scores = reserve(scores_, history.stride);
  if (history.size() > 0) score(unit, history, thresholds, {1, query_embedding, nullptr, unit.shape.width}, scores);
  return scores;
}

void RequestAttention::attend_by_pairs(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
                                       const RequestQueries& queries) {
  const std::size_t at_once = std::max<std::size_t>(4, kScoresAtOnce / history.stride / 4 * 4);
  float* scores = reserve(scores_, at_once * history.stride);
  for (std::size_t begin = 0; begin < queries.count; begin += at_once) {
    const std::size_t count = std::min(at_once, queries.count - begin);
    const RequestQueries part{count, queries.embeddings + begin * queries.stride,
                              queries.pooled + begin * queries.stride, queries.stride};
    score(unit, history, thresholds + begin * unit.shape.hidden, part, scores);
    kernels::matmul({count, unit.shape.width, history.size()}, {scores, history.stride},
                    {history.weighted.data(), unit.shape.width}, kernels::Product<float>{part.pooled, part.stride});
  }
}

void RequestAttention::attend_by_sweeps(const RequestUnit& unit, const UnitHistory& history, const float* thresholds,
                                        const RequestQueries& queries) {
  const std::size_t hidden = unit.shape.hidden, width = unit.shape.width;
  totals_.assign(width, 0.0f);
  kernels::column_sums<float>({history.weighted.data(), history.size(), width, width}, totals_.data());
  float* pooled = reserve(pooled_, queries.count * width);  // rows side by side: they are walked through in any order
  for (std::size_t i = 0; i < queries.count; ++i) {
    for (std::size_t c = 0; c < width; ++c) pooled[i * width + c] = unit.output_bias * totals_[c];
  }
  float* columns = reserve(columns_, hidden * queries.count);
  transpose({thresholds, hidden}, queries.count, hidden, {columns, queries.count});
  entries_.resize(history.size());
  thresholds_.resize(queries.count);
  for (std::size_t h = 0; h < hidden; ++h) {
    order_.order({history.projected.data() + h * history.stride, history.size()}, entries_);
    order_.order({columns + h * queries.count, queries.count}, thresholds_);
    kernels::sweep_hidden_unit(
        {entries_, thresholds_, history.weighted.data(), width, unit.output_weights[h], pooled, width});
  }
  for (std::size_t i = 0; i < queries.count; ++i) {
    std::copy_n(pooled + i * width, width, queries.pooled + i * queries.stride);
  }
}

void RequestAttention::attend_in_order(const RequestUnit& unit, const RequestHistory& history, std::size_t u,
                                       const RequestQueries& queries, kernels::Arithmetic arithmetic) {
  const UnitHistory& of_unit = history.unit(u);
  const std::size_t hidden = unit.shape.hidden, width = unit.shape.width, layers = unit.shape.layers;
  rows_.clear();
  for (std::size_t place = 0; place < history.size(); ++place) {
    const std::uint32_t entry = of_unit.entry_of_slot[history.slot_of_place(place)];
    if (entry == RequestHistory::kNone) continue;
    if (unit.source.is_items()) {
      rows_.push_back(entry);  // of the wide rows
    } else {
      rows_.insert(rows_.end(), of_unit.entries.at(entry), of_unit.entries.at(entry) + layers);
    }
  }
  const auto count = static_cast<std::uint32_t>(rows_.size() / layers);
  const float* table = unit.source.is_items() ? of_unit.wide.data() : unit.table.data();
  float* of_network = reserve(network_queries_, queries.count * hidden);
  kernels::matmul<float>({queries.count, hidden, width}, {queries.embeddings, queries.stride},
                         {unit.query_weights.data(), hidden}, {of_network, hidden}, arithmetic);
  kernels::add_bias<float>({of_network, queries.count, hidden, hidden}, unit.hidden_bias);
  float* products = reserve(products_, count * width);
  float* terms = reserve(terms_, count * hidden);
  float* weights = reserve(scores_, count);
  samples_.assign(count, 0);
  masks_.resize(kernels::mask_buffer_bytes<float>(hidden, count));
  const std::array<std::uint32_t, 2> offsets = {0, count};
  const kernels::OccurrenceView view{offsets.data(), rows_.data(), samples_.data()};
  for (std::size_t i = 0; i < queries.count; ++i) {
    const bool product = unit.product_weights != nullptr && count > 0;
    if (product) {
      kernels::multiply_by_targets<float>(
          {unit.shape, view, table, queries.embeddings + i * queries.stride, queries.stride, products}, 0, 1);
      kernels::matmul<float>({count, hidden, width}, {products, width}, {unit.product_weights, width, true},
                             {terms, hidden}, arithmetic);
    }
    kernels::attend<float>(
        {unit.shape, view, table, of_network + i * hidden, unit.output_weights, unit.output_bias,
         queries.pooled + i * queries.stride, queries.stride, weights, masks_.data(), product ? terms : nullptr},
        0, 1);
  }
}

}  // namespace neume::rank
