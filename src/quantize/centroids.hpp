#pragma once
// The vectors that codes stand for.

#include <vector>

#include <neume/matrix.hpp>
#include <neume/quantizer.hpp>

namespace neume::quantize {

/// The centroids of every layer, k x d, row c that of code c: what the code adds to the approximation of a mapped row
/// (<neume/quantizer.hpp>), so the residual half of psrq's. Throws InvalidArgument for pq, opq and rqvae, whose codes
/// stand for vectors of other spaces (sub-vectors, latent vectors).
std::vector<Matrix> centroids_of(const Quantizer& quantizer);

}  // namespace neume::quantize
