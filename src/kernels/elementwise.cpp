// Highway version for every instruction set. Tails are handled by shorter vectors, so any width is allowed.

#include "kernels/elementwise.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace neume::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls body(tag, i) over [0, n): full vectors first, then single lanes.
template <class T, class Body>
HWY_INLINE void for_vectors(std::size_t n, const Body& body) {
  const hn::ScalableTag<T> d;
  std::size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) body(d, i);
  const hn::CappedTag<T, 1> one;
  for (; i < n; ++i) body(one, i);
}

template <class T>
struct AddBias {
  T* x;
  const T* bias;
  template <class D>
  HWY_INLINE void operator()(D d, std::size_t i) const {
    hn::StoreU(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, bias + i)), d, x + i);
  }
};

template <class T>
struct AddBiasRelu {
  T* x;
  const T* bias;
  template <class D>
  HWY_INLINE void operator()(D d, std::size_t i) const {
    hn::StoreU(hn::Max(hn::Add(hn::LoadU(d, x + i), hn::LoadU(d, bias + i)), hn::Zero(d)), d, x + i);
  }
};

template <class T>
struct ReluBackward {
  T* gradient;
  const T* output;
  template <class D>
  HWY_INLINE void operator()(D d, std::size_t i) const {
    const auto alive = hn::Gt(hn::LoadU(d, output + i), hn::Zero(d));
    hn::StoreU(hn::IfThenElseZero(alive, hn::LoadU(d, gradient + i)), d, gradient + i);
  }
};

template <class T>
struct Accumulate {
  const T* x;
  T* sums;
  template <class D>
  HWY_INLINE void operator()(D d, std::size_t i) const {
    hn::StoreU(hn::Add(hn::LoadU(d, sums + i), hn::LoadU(d, x + i)), d, sums + i);
  }
};

template <class T>
struct AccumulateProduct {
  const T* x;
  const T* y;
  T* sums;
  template <class D>
  HWY_INLINE void operator()(D d, std::size_t i) const {
    hn::StoreU(hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), hn::LoadU(d, sums + i)), d, sums + i);
  }
};

template <class T>
struct Multiply {
  const T* x;
  const T* y;
  T* out;
  template <class D>
  HWY_INLINE void operator()(D d, std::size_t i) const {
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, out + i);
  }
};

template <class T>
struct Adam {
  const AdamStep<T>& step;
  const AdamArrays<T>& arrays;
  template <class D>
  HWY_INLINE void operator()(D d, std::size_t i) const {
    const auto g = hn::LoadU(d, arrays.gradients + i);
    const auto m = hn::MulAdd(hn::Set(d, step.beta1), hn::LoadU(d, arrays.first_moments + i),
                              hn::Mul(hn::Set(d, 1 - step.beta1), g));
    const auto v = hn::MulAdd(hn::Set(d, step.beta2), hn::LoadU(d, arrays.second_moments + i),
                              hn::Mul(hn::Set(d, 1 - step.beta2), hn::Mul(g, g)));
    const auto denominator = hn::MulAdd(hn::Sqrt(v), hn::Set(d, step.second_correction), hn::Set(d, step.epsilon));
    const auto p = hn::LoadU(d, arrays.parameters + i);
    hn::StoreU(m, d, arrays.first_moments + i);
    hn::StoreU(v, d, arrays.second_moments + i);
    hn::StoreU(hn::NegMulAdd(hn::Set(d, step.rate), hn::Div(m, denominator), p), d, arrays.parameters + i);
  }
};

template <class T>
void add_bias_any(Block<T> x, const T* bias) {
  for (std::size_t r = 0; r < x.rows; ++r) for_vectors<T>(x.cols, AddBias<T>{x.data + r * x.stride, bias});
}
template <class T>
void add_bias_relu_any(Block<T> x, const T* bias) {
  for (std::size_t r = 0; r < x.rows; ++r) for_vectors<T>(x.cols, AddBiasRelu<T>{x.data + r * x.stride, bias});
}
template <class T>
void relu_backward_any(Block<T> g, const T* output) {
  for (std::size_t r = 0; r < g.rows; ++r) {
    for_vectors<T>(g.cols, ReluBackward<T>{g.data + r * g.stride, output + r * g.stride});
  }
}
template <class T>
void column_sums_any(Block<const T> x, T* sums) {
  for (std::size_t c = 0; c < x.cols; ++c) sums[c] = 0;
  for (std::size_t r = 0; r < x.rows; ++r) for_vectors<T>(x.cols, Accumulate<T>{x.data + r * x.stride, sums});
}
template <class T>
void column_dots_any(Block<const T> x, Block<const T> y, T* out) {
  for (std::size_t c = 0; c < x.cols; ++c) out[c] = 0;
  for (std::size_t r = 0; r < x.rows; ++r) {
    for_vectors<T>(x.cols, AccumulateProduct<T>{x.data + r * x.stride, y.data + r * y.stride, out});
  }
}
template <class T>
void scale_columns_any(Block<const T> x, const T* factors, Block<T> out) {
  for (std::size_t r = 0; r < x.rows; ++r) {
    for_vectors<T>(x.cols, Multiply<T>{x.data + r * x.stride, factors, out.data + r * out.stride});
  }
}
template <class T>
void adam_any(const AdamStep<T>& step, const AdamArrays<T>& arrays) {
  for_vectors<T>(arrays.size, Adam<T>{step, arrays});
}

