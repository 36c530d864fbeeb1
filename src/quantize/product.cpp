#include "quantize/product.hpp"

#include <omp.h>

namespace neume::quantize {

namespace {

/// Limits parallel regions that this thread would open to one thread. The setting belongs to the calling thread, so
/// others are not disturbed.
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

void product(const kernels::MatmulShape& shape, kernels::Factor<float> a, kernels::Factor<float> b,
             kernels::Product<float> c) {
  const OneThread alone;
  kernels::matmul(shape, a, b, c);
}

}  // namespace neume::quantize
