#pragma once
// Dense products of row-major matrices. The float version is oneDNN's sgemm, always on the calling thread alone, meant
// for cache-sized blocks inside a parallel region; the double version is a plain loop for gradient checks.
//
// Callers that promise the same bytes for any number of threads keep the shapes of their calls fixed: an element of the
// result then depends on its row of A and its column of B alone (tests/kernels/matmul_test.cpp).

#include <cstddef>

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

}  // namespace neume::kernels
