#pragma once
// Beam search over layers of codes: the bookkeeping that all codecs share.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quantize/codec.hpp"

namespace neume::quantize {

/// The partial IDs of one row, best first.
class Beam {
 public:
  explicit Beam(std::size_t width, std::size_t num_layers) : width_(width), num_layers_(num_layers) {}

  /// One empty ID of cost 0.
  void start();

  /// Offers code `code` after partial ID `partial`. Offers come in the order of (partial, code).
  void offer(std::size_t partial, std::size_t code, double cost) {
    offers_.push_back({cost, static_cast<std::uint32_t>(partial), static_cast<Code>(code)});
  }

  /// Keeps the cheapest offers, at most `width`; among equal costs the earlier offer. Returns for each kept partial ID
  /// the one that it continues.
  std::vector<std::uint32_t> keep();

  std::size_t size() const { return costs_.size(); }
  double cost(std::size_t partial) const { return costs_[partial]; }
  /// The codes of a partial ID so far.
  const Code* codes(std::size_t partial) const { return codes_.data() + partial * num_layers_; }

  /// Copies the IDs and their costs to row `row` of the result.
  void write(std::size_t row, const SearchResult& out) const;

 private:
  struct Offer {
    double cost;
    std::uint32_t partial;
    Code code;
  };

  std::size_t width_;
  std::size_t num_layers_;
  std::size_t depth_ = 0;
  std::vector<double> costs_;
  std::vector<Code> codes_;
  std::vector<Offer> offers_;
};

}  // namespace neume::quantize
