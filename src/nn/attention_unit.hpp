#pragma once
// One attention net a(.) of MCCA or DIN (arXiv 2508.20359, section 3.3) on one source of embeddings, forward and
// backward: a_j = s_j = v . relu(W_e e_j + W_q q + b) + c, pooled = sum_j a_j e_j, with e_j the sum of L table rows.
//
// Two departures from the paper are options:
//   softmax   a_j = softmax over the history of s_j (kernels::AttentionShape::softmax). c then cancels and stays.
//   product   the input of DIN's net, [e_j ; q ; e_j - q ; e_j * q] (arXiv 1706.06978, figure 2; the difference and the
//             element-wise product as in its authors' code). W_d (e_j - q) is W_d e_j - W_d q: it folds into W_e and
//             W_q, so a net that reads it can say no more than one that does not, and has no term here. The product
//             does not fold into the tables: x_j = W_e e_j + W_q q + W_p (e_j * q) + b, one row of a matrix product
//             for every history item.
//
// The table is stored wide: row = [projected (hidden) | raw (width)], projected = W_e raw, refreshed once a batch.

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "kernels/attention.hpp"
#include "kernels/matmul.hpp"
#include "nn/lookups.hpp"
#include "nn/mlp.hpp"
#include "nn/parameter.hpp"

namespace neume::nn {

template <class T>
class AttentionUnit {
 public:
  /// `layers` rows make up an embedding; up to `max_batch` samples with `max_occurrences` history items in all.
  struct Size {
    kernels::AttentionShape shape;
    std::size_t max_batch;
    std::size_t max_occurrences;
    bool product = false;  ///< the net also reads e_j * q
    kernels::Arithmetic arithmetic = kernels::Arithmetic::f32;
  };
  /// Weights are uniform in +-1/sqrt(numbers that the net reads: 2 width, or 3 width with the product).
  AttentionUnit(const std::string& name, const Size& size, double output_bias, base::Random& random);

  const kernels::AttentionShape& shape() const { return shape_; }

  /// projected = W_e raw for rows [begin, end) of a wide table.
  void project(T* table, RowRange rows) const;

  /// Samples `range`: queries = W_q q + b, then attention. `targets` are the query embeddings, `pooled` the result;
  /// both batch x stride, width columns used.
  void forward(const Lookups& history, const kernels::TableRows<T>& table, RowRange range, Strided<const T> targets,
               Strided<T> pooled);

  /// Samples `range`: from d/d pooled to d/d query; adds to `target_gradients` and keeps what the rows need. `block` is
  /// the number of the range in the batch (its partial sums are kept apart and added in order).
  struct Backward {
    const Lookups& history;
    kernels::TableRows<T> table;
    Strided<const T> pooled_gradients;
    Strided<T> target_gradients;
    Strided<const T> targets = {};  ///< the query embeddings, as forward() had them; only the product reads them
  };
  void backward(const Backward& pass, RowRange range, std::size_t block);

  /// Rows `range` of the table: gradients of the raw halves into the right halves of `gradients` (the range's rows
  /// alone, each hidden + width), from the history and, where `targets` is not null, from the target embeddings.
  /// `chunk` numbers the range for the partial sums.
  struct RowBackward {
    const Lookups& history;
    const Lookups* targets;
    Strided<const T> pooled_gradients;
    Strided<const T> target_gradients;
    kernels::TableRows<T> table;
    T* gradients;
  };
  void backward_rows(const RowBackward& pass, RowRange range, std::size_t chunk);

  /// Gradients of W_q and b over the batch.
  void query_weight_gradients(std::size_t batch, Strided<const T> targets);

  /// Adds the partial sums of `num_blocks` sample blocks and `num_chunks` row chunks into the gradients of W_e, W_p,
  /// v and c.
  void sum_partials(std::size_t num_blocks, std::size_t num_chunks);

  /// Room for partial sums; to be called before a batch's backward passes.
  void reserve_partials(std::size_t num_blocks, std::size_t num_chunks);

  void update(const kernels::AdamStep<T>& step);
  void collect(std::vector<ParameterView<T>>& views);

  /// To be called after parameters were written from outside.
  void parameters_changed();

 private:
  kernels::AttentionBackward<T> row_pass(const Lookups& history, const kernels::TableRows<T>& table,
                                         Strided<const T> pooled_gradients);
  void multiply(const kernels::MatmulShape& shape, kernels::Factor<T> a, kernels::Factor<T> b,
                kernels::Product<T> c) const {
    kernels::matmul<T>(shape, a, b, c, arithmetic_);
  }
  bool has_product() const { return product_weights_.rows() != 0; }
  std::size_t block_partial_size() const { return shape_.hidden + 1 + product_weights_.rows() * shape_.width; }
  std::array<Parameter<T>*, 6> all_parameters() {
    return {&item_weights_, &query_weights_, &product_weights_, &hidden_bias_, &output_weights_, &output_bias_};
  }
  void add_product_terms(const Lookups& history, const kernels::TableRows<T>& table, RowRange range,
                         Strided<const T> targets);
  void product_backward(const Backward& pass, RowRange range, T* partial);

  kernels::AttentionShape shape_;
  Parameter<T> item_weights_;        // W_e, hidden x width
  Parameter<T> query_weights_;       // W_q, hidden x width
  Parameter<T> product_weights_;     // W_p, hidden x width; 0 x 0 without the product
  Parameter<T> hidden_bias_;         // b
  Parameter<T> output_weights_;      // v
  Parameter<T> output_bias_;         // c
  base::Buffer<T> item_transposed_;  // W_e and W_q as width x hidden: products that take them so are faster
  base::Buffer<T> query_transposed_;
  kernels::Arithmetic arithmetic_;
  base::Buffer<T> queries_;          // batch x hidden: W_q q + b
  base::Buffer<T> query_gradients_;  // batch x hidden
  base::Buffer<T> weights_;          // a_j
  base::Buffer<T> score_gradients_;  // d loss / d s_j
  base::Buffer<std::uint8_t> masks_;
  base::Buffer<T> products_;       // n x width: e_j * q, then the part of d loss / d e_j that comes through it
  base::Buffer<T> product_terms_;  // n x hidden: W_p (e_j * q), then its gradient
  std::vector<T> block_partials_;  // a block: v (hidden), c (1), W_p (hidden x width, with the product)
  std::vector<T> chunk_partials_;  // a chunk: v (hidden), W_e (hidden x width)
};

extern template class AttentionUnit<float>;
extern template class AttentionUnit<double>;

}  // namespace neume::nn