// Highway's dispatch tables hold plain functions: one name a type.
void add_bias_f32(Block<float> x, const float* b) {
  add_bias_any(x, b);
}
void add_bias_f64(Block<double> x, const double* b) {
  add_bias_any(x, b);
}
void add_bias_relu_f32(Block<float> x, const float* b) {
  add_bias_relu_any(x, b);
}
void add_bias_relu_f64(Block<double> x, const double* b) {
  add_bias_relu_any(x, b);
}
void relu_backward_f32(Block<float> g, const float* o) {
  relu_backward_any(g, o);
}
void relu_backward_f64(Block<double> g, const double* o) {
  relu_backward_any(g, o);
}
void column_sums_f32(Block<const float> x, float* s) {
  column_sums_any(x, s);
}
void column_sums_f64(Block<const double> x, double* s) {
  column_sums_any(x, s);
}
void column_dots_f32(Block<const float> x, Block<const float> y, float* o) {
  column_dots_any(x, y, o);
}
void column_dots_f64(Block<const double> x, Block<const double> y, double* o) {
  column_dots_any(x, y, o);
}
void scale_columns_f32(Block<const float> x, const float* f, Block<float> o) {
  scale_columns_any(x, f, o);
}
void scale_columns_f64(Block<const double> x, const double* f, Block<double> o) {
  scale_columns_any(x, f, o);
}
void adam_f32(const AdamStep<float>& s, const AdamArrays<float>& a) {
  adam_any(s, a);
}
void adam_f64(const AdamStep<double>& s, const AdamArrays<double>& a) {
  adam_any(s, a);
}

}  // namespace HWY_NAMESPACE
}  // namespace neume::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace neume::kernels {

HWY_EXPORT(add_bias_f32);
HWY_EXPORT(add_bias_f64);
HWY_EXPORT(add_bias_relu_f32);
HWY_EXPORT(add_bias_relu_f64);
HWY_EXPORT(relu_backward_f32);
HWY_EXPORT(relu_backward_f64);
HWY_EXPORT(column_sums_f32);
HWY_EXPORT(column_sums_f64);
HWY_EXPORT(column_dots_f32);
HWY_EXPORT(column_dots_f64);
HWY_EXPORT(scale_columns_f32);
HWY_EXPORT(scale_columns_f64);
HWY_EXPORT(adam_f32);
HWY_EXPORT(adam_f64);

template <>
void add_bias(Block<float> x, const float* bias) {
  HWY_DYNAMIC_DISPATCH(add_bias_f32)(x, bias);
}
template <>
void add_bias(Block<double> x, const double* bias) {
  HWY_DYNAMIC_DISPATCH(add_bias_f64)(x, bias);
}
template <>
void add_bias_relu(Block<float> x, const float* bias) {
  HWY_DYNAMIC_DISPATCH(add_bias_relu_f32)(x, bias);
}
template <>
void add_bias_relu(Block<double> x, const double* bias) {
  HWY_DYNAMIC_DISPATCH(add_bias_relu_f64)(x, bias);
}
template <>
void relu_backward(Block<float> gradient, const float* output) {
  HWY_DYNAMIC_DISPATCH(relu_backward_f32)(gradient, output);
}
template <>
void relu_backward(Block<double> gradient, const double* output) {
  HWY_DYNAMIC_DISPATCH(relu_backward_f64)(gradient, output);
}
template <>
void column_sums(Block<const float> x, float* sums) {
  HWY_DYNAMIC_DISPATCH(column_sums_f32)(x, sums);
}
template <>
void column_sums(Block<const double> x, double* sums) {
  HWY_DYNAMIC_DISPATCH(column_sums_f64)(x, sums);
}
template <>
void column_dots(Block<const float> x, Block<const float> y, float* out) {
  HWY_DYNAMIC_DISPATCH(column_dots_f32)(x, y, out);
}
template <>
void column_dots(Block<const double> x, Block<const double> y, double* out) {
  HWY_DYNAMIC_DISPATCH(column_dots_f64)(x, y, out);
}
template <>
void scale_columns(Block<const float> x, const float* factors, Block<float> out) {
  HWY_DYNAMIC_DISPATCH(scale_columns_f32)(x, factors, out);
}
template <>
void scale_columns(Block<const double> x, const double* factors, Block<double> out) {
  HWY_DYNAMIC_DISPATCH(scale_columns_f64)(x, factors, out);
}
template <>
void adam_update(const AdamStep<float>& step, const AdamArrays<float>& arrays) {
  HWY_DYNAMIC_DISPATCH(adam_f32)(step, arrays);
}
template <>
void adam_update(const AdamStep<double>& step, const AdamArrays<double>& arrays) {
  HWY_DYNAMIC_DISPATCH(adam_f64)(step, arrays);
}

}  // namespace neume::kernels
#endif
