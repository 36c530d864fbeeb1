#pragma once
// Progress of a fit, layer by layer.

#include <chrono>
#include <cstddef>
#include <string>

#include <neume/progress.hpp>

namespace neume::quantize {

/// Passes on at most a few reports a second; the first one of a stage always.
class LayerProgress {
 public:
  LayerProgress(const ProgressFn& progress, std::size_t iterations) : progress_(progress), iterations_(iterations) {}

  void report(const std::string& stage, std::size_t iteration, double objective);

 private:
  using Clock = std::chrono::steady_clock;

  const ProgressFn& progress_;
  std::size_t iterations_;
  Clock::time_point last_{};
};

}  // namespace neume::quantize
