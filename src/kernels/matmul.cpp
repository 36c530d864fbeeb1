#include "kernels/matmul.hpp"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <neume/error.hpp>

namespace neume::kernels {

namespace {

/// Limits parallel regions that this thread would open to one thread: oneDNN starts threads for a call outside a
/// parallel region, and then an element might be summed in another order than inside one. The setting belongs to the
/// calling thread, so others are not disturbed.
class OneThread {
 public:
  OneThread() : previous_(omp_get_max_threads()) {
    if (previous_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (previous_ != 1) omp_set_num_threads(previous_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int previous_;
};

}  // namespace

void matmul(const MatmulShape& shape, Factor<float> a, Factor<float> b, Product<float> c) {
  if (shape.m == 0 || shape.n == 0) return;
  const OneThread alone;
  const auto dim = [](std::size_t x) { return static_cast<dnnl_dim_t>(x); };
  const auto status =
      dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', dim(shape.m), dim(shape.n), dim(shape.k), 1.0f,
                 a.data, dim(a.stride), b.data, dim(b.stride), c.beta, c.data, dim(c.stride));
  if (status != dnnl_success) throw InternalError("dnnl_sgemm refused its arguments");
}

void matmul(const MatmulShape& shape, Factor<double> a, Factor<double> b, Product<double> c) {
  const auto at = [](const Factor<double>& f, std::size_t row, std::size_t col) {
    return f.transposed ? f.data[col * f.stride + row] : f.data[row * f.stride + col];
  };
  for (std::size_t i = 0; i < shape.m; ++i) {
    for (std::size_t j = 0; j < shape.n; ++j) {
      double sum = c.beta == 0.0 ? 0.0 : c.beta * c.data[i * c.stride + j];
      for (std::size_t p = 0; p < shape.k; ++p) sum += at(a, i, p) * at(b, p, j);
      c.data[i * c.stride + j] = sum;
    }
  }
}

}  // namespace neume::kernels
