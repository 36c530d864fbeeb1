#include "console.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include <neume/error.hpp>

namespace neume::app {

namespace {

constexpr double kShownAfter_s = 1.0;
constexpr double kBarEvery_s = 0.1;
constexpr double kLineEvery_s = 5.0;
constexpr std::size_t kBarWidth = 24;

std::size_t terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

double seconds_between(std::chrono::steady_clock::time_point begin, std::chrono::steady_clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

/// "45%  12.3 k rows/s  0:12 left  objective 0.41".
std::string figures(const ProgressUpdate& update, std::int64_t done_here, double elapsed_s) {
  std::string text;
  if (update.total > 0) text += fmt::format("{:3.0f}%", 100.0 * update.done / update.total);
  const double rate = elapsed_s > 0 ? done_here / elapsed_s : 0.0;
  if (rate > 0) {
    if (!update.unit.empty()) text += fmt::format("  {} {}/s", short_number(rate), update.unit);
    if (update.total > update.done) text += fmt::format("  {} left", clock_time((update.total - update.done) / rate));
  }
  if (!update.detail.empty()) text += fmt::format("  {}", update.detail);
  return text;
}

}  // namespace

std::string clock_time(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::ceil(std::min(seconds, 1e9)));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string short_number(double value) {
  constexpr std::array<const char*, 4> kUnits{"", " k", " M", " G"};
  std::size_t unit = 0;
  while (value >= 1000.0 && unit + 1 < kUnits.size()) {
    value /= 1000.0;
    ++unit;
  }
  const int decimals = value >= 100.0 || unit == 0 ? 0 : value >= 10.0 ? 1 : 2;
  return fmt::format("{:.{}f}{}", value, value < 10.0 && unit == 0 ? 1 : decimals, kUnits[unit]);
}

Console::Console(bool quiet) : quiet_(quiet), is_terminal_(isatty(STDERR_FILENO) != 0) {}

Console::~Console() {
  clear_bar();
}

void Console::print(std::string_view text) {
  clear_bar();
  fmt::print("{}\n", text);
  if (std::fflush(stdout) != 0) throw DataError(fmt::format("standard output: cannot write: {}", std::strerror(errno)));
}

void Console::note(std::string_view text) {
  if (quiet_) return;
  clear_bar();
  fmt::print(stderr, "{}\n", text);
}

ProgressFn Console::progress(std::string prefix) {
  if (quiet_) return {};
  return [this, prefix = std::move(prefix)](const ProgressUpdate& update) {
    report(prefix.empty() ? std::string(update.stage) : fmt::format("{}: {}", prefix, update.stage), update);
  };
}

void Console::report(const std::string& stage, const ProgressUpdate& update) {
  const auto now = Clock::now();
  if (stage != stage_ || update.done < first_done_) {
    clear_bar();
    stage_ = stage;
    first_done_ = update.done;
    start_ = last_drawn_ = now;
    return;
  }
  const double elapsed_s = seconds_between(start_, now);
  const double since_drawn_s = seconds_between(last_drawn_, now);
  if (is_terminal_) {
    if (elapsed_s < kShownAfter_s || since_drawn_s < kBarEvery_s) return;
    draw_bar(update, elapsed_s);
  } else {
    if (since_drawn_s < kLineEvery_s) return;
    fmt::print(stderr, "{}: {}\n", stage_, figures(update, update.done - first_done_, elapsed_s));
  }
  last_drawn_ = now;
}

void Console::draw_bar(const ProgressUpdate& update, double elapsed_s) {
  const double share = update.total > 0 ? std::clamp(double(update.done) / double(update.total), 0.0, 1.0) : 0.0;
  const auto full = static_cast<std::size_t>(share * kBarWidth);
  std::string line = fmt::format("{} [{}{}] {}", stage_, std::string(full, '#'), std::string(kBarWidth - full, '.'),
                                 figures(update, update.done - first_done_, elapsed_s));
  line.resize(std::min(line.size(), terminal_width() - 1));
  fmt::print(stderr, "\r\033[K{}", line);
  std::fflush(stderr);
  bar_is_drawn_ = true;
}

void Console::clear_bar() {
  if (!bar_is_drawn_) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
  bar_is_drawn_ = false;
}

}  // namespace neume::app
