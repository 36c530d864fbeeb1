// Highway version for every instruction set.

#include "kernels/embedding_rows.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/embedding_rows.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace neume::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kAhead = 8;       // rows
constexpr std::size_t kCacheLine = 64;  // bytes

template <class T>
HWY_INLINE void ask_for(const EmbeddingRows<T>& rows, std::size_t i, std::size_t parts) {
  if (i >= rows.count) return;
  const T* row = rows.table + rows.rows[i] * 3 * rows.width;
  for (std::size_t c = 0; c < parts * rows.width; c += kCacheLine / sizeof(T)) hwy::Prefetch(row + c);
}

template <class T>
void copy_any(const EmbeddingRows<T>& from, T* out, std::size_t stride) {
  const hn::ScalableTag<T> d;
  for (std::size_t i = 0; i < from.count; ++i) {
    ask_for(from, i + kAhead, 1);
    const T* HWY_RESTRICT row = from.table + from.rows[i] * 3 * from.width;
    T* HWY_RESTRICT to = out + i * stride;
    for (std::size_t c = 0; c < from.width; c += hn::Lanes(d)) hn::Store(hn::Load(d, row + c), d, to + c);
  }
}

template <class T>
void adam_any(const AdamStep<T>& step, const EmbeddingRows<T>& rows, const T* gradients, std::size_t stride) {
  const hn::ScalableTag<T> d;
  const auto beta1 = hn::Set(d, step.beta1), one_minus_beta1 = hn::Set(d, 1 - step.beta1);
  const auto beta2 = hn::Set(d, step.beta2), one_minus_beta2 = hn::Set(d, 1 - step.beta2);
  const auto correction = hn::Set(d, step.second_correction), epsilon = hn::Set(d, step.epsilon);
  const auto rate = hn::Set(d, step.rate);
  const std::size_t width = rows.width;
  for (std::size_t i = 0; i < rows.count; ++i) {
    ask_for(rows, i + kAhead, 3);
    T* HWY_RESTRICT value = rows.table + rows.rows[i] * 3 * width;
    T* HWY_RESTRICT first = value + width;
    T* HWY_RESTRICT second = first + width;
    const T* HWY_RESTRICT gradient = gradients + i * stride;
    for (std::size_t c = 0; c < width; c += hn::Lanes(d)) {
      const auto g = hn::Load(d, gradient + c);
      const auto m = hn::MulAdd(beta1, hn::Load(d, first + c), hn::Mul(one_minus_beta1, g));
      const auto v = hn::MulAdd(beta2, hn::Load(d, second + c), hn::Mul(one_minus_beta2, hn::Mul(g, g)));
      const auto scale = hn::MulAdd(hn::Sqrt(v), correction, epsilon);
      hn::Store(m, d, first + c);
      hn::Store(v, d, second + c);
      hn::Store(hn::NegMulAdd(rate, hn::Div(m, scale), hn::Load(d, value + c)), d, value + c);
    }
  }
}

// Highway's dispatch tables hold plain functions: one name a type.
void copy_f32(const EmbeddingRows<float>& from, float* out, std::size_t stride) {
  copy_any(from, out, stride);
}
void copy_f64(const EmbeddingRows<double>& from, double* out, std::size_t stride) {
  copy_any(from, out, stride);
}
void adam_rows_f32(const AdamStep<float>& s, const EmbeddingRows<float>& r, const float* g, std::size_t stride) {
  adam_any(s, r, g, stride);
}
void adam_rows_f64(const AdamStep<double>& s, const EmbeddingRows<double>& r, const double* g, std::size_t stride) {
  adam_any(s, r, g, stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace neume::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace neume::kernels {

HWY_EXPORT(copy_f32);
HWY_EXPORT(copy_f64);
HWY_EXPORT(adam_rows_f32);
HWY_EXPORT(adam_rows_f64);

template <>
void copy_embeddings(const EmbeddingRows<float>& from, float* out, std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(copy_f32)(from, out, stride);
}
template <>
void copy_embeddings(const EmbeddingRows<double>& from, double* out, std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(copy_f64)(from, out, stride);
}
template <>
void adam_update_embeddings(const AdamStep<float>& step, const EmbeddingRows<float>& rows, const float* gradients,
                            std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(adam_rows_f32)(step, rows, gradients, stride);
}
template <>
void adam_update_embeddings(const AdamStep<double>& step, const EmbeddingRows<double>& rows, const double* gradients,
                            std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(adam_rows_f64)(step, rows, gradients, stride);
}

}  // namespace neume::kernels
#endif
