#include "nn/attention_unit.hpp"

#include <algorithm>
#include <cmath>

namespace neume::nn {

using kernels::Block;
using kernels::Product;

template <class T>
AttentionUnit<T>::AttentionUnit(const std::string& name, const Size& size, double output_bias, base::Random& random)
    : shape_(size.shape),
      item_weights_(name + ".item_weight", shape_.hidden, shape_.width),
      query_weights_(name + ".query_weight", shape_.hidden, shape_.width),
      product_weights_(name + ".product_weight", size.product ? shape_.hidden : 0, size.product ? shape_.width : 0),
      hidden_bias_(name + ".hidden_bias", 1, shape_.hidden),
      output_weights_(name + ".output_weight", 1, shape_.hidden),
      output_bias_(name + ".output_bias", 1, 1),
      item_transposed_(shape_.hidden * shape_.width),
      query_transposed_(shape_.hidden * shape_.width),
      arithmetic_(size.arithmetic),
      queries_(size.max_batch * shape_.hidden),
      query_gradients_(size.max_batch * shape_.hidden),
      weights_(size.max_occurrences),
      score_gradients_(size.max_occurrences),
      masks_(kernels::mask_buffer_bytes<T>(shape_.hidden, size.max_occurrences)),
      products_(size.product ? size.max_occurrences * shape_.width : 0),
      product_terms_(size.product ? size.max_occurrences * shape_.hidden : 0) {
  const double bound = 1.0 / std::sqrt((size.product ? 3.0 : 2.0) * static_cast<double>(shape_.width));
  item_weights_.fill_uniform(bound, random);
  query_weights_.fill_uniform(bound, random);
  product_weights_.fill_uniform(bound, random);
  hidden_bias_.fill_uniform(bound, random);
  output_weights_.fill_uniform(1.0 / std::sqrt(static_cast<double>(shape_.hidden)), random);
  output_bias_.values()[0] = static_cast<T>(output_bias);
  parameters_changed();
}

template <class T>
void AttentionUnit<T>::parameters_changed() {
  for (std::size_t h = 0; h < shape_.hidden; ++h) {
    for (std::size_t c = 0; c < shape_.width; ++c) {
      item_transposed_[c * shape_.hidden + h] = item_weights_.values()[h * shape_.width + c];
      query_transposed_[c * shape_.hidden + h] = query_weights_.values()[h * shape_.width + c];
    }
  }
}

template <class T>
void AttentionUnit<T>::project(T* table, RowRange rows) const {
  const std::size_t stride = shape_.row_size();
  T* first = table + rows.begin * stride;
  multiply({rows.size(), shape_.hidden, shape_.width}, {first + shape_.hidden, stride},
           {item_transposed_.data(), shape_.hidden}, Product<T>{first, stride});
}

template <class T>
void AttentionUnit<T>::forward(const Lookups& history, const kernels::TableRows<T>& table, RowRange range,
                               Strided<const T> targets, Strided<T> pooled) {
  T* queries = queries_.data() + range.begin * shape_.hidden;
  multiply({range.size(), shape_.hidden, shape_.width}, {targets.row(range.begin), targets.stride},
           {query_transposed_.data(), shape_.hidden}, Product<T>{queries, shape_.hidden});
  kernels::add_bias<T>({queries, range.size(), shape_.hidden, shape_.hidden}, hidden_bias_.values());
  if (has_product()) add_product_terms(history, table, range, targets);
  kernels::attend<T>(
      {shape_, history.view(), table, queries_.data(), output_weights_.values(), output_bias_.values()[0], pooled.data,
       pooled.stride, weights_.data(), masks_.data(), has_product() ? product_terms_.data() : nullptr},
      range.begin, range.end);
}

template <class T>
void AttentionUnit<T>::add_product_terms(const Lookups& history, const kernels::TableRows<T>& table, RowRange range,
                                         Strided<const T> targets) {
  const std::size_t first = history.offsets[range.begin], count = history.offsets[range.end] - first;
  if (count == 0) return;
  kernels::multiply_by_targets<T>({shape_, history.view(), table, targets.data, targets.stride, products_.data()},
                                  range.begin, range.end);
  multiply({count, shape_.hidden, shape_.width}, {products_.data() + first * shape_.width, shape_.width},
           {product_weights_.values(), shape_.width, true},
           Product<T>{product_terms_.data() + first * shape_.hidden, shape_.hidden});
}

template <class T>
kernels::AttentionBackward<T> AttentionUnit<T>::row_pass(const Lookups& history, const kernels::TableRows<T>& table,
                                                         Strided<const T> pooled_gradients) {
  return {shape_,
          history.view(),
          table,
          pooled_gradients.data,
          pooled_gradients.stride,
          weights_.data(),
          masks_.data(),
          score_gradients_.data(),
          query_gradients_.data()};
}

template <class T>
void AttentionUnit<T>::backward(const Backward& pass, RowRange range, std::size_t block) {
  const std::size_t hidden = shape_.hidden;
  kernels::attend_backward<T>(row_pass(pass.history, pass.table, pass.pooled_gradients), range.begin, range.end);
  T* signs = query_gradients_.data() + range.begin * hidden;
  const Block<T> gradients{signs, range.size(), hidden, hidden};
  const Block<const T> read_signs{signs, range.size(), hidden, hidden};
  // d/dv from the query's share of x_j; the table rows' share comes in backward_rows.
  T* partial = block_partials_.data() + block * block_partial_size();
  kernels::column_dots<T>(read_signs, {queries_.data() + range.begin * hidden, range.size(), hidden, hidden}, partial);
  if (has_product()) product_backward(pass, range, partial);
  T bias_gradient = 0;
  for (std::size_t j = pass.history.offsets[range.begin]; j < pass.history.offsets[range.end]; ++j) {
    bias_gradient += score_gradients_[j];
  }
  partial[hidden] = shape_.softmax ? 0 : bias_gradient;  // exactly: Adam would make steps of what rounding leaves
  kernels::scale_columns<T>(read_signs, output_weights_.values(), gradients);  // now d/d query
  multiply({range.size(), shape_.width, hidden}, {signs, hidden}, {query_weights_.values(), shape_.width},
           Product<T>{pass.target_gradients.row(range.begin), pass.target_gradients.stride, 1});
}

// Of a block of samples: d/d W_p (a partial sum), the share of d/d v and of the targets, and what backward_rows() adds
// to the table rows of each history item.
template <class T>
void AttentionUnit<T>::product_backward(const Backward& pass, RowRange range, T* partial) {
  const std::size_t hidden = shape_.hidden, width = shape_.width;
  const std::size_t first = pass.history.offsets[range.begin], last = pass.history.offsets[range.end];
  T* weight_partial = partial + hidden + 1;
  if (first == last) {
    std::fill_n(weight_partial, hidden * width, T{0});
    return;
  }
  kernels::hidden_terms_backward<T>(row_pass(pass.history, pass.table, pass.pooled_gradients),
                                    {output_weights_.values(), product_terms_.data(), partial}, first, last);
  const T* term_gradients = product_terms_.data() + first * hidden;
  T* products = products_.data() + first * width;
  multiply({hidden, width, last - first}, {term_gradients, hidden, true}, {products, width},
           Product<T>{weight_partial, width});
  multiply({last - first, width, hidden}, {term_gradients, hidden}, {product_weights_.values(), width},
           Product<T>{products, width});
  kernels::multiply_by_targets_backward<T>(
      {shape_, pass.history.view(), pass.table, pass.targets.data, pass.targets.stride, products_.data(),
       pass.target_gradients.data, pass.target_gradients.stride},
      range.begin, range.end);
}

template <class T>
void AttentionUnit<T>::backward_rows(const RowBackward& pass, RowRange range, std::size_t chunk) {
  const std::size_t hidden = shape_.hidden;
  const std::size_t stride = shape_.row_size();
  const auto attention = row_pass(pass.history, pass.table, pass.pooled_gradients);
  kernels::gather_row_gradients<T>(attention, pass.history.by_row(), pass.gradients, range.begin, range.end);
  if (has_product()) {
    kernels::add_lookup_gradients<T>({shape_, products_.data(), shape_.width, nullptr, pass.history.by_row()},
                                     pass.gradients, range.begin, range.end);
  }
  if (pass.targets != nullptr) {
    kernels::add_lookup_gradients<T>({shape_, pass.target_gradients.data, pass.target_gradients.stride,
                                      pass.targets->samples.data(), pass.targets->by_row()},
                                     pass.gradients, range.begin, range.end);
  }
  const T* rows = pass.table.at(range.begin, stride);
  T* gradients = pass.gradients;
  T* partial = chunk_partials_.data() + chunk * (hidden + hidden * shape_.width);
  kernels::column_dots<T>({gradients, range.size(), hidden, stride}, {rows, range.size(), hidden, stride}, partial);
  kernels::scale_columns<T>({gradients, range.size(), hidden, stride}, output_weights_.values(),
                            {gradients, range.size(), hidden, stride});  // now d/d projected
  multiply({hidden, shape_.width, range.size()}, {gradients, stride, true}, {rows + hidden, stride},
           Product<T>{partial + hidden, shape_.width});
  multiply({range.size(), shape_.width, hidden}, {gradients, stride}, {item_weights_.values(), shape_.width},
           Product<T>{gradients + hidden, stride, 1});
}

template <class T>
void AttentionUnit<T>::query_weight_gradients(std::size_t batch, Strided<const T> targets) {
  multiply({shape_.hidden, shape_.width, batch}, {query_gradients_.data(), shape_.hidden, true},
           {targets.data, targets.stride}, Product<T>{query_weights_.gradients(), shape_.width});
  kernels::column_sums<T>({query_gradients_.data(), batch, shape_.hidden, shape_.hidden}, hidden_bias_.gradients());
}

template <class T>
void AttentionUnit<T>::reserve_partials(std::size_t num_blocks, std::size_t num_chunks) {
  block_partials_.resize(num_blocks * block_partial_size());
  chunk_partials_.resize(num_chunks * (shape_.hidden + shape_.hidden * shape_.width));
}

template <class T>
void AttentionUnit<T>::sum_partials(std::size_t num_blocks, std::size_t num_chunks) {
  const std::size_t hidden = shape_.hidden;
  const std::size_t block_size = block_partial_size();
  const std::size_t chunk_size = hidden + hidden * shape_.width;
  std::vector<T> from_blocks(block_size), from_chunks(chunk_size);
  kernels::column_sums<T>({block_partials_.data(), num_blocks, block_size, block_size}, from_blocks.data());
  kernels::column_sums<T>({chunk_partials_.data(), num_chunks, chunk_size, chunk_size}, from_chunks.data());
  for (std::size_t c = 0; c < hidden; ++c) output_weights_.gradients()[c] = from_blocks[c] + from_chunks[c];
  output_bias_.gradients()[0] = from_blocks[hidden];
  std::copy(from_blocks.begin() + static_cast<std::ptrdiff_t>(hidden) + 1, from_blocks.end(),
            product_weights_.gradients());
  std::copy(from_chunks.begin() + static_cast<std::ptrdiff_t>(hidden), from_chunks.end(), item_weights_.gradients());
}

template <class T>
void AttentionUnit<T>::update(const kernels::AdamStep<T>& step) {
  for (Parameter<T>* parameter : all_parameters()) parameter->update(step);
  parameters_changed();
}

template <class T>
void AttentionUnit<T>::collect(std::vector<ParameterView<T>>& views) {
  for (Parameter<T>* parameter : all_parameters()) {
    if (parameter->rows() != 0) views.push_back(parameter->view());
  }
}

template class AttentionUnit<float>;
template class AttentionUnit<double>;

}  // namespace neume::nn
