#include "rank/divergence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace neume::rank {

namespace {

using View = nn::ParameterView<float>;

/// The first number that is not finite; tables without gradients have none.
std::optional<float> first_bad(const View& view, const nn::Strided<float>& part) {
  if (part.data == nullptr) return std::nullopt;
  for (std::size_t row = 0; row < view.rows; ++row) {
    for (std::size_t col = 0; col < view.cols; ++col) {
      if (!std::isfinite(part.row(row)[col])) return part.row(row)[col];
    }
  }
  return std::nullopt;
}

std::optional<std::string> describe(const std::vector<View>& parameters, nn::Strided<float> View::*part,
                                    const char* name) {
  std::string first;
  std::size_t bad_tensors = 0;
  for (const View& view : parameters) {
    const std::optional<float> bad = first_bad(view, view.*part);
    if (!bad) continue;
    if (bad_tensors++ == 0) first = fmt::format("{}: {} is {}", view.name, name, std::isnan(*bad) ? "nan" : "infinite");
  }
  if (bad_tensors == 0) return std::nullopt;
  return fmt::format("{} (so in {} of {} tensors)", first, bad_tensors, parameters.size());
}

/// Largest size of a gradient of the tensor; 0 where it has none.
float largest(const View& view) {
  float result = 0.0f;
  if (view.gradients.data == nullptr) return result;
  for (std::size_t row = 0; row < view.rows; ++row) {
    for (std::size_t col = 0; col < view.cols; ++col) {
      result = std::max(result, std::abs(view.gradients.row(row)[col]));
    }
  }
  return result;
}

}  // namespace

std::optional<std::string> describe_largest_gradient(const std::vector<View>& parameters) {
  const View* found = nullptr;
  float size = 0.0f;
  for (const View& view : parameters) {
    const float here = largest(view);
    if (!(here > size)) continue;
    size = here;
    found = &view;
  }
  if (found == nullptr) return std::nullopt;
  return fmt::format("{}: gradient of {:.1e}, the largest", found->name, size);
}

std::optional<std::string> describe_divergence(const std::vector<View>& parameters) {
  const std::optional<std::string> gradient = describe(parameters, &View::gradients, "gradient");
  return gradient ? gradient : describe(parameters, &View::values, "value");
}

}  // namespace neume::rank
