#pragma once
// A real redis-server of the test's own: a free port of this machine, a temporary folder, every write on disk before it
// is acknowledged.

#include <sys/types.h>
#include <string>
#include <vector>

#include "store/temporary_folder.hpp"

namespace neume::store {

class RedisServer {
 public:
  static bool is_installed();

  /// Starts it, with `settings` ("--maxmemory", "1mb", ...) after the usual ones, and waits until it answers.
  explicit RedisServer(std::vector<std::string> settings = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  int port() const { return port_; }
  std::string url(const std::string& login = "") const;

  void start();
  /// kill -9.
  void stop();
  /// Keeps its connections, answers nothing (SIGSTOP).
  void freeze();
  void thaw();

 private:
  bool answers() const;

  TemporaryFolder folder_;
  std::vector<std::string> settings_;
  int port_ = 0;
  pid_t process_ = 0;
};

}  // namespace neume::store
