// One network thread reads requests and writes answers, a coroutine a connection; workers make the answers. Everything
// here but work_loop() runs on the network thread. What may take time has a deadline, and one timer looks after all.

#include "http/server.hpp"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <boost/asio.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "http/response_head.hpp"
#include "http/target.hpp"
#include "http/work_queue.hpp"

namespace neume::http {

namespace {

namespace asio = boost::asio;
namespace beast_http = boost::beast::http;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using Parser = beast_http::request_parser<beast_http::string_body>;
template <class Result>
using Task = asio::awaitable<Result>;

constexpr std::chrono::milliseconds kTick{50};  // how exactly deadlines are kept
constexpr std::chrono::milliseconds kNoDescriptorsPause{100};
constexpr double kFarewellSeconds = 2.0;           // that a client has to read a last answer
constexpr double kStopGraceSeconds = 0.2;          // that a request on its way has to arrive when all ends
constexpr std::size_t kRefusedConnections = 64;    // beyond the limit: told so; further ones are dropped
constexpr std::size_t kReadBytes = 64 << 10;       // of a body at a time
constexpr std::size_t kKeptBufferBytes = 8 << 10;  // of a connection between requests
constexpr std::size_t kRequestIdBytes = 128;

/// Seconds of an option as the clock counts them; a century stands for all that is longer.
Clock::duration to_duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(std::min(seconds, 3e9)));
}

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

