#pragma once
// How long a stage took, and the line that says so.

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace neume::app {

/// Runs from its making on.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  /// "12.3 s".
  std::string text() const { return fmt::format("{:.1f} s", seconds()); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// "quantizer rq                  1.2 s": outcomes stand below each other, where no name is longer than `width`.
inline std::string stage_line(std::string_view stage, std::string_view outcome, std::size_t width = 44) {
  return fmt::format("{:<{}} {}", stage, width, outcome);
}

}  // namespace neume::app
