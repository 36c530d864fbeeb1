#pragma once
// What the user sees: results on standard output, progress on standard error.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <neume/progress.hpp>

namespace neume::app {

/// Draws progress (a bar on a terminal, a line every few seconds elsewhere, nothing when quiet) and keeps it apart from
/// the text that is printed. Work that ends within a second is never drawn. Not thread-safe.
class Console {
 public:
  explicit Console(bool quiet);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// Prints `text` and a newline on standard output. Throws DataError where that cannot be written (a full disk).
  void print(std::string_view text);

  /// Prints a line about the work (not a result) on standard error, unless quiet.
  void note(std::string_view text);

  /// A function to pass to the library; `prefix` opens the stage's name. Must not outlive this.
  ProgressFn progress(std::string prefix = {});

 private:
  using Clock = std::chrono::steady_clock;

  void report(const std::string& stage, const ProgressUpdate& update);
  void draw_bar(const ProgressUpdate& update, double elapsed_s);
  void clear_bar();

  bool quiet_;
  bool is_terminal_;
  bool bar_is_drawn_ = false;
  std::string stage_;
  std::int64_t first_done_ = 0;  // a resumed stage does not start at 0
  Clock::time_point start_;
  Clock::time_point last_drawn_;
};

/// "0:42", "3:05", "1:02:03".
std::string clock_time(double seconds);

/// "12.3 k" of 12345: three digits and a unit.
std::string short_number(double value);

}  // namespace neume::app