Response retry_later(int status, std::string_view reason) {
  Response response = error_response(status, reason);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

/// Ids for requests that come without one: distinct in a process, and as good as distinct between processes.
class RequestIds {
 public:
  std::string next() { return fmt::format("{:016x}", base::derive_seed(seed_, ++count_)); }

 private:
  std::uint64_t seed_ = (std::uint64_t{std::random_device{}()} << 32) | std::random_device{}();
  std::uint64_t count_ = 0;
};

/// The value of the header Date, made once a second.
class DateHeader {
 public:
  const std::string& now() {
    const std::time_t second = std::time(nullptr);
    if (second != second_) text_ = http_date(second_ = second);
    return text_;
  }

 private:
  std::time_t second_ = 0;
  std::string text_;
};

/// What all connections of a server share.
struct Shared {
  Shared(const ServerOptions& server_options, Handler& server_handler)
      : options(server_options), handler(server_handler), queue(server_options.queue) {}

  const ServerOptions options;
  Handler& handler;
  WorkQueue queue;
  RequestIds ids;
  DateHeader date;
  std::size_t bodies_bytes = 0;  // of all connections
  bool stopping = false;
};

/// A connection's part of Shared::bodies_bytes.
class BodyShare {
 public:
  explicit BodyShare(Shared& shared) : shared_(shared) {}
  ~BodyShare() { shared_.bodies_bytes -= held_; }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;

  /// False where all bodies together are too large.
  bool hold(std::size_t bytes) {
    shared_.bodies_bytes += bytes - held_;
    held_ = bytes;
    return shared_.bodies_bytes <= shared_.options.bodies_bytes;
  }

 private:
  Shared& shared_;
  std::size_t held_ = 0;
};

bool is_request_id(std::string_view text) {
  const auto is_plain = [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '\\'; };
  return !text.empty() && text.size() <= kRequestIdBytes && std::all_of(text.begin(), text.end(), is_plain);
}

/// Boost's own kind of view, which does not become the standard one by itself.
std::string_view plain(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// A browser lets any page send requests here, to loopback too, where no token is needed; it names the page's origin,
/// "http://host:port", as other clients do not (RFC 6454).
bool is_same_origin(std::string_view origin, std::string_view host) {
  const std::size_t scheme_end = origin.find("://");
  return scheme_end != std::string_view::npos && origin.substr(scheme_end + 3) == host;
}

/// Why a request is refused for its headers, if it is. Two readers of one connection (a proxy and we) must never
/// disagree about where a request ends (RFC 9112, section 11.2), so what is doubtful is refused.
std::optional<Response> header_refusal(const beast_http::request_header<>& header) {
  using beast_http::field;
  if (header.count(field::content_length) > 1) return error_response(400, "more than one Content-Length");
  if (header.count(field::content_length) == 1 && !all_digits(plain(header[field::content_length]))) {
    return error_response(400, "Content-Length is not a number");
  }
  if (header.count(field::transfer_encoding) > 0) {
    if (header.version() < 11) return error_response(400, "Transfer-Encoding in HTTP/1.0");
    if (!boost::beast::iequals(header[field::transfer_encoding], "chunked")) {
      return error_response(501, "the only Transfer-Encoding that is understood is chunked");
    }
  }
  if (header.count(field::host) > 1 || (header.version() >= 11 && header.count(field::host) == 0)) {
    return error_response(400, "expected one Host header");
  }
  if (header.count(field::expect) > 0 && !boost::beast::iequals(header[field::expect], "100-continue")) {
    return error_response(417, "the only expectation that is understood is 100-continue");
  }
  if (header.count(field::content_encoding) > 0 &&
      !boost::beast::iequals(header[field::content_encoding], "identity")) {
    return error_response(415, "Content-Encoding is not understood; send the body as it is");
  }
  if (header.count(field::origin) > 0 && !is_same_origin(plain(header[field::origin]), plain(header[field::host]))) {
    return error_response(403, "requests of web pages from elsewhere are refused");
  }
  if (header.count(field::authorization) > 1) return error_response(400, "more than one Authorization header");
  return std::nullopt;
}

/// What is to be said of a failed read; nothing where nobody would listen.
std::optional<Response> read_refusal(const error_code& error, const ServerOptions& options) {
  if (error.category() != make_error_code(beast_http::error::bad_method).category()) return std::nullopt;
  switch (static_cast<beast_http::error>(error.value())) {
    case beast_http::error::end_of_stream:
      return std::nullopt;
    case beast_http::error::partial_message:
      return error_response(400, "the connection ended within a request");
    case beast_http::error::body_limit:
      return error_response(413, fmt::format("a body has at most {} bytes", options.body_bytes));
    case beast_http::error::header_limit:
    case beast_http::error::buffer_overflow:
      return error_response(431, fmt::format("headers have at most {} bytes", options.header_bytes));
    default:
      return error_response(400, fmt::format("not a request of HTTP/1.1: {}", error.message()));
  }
}

void tell_failure(Handler& handler, const Request& request, const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    handler.failed(request, error.what());
  } catch (...) {
    handler.failed(request, "an exception of an unknown kind");
  }
}

/// What `answer` returns; after an exception a 500, while the handler is told what it was.
template <class Answer>
std::optional<Response> guarded(Handler& handler, const Request& request, const Answer& answer) {
  try {
    return answer();
  } catch (...) {
    tell_failure(handler, request, std::current_exception());
    return error_response(500, fmt::format("internal error; the log has more under request {}", request.request_id));
  }
}

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Tcp::socket socket, Shared& shared)
      : socket_(std::move(socket)), answered_(socket_.get_executor()), shared_(shared) {
    answered_.expires_at(Clock::time_point::max());
  }

  /// Answers requests until one of both sides has enough.
  Task<void> serve();
  /// Answers what has not even been asked.
  Task<void> refuse(Response response);

  bool is_due(Clock::time_point now) const { return now >= deadline_; }
  /// Its deadline is over.
  void expire();
  /// The server stops: a connection that waits for a request waits no longer than for one that is on its way.
  void hurry();
  void abort();

 private:
  enum class Phase { idle, reading, queued, writing, farewell };

  void enter(Phase phase, double seconds) {
    phase_ = phase;
    deadline_ = Clock::now() + to_duration(seconds);
  }

  Task<bool> request_begins(double patience);
  Task<bool> serve_request();
  std::optional<Response> read_head(const Parser& parser, Request& request);
  std::optional<Response> ask_at_once(const Request& request);
  Task<bool> read_body(Parser& parser, BodyShare& share);
  Task<bool> let_worker_answer();
  Task<bool> fail_read(const error_code& error);
  Task<bool> refuse_request(Response response);
  Task<bool> send(const Response& response, bool keep_alive);
  Task<void> say_farewell();

  Tcp::socket socket_;
  asio::steady_timer answered_;  // never expires; cancelled when the worker is done
  Shared& shared_;
  boost::beast::flat_buffer buffer_{0};
  std::shared_ptr<Work> work_;  // of the present request
  Phase phase_ = Phase::idle;
  Clock::time_point deadline_ = Clock::time_point::max();
  bool timed_out_ = false;  // while reading
  bool head_only_ = false;  // of the present request
};

Task<void> Connection::serve() {
  buffer_.max_size(std::max(shared_.options.header_bytes, kReadBytes) + kReadBytes);
  double patience = shared_.options.read_seconds;
  while (co_await request_begins(patience)) {
    const bool more = co_await serve_request();
    work_.reset();
    if (!more) break;
    if (buffer_.size() == 0 && buffer_.capacity() > kKeptBufferBytes) buffer_.shrink_to_fit();
    patience = shared_.options.idle_seconds;
  }
  co_await say_farewell();
}

