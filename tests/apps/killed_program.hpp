#pragma once
// Starts neume, and kills it.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace neume {

/// A folder of its own, and neume as a child process.
class KilledProgram : public ::testing::Test {
 protected:
  using Arguments = std::vector<std::string>;

  KilledProgram() {
    setenv("OMP_WAIT_POLICY", "passive", 1);
    std::string pattern = (std::filesystem::temp_directory_path() / "neume-kill-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }

  ~KilledProgram() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  static pid_t start(const Arguments& arguments) {
    const pid_t child = fork();
    if (child != 0) return child;
    std::vector<char*> list{const_cast<char*>(NEUME_PROGRAM)};
    for (const std::string& argument : arguments) list.push_back(const_cast<char*>(argument.c_str()));
    list.push_back(nullptr);
    if (freopen("/dev/null", "w", stdout) == nullptr) _exit(126);
    execv(NEUME_PROGRAM, list.data());
    _exit(127);
  }

  /// The exit code, or -1 where a signal ended it.
  static int wait_for(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  static int run(const Arguments& arguments) { return wait_for(start(arguments)); }

  static double seconds_of(const Arguments& arguments) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(run(arguments), 0);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  /// True where the program was still running after so many seconds, and was killed.
  static bool run_and_kill(const Arguments& arguments, double after_s) {
    const pid_t child = start(arguments);
    std::this_thread::sleep_for(std::chrono::duration<double>(after_s));
    kill(child, SIGKILL);
    return wait_for(child) == -1;
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace neume
