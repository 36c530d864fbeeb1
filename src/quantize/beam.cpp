#include "quantize/beam.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace neume::quantize {

void Beam::start() {
  depth_ = 0;
  costs_.assign(1, 0.0);
  codes_.assign(num_layers_, kNoCode);
  offers_.clear();
}

std::vector<std::uint32_t> Beam::keep() {
  const std::size_t kept = std::min(width_, offers_.size());
  std::partial_sort(offers_.begin(), offers_.begin() + static_cast<std::ptrdiff_t>(kept), offers_.end(),
                    [](const Offer& a, const Offer& b) {
                      return std::tie(a.cost, a.partial, a.code) < std::tie(b.cost, b.partial, b.code);
                    });
  std::vector<Code> codes(kept * num_layers_, kNoCode);
  std::vector<std::uint32_t> origins(kept);
  costs_.resize(kept);
  for (std::size_t i = 0; i < kept; ++i) {
    const Offer& offer = offers_[i];
    std::copy_n(codes_.data() + offer.partial * num_layers_, depth_, codes.data() + i * num_layers_);
    codes[i * num_layers_ + depth_] = offer.code;
    costs_[i] = offer.cost;
    origins[i] = offer.partial;
  }
  codes_ = std::move(codes);
  offers_.clear();
  ++depth_;
  return origins;
}

void Beam::write(std::size_t row, const SearchResult& out) const {
  Code* codes = out.codes + row * out.beam * num_layers_;
  double* costs = out.costs + row * out.beam;
  std::fill_n(codes, out.beam * num_layers_, kNoCode);
  std::fill_n(costs, out.beam, std::numeric_limits<double>::infinity());
  std::copy(codes_.begin(), codes_.end(), codes);
  std::copy(costs_.begin(), costs_.end(), costs);
}

}  // namespace neume::quantize
