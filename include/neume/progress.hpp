#pragma once
// How long work reports that it is moving. The library only calls back; the command line draws.

#include <cstdint>
#include <functional>
#include <string_view>

namespace neume {

/// One report: `done` of `total` `unit`s of `stage` are finished (no unit: parts of a whole). `detail` is a short free
/// text (an objective, a loss).
struct ProgressUpdate {
  std::string_view stage;
  std::int64_t done = 0;
  std::int64_t total = 0;
  std::string_view unit;
  std::string_view detail;
};

/// Called from the thread that called the library, at most a few times a second. Empty = no reports.
using ProgressFn = std::function<void(const ProgressUpdate&)>;

}  // namespace neume
