#include "quantize/fit_memory.hpp"

#include <algorithm>
#include <vector>

#include "quantize/panel_bounds.hpp"
#include "quantize/prefix_weight.hpp"

namespace neume::quantize {

namespace {

constexpr std::size_t kFloat = sizeof(float);

/// Sums of the chunks of rows (kmeans.hpp: at most 16), codebooks old and new, and the distances among the rows that
/// first codewords are drawn from.
std::size_t clustering_bytes(std::size_t codes, std::size_t width) {
  constexpr std::size_t kCopies = 16 + 4, kLargestPool = 8192;
  const std::size_t pool = std::min(2 * codes, kLargestPool);
  return kFloat * (codes * width * kCopies + pool * pool);
}

/// Weights of encoder and decoder with gradients and moments, and the activations of a step.
std::size_t network_bytes(const QuantizerOptions& options, std::size_t width) {
  std::vector<std::size_t> widths{width};
  widths.insert(widths.end(), options.rqvae.hidden.begin(), options.rqvae.hidden.end());
  widths.push_back(options.rqvae.latent_width);
  std::size_t weights = 0, activations = 0;
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) weights += 2 * (widths[l] + 1) * widths[l + 1];
  for (const std::size_t units : widths) activations += 6 * units;
  return kFloat * (6 * weights + options.rqvae.batch_size * activations);
}

}  // namespace

FitMemory fit_memory(const QuantizerOptions& options, std::size_t width) {
  const std::vector<std::size_t> sizes = options.codes_by_layer();
  const std::size_t layers = sizes.size(), codes = *std::ranges::max_element(sizes);
  FitMemory memory;
  // Rows, bounds, codes (also those of a checkpoint), labels, distances, norms, orders.
  memory.per_row = kFloat * (width + PanelBounds::per_row(codes, width)) + 3 * sizeof(Code) * layers + 24;
  memory.fixed = clustering_bytes(codes, width) + kFloat * layers * codes * 3 * width;
  switch (options.method) {
    case QuantizerMethod::psrq:
      memory.fixed += kFloat * layers * layers * codes * codes;
      if (options.choose_prefix_weight) memory.fixed += 2 * kFloat * width * kTrialRows;
      break;
    case QuantizerMethod::rq:
    case QuantizerMethod::vq:
      if (options.balanced) memory.per_row += 160;  // lists of the nearest codes with their distances
      break;
    case QuantizerMethod::pq:
      memory.per_row += kFloat * (width / layers + 1);
      break;
    case QuantizerMethod::opq:  // rotated rows, their approximation, a sub-vector, the codes of both starts
      memory.per_row += kFloat * (2 * width + width / layers + 1) + sizeof(Code) * layers;
      memory.fixed += 8 * sizeof(double) * width * width;
      break;
    case QuantizerMethod::rqvae:
      memory.fixed += network_bytes(options, width);
      break;
  }
  return memory;
}

}  // namespace neume::quantize
