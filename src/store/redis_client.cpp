#include "store/redis_client.hpp"

#include <hiredis/hiredis.h>

#include <optional>

#include "store/store.hpp"

namespace neume::store {

namespace {

constexpr std::size_t kMaxIdle = 16;
constexpr auto kPauseAfterFailure = std::chrono::milliseconds(250);

Deadline after(std::chrono::milliseconds timeout) {
  return std::chrono::steady_clock::now() + timeout;
}

std::string name_of(const RedisUrl& url) {
  return "redis at " + url.host + ":" + std::to_string(url.port);
}

/// Errors that only another URL, another login or another server can mend.
bool is_refusal(const RedisReply& reply) {
  if (is_error(reply, "ERR max number of clients")) return false;
  return is_error(reply, "ERR") || is_error(reply, "WRONGPASS") || is_error(reply, "NOAUTH") ||
         is_error(reply, "NOPERM");
}

void require_welcome(const RedisReply& reply, const RedisUrl& url, const char* what) {
  if (!is_error(reply)) return;
  const std::string message = name_of(url) + " refuses " + what + ": " + std::string(text_of(*reply));
  if (is_refusal(reply)) throw DataError(message);
  throw StoreError(message);
}

}  // namespace

RedisClient::RedisClient(RedisUrl url, std::chrono::milliseconds timeout, std::vector<std::string> scripts,
                         Greeting greeting)
    : url_(std::move(url)),
      timeout_(timeout),
      scripts_(std::move(scripts)),
      greeting_(std::move(greeting)),
      breaker_(kPauseAfterFailure) {}

void RedisClient::connect() {
  keep(open_session(after(timeout_)));
}

RedisReply RedisClient::command(const RedisCommand& command) {
  return talk([&](Session& session, Deadline deadline) { return session.connection.exchange(command, deadline); });
}

RedisReply RedisClient::eval(std::size_t script, const std::vector<std::string>& keys,
                             const std::vector<std::string>& arguments) {
  return talk([&](Session& session, Deadline deadline) {
    RedisCommand command{"EVALSHA", session.script_names[script], std::to_string(keys.size())};
    command.insert(command.end(), keys.begin(), keys.end());
    command.insert(command.end(), arguments.begin(), arguments.end());
    RedisReply reply = session.connection.exchange(command, deadline);
    if (!is_error(reply, "NOSCRIPT")) return reply;
    command[0] = "EVAL";  // someone had the server forget its scripts; this teaches it the one again
    command[1] = scripts_[script];
    return session.connection.exchange(command, deadline);
  });
}

RedisClient::Session RedisClient::open_session(Deadline deadline) const {
  Session session{RedisConnection(url_, deadline), {}};
  log_in(session.connection, deadline);
  greeting_(session.connection, deadline);
  std::vector<RedisCommand> commands;
  for (const std::string& script : scripts_) commands.push_back({"SCRIPT", "LOAD", script});
  for (const RedisReply& reply : session.connection.exchange(commands, deadline)) {
    require_welcome(reply, url_, "a script");
    session.script_names.emplace_back(text_of(*reply));
  }
  return session;
}

void RedisClient::log_in(RedisConnection& connection, Deadline deadline) const {
  std::vector<RedisCommand> commands;
  if (!url_.password.empty()) {
    commands.push_back({"AUTH"});
    if (!url_.user.empty()) commands.back().push_back(url_.user);
    commands.back().push_back(url_.password);
  }
  commands.push_back({"SELECT", std::to_string(url_.database)});
  const std::vector<RedisReply> replies = connection.exchange(commands, deadline);
  if (replies.size() > 1) require_welcome(replies.front(), url_, "the login");
  require_welcome(replies.back(), url_, "the database");
}

RedisClient::Session RedisClient::take_session(Deadline deadline) {
  while (true) {
    std::optional<Session> session;
    {
      const std::lock_guard lock(mutex_);
      if (idle_.empty()) break;
      session.emplace(std::move(idle_.back()));
      idle_.pop_back();
    }
    if (session->connection.is_quiet()) return std::move(*session);
  }
  return open_session(deadline);
}

void RedisClient::keep(Session session) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kMaxIdle) idle_.push_back(std::move(session));
}

RedisReply RedisClient::talk(const std::function<RedisReply(Session&, Deadline)>& exchange) {
  breaker_.enter();
  RedisReply reply;
  try {
    const Deadline deadline = after(timeout_);
    Session session = take_session(deadline);
    reply = exchange(session, deadline);
    keep(std::move(session));
    breaker_.succeeded();
  } catch (const std::exception& error) {
    breaker_.failed(error.what());
    throw StoreError(error.what());
  }
  if (is_error(reply)) throw StoreError(name_of(url_) + " answers: " + std::string(text_of(*reply)));
  return reply;
}

}  // namespace neume::store