/// Waits for a request's first byte, without memory for it. False: none came.
Task<bool> Connection::request_begins(double patience) {
  if (buffer_.size() > 0) co_return true;
  enter(Phase::idle, shared_.stopping ? std::min(patience, kStopGraceSeconds) : patience);
  error_code error;
  co_await socket_.async_wait(Tcp::socket::wait_read, asio::redirect_error(asio::use_awaitable, error));
  co_return !error;
}

/// Reads a request and answers it. False: it was the last one.
Task<bool> Connection::serve_request() {
  enter(Phase::reading, shared_.options.read_seconds);
  timed_out_ = head_only_ = false;
  work_ = std::make_shared<Work>();
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(shared_.options.header_bytes));
  parser.body_limit(shared_.options.body_bytes);
  error_code error;
  co_await beast_http::async_read_header(socket_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
  if (error) co_return co_await fail_read(error);
  if (auto refusal = read_head(parser, work_->request)) co_return co_await refuse_request(std::move(*refusal));

  const std::optional<Response> at_once = ask_at_once(work_->request);
  BodyShare share(shared_);
  if (!parser.is_done()) {
    // An answer that needs no body comes before it, unless the body is small and surely on its way.
    const bool small = parser.content_length().value_or(kReadBytes) < kReadBytes;
    const bool expects = parser.get().count(beast_http::field::expect) > 0;
    if (at_once && (!small || expects)) co_return co_await send(*at_once, false);
    if (expects && buffer_.size() == 0) {
      constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(socket_, asio::buffer(kContinue), asio::redirect_error(asio::use_awaitable, error));
    }
    if (!co_await read_body(parser, share)) co_return false;
  }
  const bool keep_alive = parser.get().keep_alive();
  if (at_once) co_return co_await send(*at_once, keep_alive);
  work_->request.body = std::move(parser.get().body());
  if (!co_await let_worker_answer()) co_return false;
  co_return co_await send(work_->response, keep_alive);
}

/// What the headers say, as handlers see it; or why they are refused.
std::optional<Response> Connection::read_head(const Parser& parser, Request& request) {
  const auto& header = parser.get();
  const std::string_view id = plain(header["X-Request-Id"]);
  if (is_request_id(id)) request.request_id = id;
  request.method = plain(header.method_string());
  head_only_ = request.method == "HEAD";
  if (head_only_) request.method = "GET";
  if (auto refusal = header_refusal(header)) return refusal;
  std::optional<Target> target = parse_target(plain(header.target()));
  if (!target) return error_response(400, "expected a path that begins with / and is percent-encoded UTF-8");
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  request.authorization = plain(header[beast_http::field::authorization]);
  if (request.request_id.empty()) request.request_id = shared_.ids.next();
  return std::nullopt;
}

std::optional<Response> Connection::ask_at_once(const Request& request) {
  const Clock::time_point start = Clock::now();
  std::optional<Response> response = guarded(shared_.handler, request, [&] {  //
    return shared_.handler.answer_at_once(request);
  });
  if (response) shared_.handler.observe(request, *response, {0.0, seconds_between(start, Clock::now())});
  return response;
}

