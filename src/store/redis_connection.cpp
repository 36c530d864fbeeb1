#include "store/redis_connection.hpp"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "store/store.hpp"

namespace neume::store {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// What is left until the deadline, at least 1 ms: poll and connect take 0 for no wait, or for ever.
milliseconds time_left(Deadline deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  return std::max(left, milliseconds(1));
}

timeval as_timeval(microseconds duration) {
  return {static_cast<time_t>(duration.count() / 1'000'000), static_cast<suseconds_t>(duration.count() % 1'000'000)};
}

void append_formatted(std::string& bytes, const RedisCommand& command) {
  std::vector<const char*> words;
  std::vector<std::size_t> lengths;
  for (const std::string& word : command) {
    words.push_back(word.data());
    lengths.push_back(word.size());
  }
  char* formatted = nullptr;
  const int length = redisFormatCommandArgv(&formatted, static_cast<int>(words.size()), words.data(), lengths.data());
  if (length < 0) throw InternalError("store: hiredis cannot format a command");
  bytes.append(formatted, static_cast<std::size_t>(length));
  redisFreeCommand(formatted);
}

std::string message_of(int error) {
  return std::generic_category().message(error);
}

}  // namespace

void FreeRedisReply::operator()(redisReply* reply) const {
  freeReplyObject(reply);
}

void RedisConnection::FreeContext::operator()(redisContext* context) const {
  redisFree(context);
}

std::string_view text_of(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_STRING || reply.type == REDIS_REPLY_STATUS || reply.type == REDIS_REPLY_ERROR) {
    return {reply.str, reply.len};
  }
  return {};
}

bool is_error(const RedisReply& reply, std::string_view kind) {
  return reply->type == REDIS_REPLY_ERROR && text_of(*reply).starts_with(kind);
}

RedisConnection::RedisConnection(const RedisUrl& url, Deadline deadline)
    : name_("redis at " + url.host + ":" + std::to_string(url.port)) {
  context_.reset(redisConnectWithTimeout(url.host.c_str(), url.port, as_timeval(time_left(deadline))));
  if (!context_) throw StoreError(name_ + ": no memory for a connection");
  if (context_->err != 0) throw StoreError(name_ + " cannot be reached: " + context_->errstr);
}

RedisConnection::~RedisConnection() = default;
RedisConnection::RedisConnection(RedisConnection&& other) noexcept = default;

std::vector<RedisReply> RedisConnection::exchange(const std::vector<RedisCommand>& commands, Deadline deadline) {
  std::string bytes;
  for (const RedisCommand& command : commands) append_formatted(bytes, command);
  send(bytes, deadline);
  std::vector<RedisReply> replies;
  replies.reserve(commands.size());
  while (replies.size() < commands.size()) replies.push_back(receive(deadline));
  return replies;
}

RedisReply RedisConnection::exchange(const RedisCommand& command, Deadline deadline) {
  return std::move(exchange(std::vector<RedisCommand>{command}, deadline).front());
}

bool RedisConnection::is_quiet() const {
  pollfd state{context_->fd, POLLIN, 0};
  return poll(&state, 1, 0) == 0;
}

void RedisConnection::send(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(context_->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_for(POLLOUT, deadline);
    } else if (errno != EINTR) {
      throw StoreError(name_ + " closed the connection: " + message_of(errno));
    }
  }
}

RedisReply RedisConnection::receive(Deadline deadline) {
  std::array<char, 16 * 1024> buffer;
  while (true) {
    void* reply = nullptr;
    if (redisReaderGetReply(context_->reader, &reply) != REDIS_OK) {
      throw StoreError(name_ + " does not speak Redis's protocol: " + context_->reader->errstr);
    }
    if (reply != nullptr) return RedisReply(static_cast<redisReply*>(reply));
    const ssize_t received = recv(context_->fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received > 0) {
      redisReaderFeed(context_->reader, buffer.data(), static_cast<std::size_t>(received));
    } else if (received == 0) {
      throw StoreError(name_ + " closed the connection");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_for(POLLIN, deadline);
    } else if (errno != EINTR) {
      throw StoreError(name_ + " broke the connection: " + message_of(errno));
    }
  }
}

void RedisConnection::wait_for(short event, Deadline deadline) const {
  if (std::chrono::steady_clock::now() >= deadline) throw StoreError(name_ + " did not answer in time");
  pollfd state{context_->fd, event, 0};
  poll(&state, 1, static_cast<int>(time_left(deadline).count()));  // whatever it found, the next attempt will tell
}

}  // namespace neume::store
