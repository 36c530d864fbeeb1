#pragma once
// Dense products of row-major matrices. The float version is oneDNN's sgemm, always on the calling thread alone, meant
// for cache-sized blocks inside a parallel region; the double version is a plain loop for gradient checks.
//
// Callers that promise the same bytes for any number of threads keep the shapes of their calls fixed: an element of the
// result then depends on its row of A and its column of B alone (tests/kernels/matmul_test.cpp).

#include <cstddef>
#include <type_traits>

namespace neume::kernels {

/// C is m x n; the summed dimension is k.
struct MatmulShape {
  std::size_t m;
  std::size_t n;
  std::size_t k;
};

/// A factor: its first element, the distance of its rows as stored, and whether it is used transposed.
template <class T>
struct Factor {
  const T* data;
  std::size_t stride;
  bool transposed = false;
};

/// The result: first element, distance of rows, and what to do with the old content (C = A B + beta C).
template <class T>
struct Product {
  T* data;
  std::size_t stride;
  T beta = 0;
};

/// C = op(A) op(B) + beta C with op(A) m x k and op(B) k x n. Throws InternalError where the library refuses.
void matmul(const MatmulShape& shape, Factor<float> a, Factor<float> b, Product<float> c);
void matmul(const MatmulShape& shape, Factor<double> a, Factor<double> b, Product<double> c);

/// Whether this CPU has products of bf16 pairs and instruction_limit() is not avx2. The limit avx512 leaves them: only
/// who asks for them by name (--precision bf16) gets them.
bool has_bf16_products();

/// The same with both factors rounded to bf16 (to nearest, ties to even) and sums in f32; beta is 0 or 1. Throws
/// InternalError where has_bf16_products() is false.
void matmul_bf16(const MatmulShape& shape, Factor<float> a, Factor<float> b, Product<float> c);

/// How the products of a network are taken. bf16 is for T = float alone, and for products of at least 16 columns and
/// terms: smaller ones stay in f32.
enum class Arithmetic { f32, bf16 };

template <class T>
void matmul(const MatmulShape& shape, Factor<T> a, Factor<T> b, Product<T> c, Arithmetic arithmetic) {
  if constexpr (std::is_same_v<T, float>) {
    constexpr std::size_t kLeast = 16;
    if (arithmetic == Arithmetic::bf16 && shape.n >= kLeast && shape.k >= kLeast) return matmul_bf16(shape, a, b, c);
  }
  matmul(shape, a, b, c);
}

}  // namespace neume::kernels
