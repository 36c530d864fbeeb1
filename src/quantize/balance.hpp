#pragma once
// Balanced k-means: clusters of (nearly) equal size, by prices. A code's price is added to the squared distance of
// every row, so a popular code repels the rows that would lose least elsewhere. The rule "nearest after prices" needs
// no list of who is where: new items are encoded by it as the fitted ones were.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quantize/kmeans.hpp"

namespace neume::quantize {

/// As fit_kmeans, but with prices in the codebook such that no cluster holds more than ceil(N / k) rows of the problem
/// (more only where so many rows are equal that no rule can tell them apart). The problem has no prefix. Same bytes for
/// any number of threads.
KMeansFit fit_balanced_kmeans(const KMeansProblem& problem, const KMeansOptions& options,
                              const IterationFn& on_iteration = {});

}  // namespace neume::quantize
