#pragma once
// Element-wise passes of training: bias and relu, their backward, column sums, Adam.

#include <cstddef>

namespace neume::kernels {

/// A block of a row-major matrix.
template <class T>
struct Block {
  T* data;
  std::size_t rows;
  std::size_t cols;
  std::size_t stride;
};

/// x = x + bias (one value a column).
template <class T>
void add_bias(Block<T> x, const T* bias);

/// x = max(x + bias, 0).
template <class T>
void add_bias_relu(Block<T> x, const T* bias);

/// gradient = output > 0 ? gradient : 0, where `output` is what add_bias_relu left; same shape and stride.
template <class T>
void relu_backward(Block<T> gradient, const T* output);

/// sums[c] = sum over rows of x(r, c), rows in order.
template <class T>
void column_sums(Block<const T> x, T* sums);

/// out[c] = sum over rows of x(r, c) * y(r, c); same shape, own strides.
template <class T>
void column_dots(Block<const T> x, Block<const T> y, T* out);

/// out(r, c) = x(r, c) * factors[c].
template <class T>
void scale_columns(Block<const T> x, const T* factors, Block<T> out);

/// One Adam step in the form of Kingma & Ba 2015, section 2's efficient order: `rate` = lr / (1 - beta1^t) and
/// `second_correction` = 1 / sqrt(1 - beta2^t) carry the bias corrections.
template <class T>
struct AdamStep {
  T rate;
  T second_correction;
  T beta1;
  T beta2;
  T epsilon;
};

/// m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  p -= rate * m / (sqrt(v) * second_correction +
/// epsilon).
template <class T>
struct AdamArrays {
  T* parameters;
  T* first_moments;
  T* second_moments;
  const T* gradients;
  std::size_t size;
};
template <class T>
void adam_update(const AdamStep<T>& step, const AdamArrays<T>& arrays);

}  // namespace neume::kernels
