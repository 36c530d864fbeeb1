#pragma once
// The quantizers that a sweep tries.

#include <cstddef>
#include <string>
#include <vector>

namespace neume::app {

/// Every method with every k and every L, psrq also with every prefix weight.
struct SweepGrid {
  std::vector<std::string> methods = {"psrq"};
  std::vector<double> prefix_weights = {0, 0.25, 0.5, 0.75, 1};
  std::vector<std::size_t> codes = {64};
  std::vector<std::size_t> layers = {3};

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.texts("methods", methods, "any of psrq, rq, vq, pq, opq, rqvae, balanced-rq, balanced-vq");
    visit.list("prefix-weights", prefix_weights, {0, 1000}, "prefix weights of psrq; 0 is rq, 1 the paper");
    visit.list("codes", codes, {1, 65535}, "codes per layer k, each tried");
    visit.list("layers", layers, {1, 16}, "numbers of layers L, each tried");
  }
};

}  // namespace neume::app
