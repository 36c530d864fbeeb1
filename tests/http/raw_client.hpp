#pragma once
// A client that sends bytes as the test wants them and reads answers, with a limit of ten seconds for everything.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace neume::http {

struct RawResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< names as they came
  std::string body;
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval limit{10, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const int yes = 1;
    setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) close();
  }
  ~RawClient() { close(); }
  RawClient(RawClient&& other) noexcept : descriptor_(other.descriptor_), received_(std::move(other.received_)) {
    other.descriptor_ = -1;
  }
  RawClient& operator=(RawClient&&) = delete;

  bool connected() const { return descriptor_ >= 0; }

  /// False: the server does not take it.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;  // the process was stopped for a while
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void half_close() { shutdown(descriptor_, SHUT_WR); }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

  /// The next answer; nothing where the connection ends first.
  std::optional<RawResponse> read(bool with_body = true) {
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return std::nullopt;
    }
    RawResponse response = parse_head(received_.substr(0, end + 2));
    received_.erase(0, end + 4);
    const auto length = response.headers.find("Content-Length");
    const std::size_t size = with_body && length != response.headers.end() ? std::stoul(length->second) : 0;
    while (received_.size() < size) {
      if (!receive()) return std::nullopt;
    }
    response.body = received_.substr(0, size);
    received_.erase(0, size);
    return response;
  }

  /// Status of the next answer; 0 where the connection ends first.
  int status(bool with_body = true) {
    const auto response = read(with_body);
    return response ? response->status : 0;
  }

  int ask(std::string_view request) { return send(request) ? status() : 0; }

  /// The server has ended the connection, and sent nothing more. False after ten seconds, too.
  bool at_end() { return received_.empty() && !receive() && ended_; }

 private:
  bool receive() {
    char bytes[16384];
    ssize_t size = -1;
    do size = recv(descriptor_, bytes, sizeof bytes, 0);
    while (size < 0 && errno == EINTR);
    ended_ = size == 0 || (size < 0 && errno == ECONNRESET);
    if (size <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }

  static RawResponse parse_head(std::string_view head) {
    RawResponse response;
    EXPECT_TRUE(head.starts_with("HTTP/1.1 ")) << head;
    response.status = std::atoi(std::string(head.substr(9, 3)).c_str());
    head.remove_prefix(head.find("\r\n") + 2);
    while (!head.empty()) {
      const std::string_view line = head.substr(0, head.find("\r\n"));
      const std::size_t colon = line.find(": ");
      EXPECT_NE(colon, std::string_view::npos) << line;
      response.headers[std::string(line.substr(0, colon))] = line.substr(colon + 2);
      head.remove_prefix(line.size() + 2);
    }
    return response;
  }

  int descriptor_;
  std::string received_;
  bool ended_ = false;
};

}  // namespace neume::http
