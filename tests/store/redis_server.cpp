#include "store/redis_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace neume::store {

namespace {

constexpr const char* kProgram = "/usr/bin/redis-server";

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(socket);
  return ntohs(address.sin_port);
}

}  // namespace

bool RedisServer::is_installed() {
  return access(kProgram, X_OK) == 0;
}

RedisServer::RedisServer(std::vector<std::string> settings) : settings_(std::move(settings)), port_(free_port()) {
  start();
}

RedisServer::~RedisServer() {
  stop();
}

std::string RedisServer::url(const std::string& login) const {
  return "redis://" + login + "127.0.0.1:" + std::to_string(port_);
}

void RedisServer::start() {
  std::vector<std::string> words{
      kProgram,       "--port", std::to_string(port_), "--bind", "127.0.0.1", "--dir", folder_.path(),
      "--appendonly", "yes",    "--appendfsync",       "always", "--save",    "",      "--loglevel",
      "warning"};
  words.insert(words.end(), settings_.begin(), settings_.end());
  std::vector<char*> list;
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  process_ = fork();
  if (process_ == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    execv(kProgram, list.data());
    _exit(127);
  }
  for (int attempt = 0; attempt < 1000 && !answers(); ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(answers()) << "redis-server does not start";
}

void RedisServer::stop() {
  if (process_ == 0) return;
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
  process_ = 0;
}

void RedisServer::freeze() {
  kill(process_, SIGSTOP);
}

void RedisServer::thaw() {
  kill(process_, SIGCONT);
}

/// Any answer but that it is still loading; a server that wants a login is up too.
bool RedisServer::answers() const {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port_);
  bool answered = false;
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    constexpr std::string_view kPing = "PING\r\n";
    char buffer[64] = {};
    answered = send(socket, kPing.data(), kPing.size(), MSG_NOSIGNAL) > 0 && recv(socket, buffer, 63, 0) > 0 &&
               !std::string_view(buffer).starts_with("-LOADING");
  }
  close(socket);
  return answered;
}

}  // namespace neume::store