/// False: it did not come whole, and the client has been told if it listens.
Task<bool> Connection::read_body(Parser& parser, BodyShare& share) {
  while (!parser.is_done()) {
    const std::uint64_t left = parser.content_length_remaining().value_or(kReadBytes);
    if (left > buffer_.size()) buffer_.reserve(std::min<std::size_t>(left, kReadBytes));
    error_code error;
    co_await beast_http::async_read_some(socket_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return co_await fail_read(error);
    if (!share.hold(parser.get().body().size())) {
      co_return co_await refuse_request(retry_later(503, "the server holds too many large requests"));
    }
  }
  co_return true;
}

/// Fills work_->response. False: the connection was aborted, and a worker may still be filling it.
Task<bool> Connection::let_worker_answer() {
  enter(Phase::queued, shared_.options.queue_seconds);
  work_->arrived = Clock::now();
  work_->answered = [weak = weak_from_this()] {
    const std::shared_ptr<Connection> self = weak.lock();
    if (self) asio::post(self->socket_.get_executor(), [self] { self->answered_.cancel(); });
  };
  if (!shared_.queue.push(work_)) {
    work_->response = retry_later(429, "too many requests wait");
    shared_.handler.observe(work_->request, work_->response, {});
    co_return true;
  }
  error_code ignored;  // cancelled, which is the sign
  co_await answered_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_return socket_.is_open();
}

Task<bool> Connection::fail_read(const error_code& error) {
  if (timed_out_) {
    co_return co_await refuse_request(
        error_response(408, fmt::format("the request did not arrive within {} seconds", shared_.options.read_seconds)));
  }
  if (auto refusal = read_refusal(error, shared_.options)) co_return co_await refuse_request(std::move(*refusal));
  co_return false;
}

Task<bool> Connection::refuse_request(Response response) {
  if (work_->request.request_id.empty()) work_->request.request_id = shared_.ids.next();
  shared_.handler.observe(work_->request, response, {});
  co_return co_await send(response, false);
}

Task<void> Connection::refuse(Response response) {
  work_ = std::make_shared<Work>();
  co_await refuse_request(std::move(response));
  co_await say_farewell();
}

/// False: the connection ends.
Task<bool> Connection::send(const Response& response, bool keep_alive) {
  keep_alive = keep_alive && !shared_.stopping;
  enter(Phase::writing, shared_.options.write_seconds);
  const std::string head = response_head(response, {work_->request.request_id, shared_.date.now(), keep_alive});
  const bool with_body = !head_only_ && may_have_body(response.status);
  const std::array<asio::const_buffer, 2> pieces{
      asio::buffer(head), asio::buffer(response.body.data(), with_body ? response.body.size() : 0)};
  error_code error;
  co_await asio::async_write(socket_, pieces, asio::redirect_error(asio::use_awaitable, error));
  co_return !error && keep_alive;
}

/// Ends our side and reads what the client still sends: closing over unread bytes would reset the connection, and the
/// client might lose the last answer (RFC 9112, section 9.6).
Task<void> Connection::say_farewell() {
  enter(Phase::farewell, kFarewellSeconds);
  error_code error;
  socket_.shutdown(Tcp::socket::shutdown_send, error);
  while (!error) {
    buffer_.clear();
    co_await socket_.async_read_some(buffer_.prepare(kKeptBufferBytes),
                                     asio::redirect_error(asio::use_awaitable, error));
  }
}

void Connection::expire() {
  switch (phase_) {
    case Phase::reading:
      timed_out_ = true;
      [[fallthrough]];
    case Phase::idle:  // again at every tick, until the coroutine has seen it
      socket_.cancel();
      break;
    case Phase::queued:
      deadline_ = Clock::time_point::max();
      if (!shared_.queue.withdraw(work_)) break;  // a worker has it
      work_->response = retry_later(503, "no worker was free in time");
      shared_.handler.observe(work_->request, work_->response, {seconds_between(work_->arrived, Clock::now()), 0.0});
      answered_.cancel();
      break;
    case Phase::writing:
    case Phase::farewell:
      abort();
  }
}

void Connection::hurry() {
  if (phase_ == Phase::idle) deadline_ = std::min(deadline_, Clock::now() + to_duration(kStopGraceSeconds));
}

void Connection::abort() {
  if (phase_ == Phase::queued) shared_.queue.withdraw(work_);
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);  // the kernel keeps nothing for it either
  socket_.close(ignored);
  answered_.cancel();
}

}  // namespace

class Server::Core {
 public:
  Core(const ServerOptions& options, Handler& handler);
  ~Core();

  std::uint16_t port() const { return port_; }
  ServerState state() const { return {num_connections_, shared_.queue.queued(), shared_.queue.working()}; }
  void stop();

 private:
  void listen();
  void network_loop();
  void work_loop();
  Task<void> accept_loop();
  Task<void> watch_deadlines();
  void admit(Tcp::socket socket);
  void left(const std::shared_ptr<Connection>& connection);
  void begin_stop();
  void abort_all();

  Shared shared_;
  asio::io_context io_{1};
  Tcp::acceptor acceptor_{io_};
  std::uint16_t port_ = 0;
  std::unordered_set<std::shared_ptr<Connection>> connections_;  // network thread
  std::atomic<std::size_t> num_connections_ = 0;
  std::thread network_;
  std::vector<std::thread> workers_;

  std::mutex stop_mutex_;
  std::condition_variable stop_changed_;
  bool stop_asked_ = false;
  bool all_left_ = false;
};

Server::Core::Core(const ServerOptions& options, Handler& handler) : shared_(options, handler) {
  listen();
  asio::co_spawn(io_, accept_loop(), asio::detached);
  asio::co_spawn(io_, watch_deadlines(), asio::detached);
  const std::size_t count = options.workers > 0 ? options.workers : base::available_cores();
  for (std::size_t i = 0; i < count; ++i) workers_.emplace_back([this] { work_loop(); });
  network_ = std::thread([this] { network_loop(); });
}

Server::Core::~Core() {
  stop();
  shared_.queue.close();
  for (std::thread& worker : workers_) worker.join();
  io_.stop();
  network_.join();
}

