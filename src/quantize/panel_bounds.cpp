#include "quantize/panel_bounds.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/argmin.hpp"
#include "kernels/shortlist.hpp"
#include "quantize/assignment.hpp"

namespace neume::quantize {

namespace {

using kernels::kCodeGroup;

constexpr std::size_t kFloatsABound = 4;  // of a row

std::size_t num_panels_of(std::size_t codes) {
  return (codes + kCodeGroup - 1) / kCodeGroup;
}

}  // namespace

PanelBounds::PanelBounds(std::size_t rows, std::size_t codes)
    : num_panels_(num_panels_of(codes)), bounds_(rows * num_panels_), drifts_(num_panels_) {}

std::size_t PanelBounds::per_row(std::size_t codes, std::size_t width) {
  const std::size_t panels = num_panels_of(codes);
  return panels * kFloatsABound <= width ? panels : 0;
}

void PanelBounds::forget() {
  std::fill(bounds_.begin(), bounds_.end(), 0.0f);
}

void PanelBounds::move_to(const CodebookLayer& codebook, std::span<const CodebookLayer> earlier, double prefix_weight) {
  const bool has_prefix = !codebook.prefix.empty();
  std::fill(drifts_.begin(), drifts_.end(), 0.0f);
  for (std::size_t j = 0; j < codebook.size() && !residual_.empty(); ++j) {
    double squares = kernels::exact_distance(codebook.residual.row(j), residual_.row(j));
    if (has_prefix)
      squares += prefix_weight * prefix_weight * kernels::exact_distance(codebook.prefix.row(j), prefix_.row(j));
    float& drift = drifts_[j / kCodeGroup];
    drift = std::max(drift, kRoundUp * static_cast<float>(std::sqrt(squares)));
  }
  residual_ = codebook.residual.clone();
  prefix_ = codebook.prefix.clone();
  double lengths = 0.0;  // of the longest prefix, at most
  for (const CodebookLayer& layer : earlier) lengths += std::sqrt(double{layer.largest_bias});
  const double product = prefix_weight * lengths * std::sqrt(double{codebook.largest_bias});
  prefix_rounding_ = has_prefix ? 2.0 * product_rounding(residual_.cols()) * product : 0.0;
}

}  // namespace neume::quantize
