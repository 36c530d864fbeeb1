#pragma once
// Products that never use a thread of their own, wherever they are called from: oneDNN would start threads for a call
// outside a parallel region, and then an element might be summed in another order than inside one.

#include "kernels/matmul.hpp"

namespace neume::quantize {

/// kernels::matmul on the calling thread alone.
void product(const kernels::MatmulShape& shape, kernels::Factor<float> a, kernels::Factor<float> b,
             kernels::Product<float> c);

}  // namespace neume::quantize
