#pragma once
// Where a training that diverged holds numbers that are none.

#include <optional>
#include <string>
#include <vector>

#include "nn/parameter.hpp"

namespace neume::rank {

/// What is wrong with the first tensor, in the order of `parameters`, that has a gradient which is not finite, as
/// "mlp.0.weight: gradient is nan", and how many of the tensors have one; where no gradient is, the same of values.
/// Nothing where all are finite.
std::optional<std::string> describe_divergence(const std::vector<nn::ParameterView<float>>& parameters);

/// The tensor with the gradient of the largest size, as "mlp.0.weight: gradient of 3.2e+30, the largest": what to look
/// at where a loss overflows before any gradient does. Nothing where all gradients are 0.
std::optional<std::string> describe_largest_gradient(const std::vector<nn::ParameterView<float>>& parameters);

}  // namespace neume::rank
