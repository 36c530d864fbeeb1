#pragma once
// Mean binary cross-entropy on logits.

#include <cmath>
#include <cstddef>

namespace neume::nn {

/// log(1 + exp(-z)) for y = 1, log(1 + exp(z)) for y = 0, without overflow.
template <class T>
T binary_cross_entropy(T logit, T label) {
  return std::max(logit, T{0}) - logit * label + std::log1p(std::exp(-std::abs(logit)));
}

template <class T>
T sigmoid(T logit) {
  return logit >= 0 ? 1 / (1 + std::exp(-logit)) : std::exp(logit) / (1 + std::exp(logit));
}

/// d (mean of binary_cross_entropy over a batch) / d logit of one sample = (sigmoid(z) - y) / batch.
template <class T>
T binary_cross_entropy_gradient(T logit, T label, std::size_t batch) {
  return (sigmoid(logit) - label) / static_cast<T>(batch);
}

}  // namespace neume::nn
