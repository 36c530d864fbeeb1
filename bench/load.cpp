// A load generator for an HTTP server, from a process of its own.
//
//   load --port P --path /v1/rank --bodies FILE.jsonl --rate 100 --seconds 30 [--poisson] [--connections C]
//   load --port P --path /healthz --method GET --connections 16 --seconds 10
//
// With --rate requests are sent at their times, whether or not earlier ones are answered, and a latency counts from the
// intended time: what waits for a free connection waits on the server's account (no coordinated omission). Without it
// every connection sends its next request when the last one is answered. The result is a line of JSON; its latencies
// are those of answers with a status 2xx after the warm-up, the other statuses are counted. Exit code 1: no such
// answer.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <deque>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

constexpr std::chrono::seconds kLastAnswers{10};  // waited for after the end

struct Settings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string path = "/";
  std::string method = "POST";
  std::string bodies;
  std::string token;
  double rate = 0.0;
  bool poisson = false;
  std::size_t connections = 16;
  double seconds = 10.0;
  double warm_up = 1.0;
};

Settings read_settings(int argc, char** argv) {
  Settings settings;
  CLI::App app("Sends HTTP requests and tells how long the answers take");
  app.add_option("--address", settings.address, "numeric address of the server")->capture_default_str();
  app.add_option("--port", settings.port)->required();
  app.add_option("--path", settings.path)->capture_default_str();
  app.add_option("--method", settings.method)->capture_default_str();
  app.add_option("--bodies", settings.bodies, "file with a body a line, sent in turn; none: empty bodies");
  app.add_option("--token", settings.token, "bearer token");
  app.add_option("--rate", settings.rate, "requests a second, whatever the answers; 0: as fast as they come");
  app.add_flag("--poisson", settings.poisson,
               "with --rate: random gaps, as of independent users, instead of equal ones");
  app.add_option("--connections", settings.connections)->capture_default_str()->check(CLI::Range(1, 10'000));
  app.add_option("--seconds", settings.seconds, "after the warm-up")->capture_default_str();
  app.add_option("--warm-up", settings.warm_up, "seconds that do not count")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return settings;
}

std::vector<std::string> make_requests(const Settings& settings) {
  std::vector<std::string> bodies;
  if (!settings.bodies.empty()) {
    std::ifstream file(settings.bodies);
    for (std::string line; std::getline(file, line);) bodies.push_back(line);
    if (bodies.empty()) throw std::runtime_error(settings.bodies + ": no bodies");
  } else {
    bodies.emplace_back();
  }
  const std::string token = settings.token.empty() ? "" : "Authorization: Bearer " + settings.token + "\r\n";
  std::vector<std::string> requests;
  for (const std::string& body : bodies) {
    const std::string length =
        body.empty() ? "" : fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    requests.push_back(fmt::format("{} {} HTTP/1.1\r\nHost: {}:{}\r\n{}{}\r\n{}", settings.method, settings.path,
                                   settings.address, settings.port, token, length, body));
  }
  return requests;
}

/// A keep-alive connection with at most one request on its way.
class Connection {
 public:
  explicit Connection(const Settings& settings) : settings_(settings) { open(); }
  ~Connection() { close(descriptor_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int descriptor() const { return descriptor_; }
  bool busy() const { return busy_; }
  Time intended() const { return intended_; }
  short events() const { return static_cast<short>(unsent_.empty() ? POLLIN : POLLIN | POLLOUT); }

  void begin(const std::string& request, Time intended) {
    intended_ = intended;
    busy_ = true;
    unsent_ = request;
    write();
  }

  /// Moves bytes; the answer's status when it is whole, 0 while it is not, -1 where the connection broke (and was made
  /// anew).
  int proceed() {
    write();
    char bytes[65536];
    const ssize_t size = recv(descriptor_, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (size <= 0) return reopen();
    received_.append(bytes, static_cast<std::size_t>(size));
    return finish_answer();
  }

 private:
  void open() {
    descriptor_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(settings_.port);
    if (inet_pton(AF_INET, settings_.address.c_str(), &address.sin_addr) != 1) throw std::runtime_error("bad address");
    if (connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error(fmt::format("{} port {}: {}", settings_.address, settings_.port, std::strerror(errno)));
    }
    const int yes = 1;
    setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }

  int reopen() {
    close(descriptor_);
    open();
    received_.clear();
    unsent_ = {};
    const bool lost = busy_;
    busy_ = false;
    return lost ? -1 : 0;
  }

  void write() {
    while (!unsent_.empty()) {
      const ssize_t sent = send(descriptor_, unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0) return;  // full, or broken, which reading will tell
      unsent_.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  int finish_answer() {
    const std::size_t end = received_.find("\r\n\r\n");
    if (end == std::string::npos) return 0;
    const std::string head = received_.substr(0, end + 2);
    const std::size_t place = head.find("\r\nContent-Length: ");
    const std::size_t length = place == std::string::npos ? 0 : std::stoul(head.substr(place + 18));
    if (received_.size() < end + 4 + length) return 0;
    const int status = std::stoi(head.substr(9, 3));
    if (head.find("\r\nConnection: close\r\n") != std::string::npos) {
      reopen();
    } else {
      received_.clear();
      busy_ = false;
    }
    return status;
  }

  const Settings& settings_;
  int descriptor_ = -1;
  bool busy_ = false;
  Time intended_;
  std::string_view unsent_;
  std::string received_;
};

class Load {
 public:
  explicit Load(const Settings& settings)
      : settings_(settings), requests_(make_requests(settings)), start_(Clock::now()), next_(start_) {
    const std::chrono::duration<double> all(settings.warm_up + settings.seconds), warm_up(settings.warm_up);
    end_ = start_ + std::chrono::duration_cast<Clock::duration>(all);
    counted_from_ = start_ + std::chrono::duration_cast<Clock::duration>(warm_up);
    for (std::size_t i = 0; i < settings.connections; ++i) connections_.emplace_back(settings);
  }

  void run() {
    for (Time now = Clock::now(); now < end_ || (in_flight_ > 0 && now < end_ + kLastAnswers); now = Clock::now()) {
      begin_requests(now);
      await(now);
      for (std::size_t i = 0; i < polled_.size(); ++i) {
        if (polled_[i].revents != 0) take(connections_[i]);
      }
    }
    unanswered_ += waiting_.size() + in_flight_;
  }

  nlohmann::json result() {
    std::sort(latencies_ms_.begin(), latencies_ms_.end());
    const auto at = [this](double share) {
      if (latencies_ms_.empty()) return 0.0;
      const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(latencies_ms_.size())));
      return std::round(latencies_ms_[std::max<std::size_t>(rank, 1) - 1] * 1000.0) / 1000.0;
    };
    return {
        {"answers_2xx", latencies_ms_.size()},
        {"a_second", std::round(static_cast<double>(latencies_ms_.size()) / settings_.seconds * 10.0) / 10.0},
        {"latency_ms", {{"p50", at(0.5)}, {"p90", at(0.9)}, {"p99", at(0.99)}, {"p999", at(0.999)}, {"max", at(1)}}},
        {"statuses", statuses_},
        {"broken_connections", broken_},
        {"unanswered", unanswered_}};
  }

 private:
  void begin_requests(Time now) {
    while (settings_.rate > 0.0 && next_ <= now && next_ < end_) {
      waiting_.push_back(next_);
      const double gap = settings_.poisson ? exponential_(random_) : 1.0;
      next_ += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(gap / settings_.rate));
    }
    for (Connection& connection : connections_) {
      if (connection.busy()) continue;
      if (settings_.rate > 0.0) {
        if (waiting_.empty()) break;
        begin(connection, waiting_.front());
        waiting_.pop_front();
      } else if (now < end_) {
        begin(connection, now);
      }
    }
  }

  void begin(Connection& connection, Time intended) {
    connection.begin(requests_[sent_++ % requests_.size()], intended);
    ++in_flight_;
  }

  void await(Time now) {
    polled_.clear();
    for (const Connection& connection : connections_)
      polled_.push_back({connection.descriptor(), connection.events(), 0});
    const Time until = now >= end_ ? end_ + kLastAnswers : settings_.rate > 0.0 ? std::min(next_, end_) : end_;
    const auto wait = std::max<std::chrono::nanoseconds>(until - now, std::chrono::nanoseconds(0)).count();
    const timespec timeout{wait / 1'000'000'000, wait % 1'000'000'000};
    ppoll(polled_.data(), polled_.size(), &timeout, nullptr);
  }

  void take(Connection& connection) {
    const int status = connection.proceed();
    if (status == 0) return;
    --in_flight_;
    if (connection.intended() < counted_from_) return;
    if (status < 0) {
      ++broken_;
      return;
    }
    ++statuses_[std::to_string(status)];
    if (status / 100 != 2) return;
    latencies_ms_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - connection.intended()).count());
  }

  const Settings& settings_;
  const std::vector<std::string> requests_;
  std::deque<Connection> connections_;
  std::vector<pollfd> polled_;
  std::deque<Time> waiting_;  // intended times of requests that have no connection yet
  Time start_, next_, end_, counted_from_;
  std::mt19937_64 random_{1};
  std::exponential_distribution<double> exponential_;
  std::size_t sent_ = 0, in_flight_ = 0, broken_ = 0, unanswered_ = 0;
  std::vector<double> latencies_ms_;
  std::map<std::string, std::size_t> statuses_;
};

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = read_settings(argc, argv);
  try {
    Load load(settings);
    load.run();
    const nlohmann::json result = load.result();
    fmt::print("{}\n", result.dump());
    return result["answers_2xx"] > 0 ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "load: {}\n", error.what());
    return 1;
  }
}
