#pragma once
// How long a stage took, and the line that says so.

#include <fmt/format.h>

#include <chrono>
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

/// "quantizer rq                  1.2 s": outcomes stand below each other.
inline std::string stage_line(std::string_view stage, std::string_view outcome) {
  return fmt::format("{:<44} {}", stage, outcome);
}

}  // namespace neume::app
