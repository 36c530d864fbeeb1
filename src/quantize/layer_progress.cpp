#include "quantize/layer_progress.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace neume::quantize {

void LayerProgress::report(const std::string& stage, std::size_t iteration, double objective) {
  const auto now = Clock::now();
  if (!progress_ || (iteration > 0 && now - last_ < std::chrono::milliseconds(200))) return;
  last_ = now;
  const std::string detail = fmt::format("objective {:.6g}", objective);
  progress_(
      {stage, static_cast<std::int64_t>(iteration), static_cast<std::int64_t>(iterations_), "iterations", detail});
}

}  // namespace neume::quantize
