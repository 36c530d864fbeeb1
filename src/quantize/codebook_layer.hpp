#pragma once
// The codewords of one layer of a residual quantizer, and what turns the search for the nearest one into a product.

#include <cstddef>
#include <vector>

#include <neume/matrix.hpp>

#include "kernels/int8_products.hpp"

namespace neume {

/// One layer's codewords, and what makes an assignment to them one matrix product (mission: "exact algebra" 1): the
/// distance of a row with residual r and earlier codes c_m to code j is, but for a term that does not depend on j,
/// bias[j] - 2 r . residual[j] - 2 sum over m of tables[m][c_m][j]. In a balanced layer price[j] comes on top.
struct CodebookLayer {
  Matrix residual;             ///< k x d
  Matrix prefix;               ///< k x d, not scaled by lambda; empty in layer 0 and where lambda is 0
  std::vector<float> bias;     ///< k: |residual[j]|^2 + lambda^2 |prefix[j]|^2
  std::vector<Matrix> tables;  ///< one for each earlier layer m: k_m x k, lambda^2 * residual_m[i] . prefix[j]
  std::vector<double> price;   ///< k, or empty: added to the squared distance, so that no cluster is over-full

  std::vector<double> prefix_norms;  ///< k: lambda^2 |prefix[j]|^2; empty without a prefix half
  float largest_bias = 0.0f;         ///< of all codewords
  float largest_table = 0.0f;        ///< sum over the tables of the largest size of an entry
  kernels::Int8Codewords filter;     ///< the residual halves in eight bits, where that is faster; else empty

  std::size_t size() const { return residual.rows(); }
};

/// A price as a codebook file keeps it, in two floats (48 bits): a loaded codebook compares the same numbers.
struct StoredPrice {
  float high;  ///< nearest float
  float low;   ///< nearest float to what is left

  static StoredPrice of(double price) {
    const float high = static_cast<float>(price);
    return {high, static_cast<float>(price - double{high})};
  }
  double value() const { return double{high} + double{low}; }
};

}  // namespace neume