void Server::Core::listen() {
  const ServerOptions& options = shared_.options;
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options.address, error);
  if (error)
    throw InvalidArgument(fmt::format("address: expected one like 127.0.0.1 or ::1, found {}", options.address));
  const Tcp::endpoint endpoint(address, options.port);
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor_.non_blocking(true, error);
  if (error) {
    throw InvalidArgument(
        fmt::format("cannot listen at {} port {}: {}", options.address, options.port, error.message()));
  }
  port_ = acceptor_.local_endpoint().port();
}

void Server::Core::network_loop() {
  for (bool done = false; !done;) {
    try {
      io_.run();
      done = true;
    } catch (const std::exception& error) {  // no memory for a handler, say: of one connection, the others go on
      shared_.handler.failed({}, error.what());
    }
  }
}

void Server::Core::work_loop() {
  const base::ThreadLimit one_thread(1);
  while (const std::shared_ptr<Work> work = shared_.queue.pop()) {
    const Clock::time_point start = Clock::now();
    Handler& handler = shared_.handler;
    work->response = *guarded(handler, work->request, [&]() -> std::optional<Response> {  //
      return handler.answer(work->request);
    });
    handler.observe(work->request, work->response,
                    {seconds_between(work->arrived, start), seconds_between(start, Clock::now())});
    shared_.queue.finish();
    work->answered();
  }
}

Task<void> Server::Core::accept_loop() {
  asio::steady_timer pause(io_);
  while (!shared_.stopping) {
    error_code error;
    Tcp::socket socket(io_);
    co_await acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      admit(std::move(socket));
    } else if (error != asio::error::connection_aborted && !shared_.stopping) {
      // No descriptors or no memory: it would fail at once again, and again.
      pause.expires_after(kNoDescriptorsPause);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

void Server::Core::admit(Tcp::socket socket) {
  const std::size_t limit = shared_.options.connections;
  if (connections_.size() >= limit + kRefusedConnections) return;  // dropped
  try {
    error_code ignored;
    socket.set_option(Tcp::no_delay(true), ignored);
    const auto connection = std::make_shared<Connection>(std::move(socket), shared_);
    const bool welcome = connections_.size() < limit;
    const auto life = [connection, welcome] {
      return welcome ? connection->serve() : connection->refuse(retry_later(503, "too many connections"));
    };
    connections_.insert(connection);
    num_connections_ = connections_.size();
    asio::co_spawn(io_, life, [this, connection](const std::exception_ptr& error) {
      if (error) tell_failure(shared_.handler, {}, error);
      left(connection);
    });
  } catch (const std::bad_alloc& error) {
    shared_.handler.failed({}, error.what());
  }
}

void Server::Core::left(const std::shared_ptr<Connection>& connection) {
  connections_.erase(connection);
  num_connections_ = connections_.size();
  if (!shared_.stopping || !connections_.empty()) return;
  const std::lock_guard lock(stop_mutex_);
  all_left_ = true;
  stop_changed_.notify_all();
}

Task<void> Server::Core::watch_deadlines() {
  asio::steady_timer timer(io_);
  for (;;) {
    timer.expires_after(kTick);
    co_await timer.async_wait(asio::use_awaitable);
    const Clock::time_point now = Clock::now();
    for (const auto& connection : connections_) {
      if (connection->is_due(now)) connection->expire();  // whose coroutine goes on later
    }
  }
}

void Server::Core::begin_stop() {
  shared_.stopping = true;
  error_code error;
  while (!error) {  // who has connected already is let in: closing would reset their connections
    Tcp::socket socket(io_);
    acceptor_.accept(socket, error);
    if (!error) admit(std::move(socket));
  }
  acceptor_.close(error);
  for (const auto& connection : connections_) connection->hurry();
  if (connections_.empty()) left(nullptr);
}

void Server::Core::abort_all() {
  for (const auto& connection : connections_) connection->abort();
}

void Server::Core::stop() {
  std::unique_lock lock(stop_mutex_);
  if (!stop_asked_) asio::post(io_, [this] { begin_stop(); });
  stop_asked_ = true;
  const auto done = [this] { return all_left_; };
  if (stop_changed_.wait_for(lock, to_duration(shared_.options.stop_seconds), done)) return;
  asio::post(io_, [this] { abort_all(); });
  stop_changed_.wait(lock, done);
}

Server::Server(const ServerOptions& options, Handler& handler) : core_(std::make_unique<Core>(options, handler)) {}
Server::~Server() = default;

std::uint16_t Server::port() const {
  return core_->port();
}

ServerState Server::state() const {
  return core_->state();
}

void Server::stop() {
  core_->stop();
}

}  // namespace neume::http
