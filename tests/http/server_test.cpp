// The server as clients see it, good and bad ones: raw bytes over real sockets.

#include "http/server.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <future>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <neume/error.hpp>

#include "http/echo_handler.hpp"
#include "http/raw_client.hpp"

namespace neume::http {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

ServerOptions any_port() {
  ServerOptions options;
  options.port = 0;
  options.workers = 2;
  return options;
}

std::string get(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
}

std::string post(const std::string& path, const std::string& body, const std::string& headers = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers +
         "\r\n" + body;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kFlatBytes =
    512 << 20;  // the sanitizers keep 256 MiB of what is freed, and find leaks themselves
#else
constexpr std::size_t kFlatBytes = 4 << 20;
#endif

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * 4096;
}

class HttpServer : public testing::Test {
 protected:
  ~HttpServer() override { handler_.let_go(); }

  void start(const ServerOptions& options) { server_ = std::make_unique<Server>(options, handler_); }
  void start() { start(any_port()); }
  RawClient client() const { return RawClient(server_->port()); }

  EchoHandler handler_;
  std::unique_ptr<Server> server_;
};

TEST_F(HttpServer, AnswersWhatWasAsked) {
  start();
  RawClient c = client();
  ASSERT_TRUE(c.send(post("/v1/items/a%20b%2fc?top=5&x=%41", "{\"k\": 1}")));
  const auto response = c.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "POST /v1/items/a b/c top=5&x=%41 {\"k\": 1}");
  EXPECT_EQ(response->headers.at("Content-Type"), "application/json");
  EXPECT_EQ(response->headers.at("Connection"), "keep-alive");
  EXPECT_TRUE(std::regex_match(response->headers.at("X-Request-Id"), std::regex("[0-9a-f]{16}")));
  EXPECT_TRUE(std::regex_match(response->headers.at("Date"), std::regex("[A-Z][a-z]{2}, \\d\\d [A-Z][a-z]{2} \\d{4} "
                                                                        "\\d\\d:\\d\\d:\\d\\d GMT")));
  EXPECT_EQ(c.ask(get("/now")), 200);
}

TEST_F(HttpServer, KeepsOrderOfPipelinedRequests) {
  start();
  RawClient c = client();
  std::string all;
  for (int i = 0; i < 50; ++i) all += i % 3 == 0 ? get("/now") : post("/echo", std::to_string(i));
  ASSERT_TRUE(c.send(all));
  for (int i = 0; i < 50; ++i) {
    const auto response = c.read();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, i % 3 == 0 ? "now" : "POST /echo  " + std::to_string(i));
  }
}

TEST_F(HttpServer, HeadHasHeadersAlone) {
  start();
  RawClient c = client();
  ASSERT_TRUE(c.send("HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\n"));
  const auto head = c.read(false);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->headers.at("Content-Length"), std::to_string(std::string("GET /echo  ").size()));
  EXPECT_EQ(c.ask(get("/now")), 200);  // which would fail if a body had come
}

TEST_F(HttpServer, NoContentHasNoLength) {
  start();
  RawClient c = client();
  ASSERT_TRUE(c.send(get("/none")));
  const auto response = c.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 204);
  EXPECT_EQ(response->headers.count("Content-Length"), 0U);
  EXPECT_EQ(c.ask(get("/now")), 200);
}

TEST_F(HttpServer, ClosesWhenAsked) {
  start();
  RawClient c = client();
  ASSERT_TRUE(c.send(get("/echo", "Connection: close\r\n")));
  EXPECT_EQ(c.read()->headers.at("Connection"), "close");
  EXPECT_TRUE(c.at_end());

  RawClient old = client();
  EXPECT_EQ(old.ask("GET /now HTTP/1.0\r\n\r\n"), 200);
  EXPECT_TRUE(old.at_end());

  RawClient kept = client();
  EXPECT_EQ(kept.ask("GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 200);
  EXPECT_EQ(kept.ask("GET /now HTTP/1.0\r\n\r\n"), 200);
}

TEST_F(HttpServer, EchoesRequestIdsThatAreSafe) {
  start();
  RawClient c = client();
  ASSERT_TRUE(c.send(get("/echo", "X-Request-Id: abc-1\r\n")));
  EXPECT_EQ(c.read()->headers.at("X-Request-Id"), "abc-1");
  for (const std::string& id : {std::string("a b"), std::string("a\"b"), std::string(200, 'x')}) {
    ASSERT_TRUE(c.send(get("/echo", "X-Request-Id: " + id + "\r\n")));
    EXPECT_EQ(c.read()->headers.at("X-Request-Id").size(), 16U);
  }
}

TEST_F(HttpServer, HeadersOfAnAnswerCannotBeginAnother) {
  start();
  RawClient c = client();
  ASSERT_TRUE(c.send(get("/header?v")));
  const auto response = c.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->headers.count("Injected"), 0U);
  EXPECT_EQ(response->headers.at("X-Echo"), "v  Injected: yes");
}

TEST_F(HttpServer, SendsContinueBeforeABody) {
  start();
  RawClient c = client();
  ASSERT_TRUE(c.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(c.status(), 100);
  ASSERT_TRUE(c.send("abc"));
  EXPECT_EQ(c.read()->body, "POST /echo  abc");

  // Nobody uploads for a refusal.
  RawClient refused = client();
  ASSERT_TRUE(
      refused.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
                   "Authorization: wrong\r\n\r\n"));
  EXPECT_EQ(refused.status(), 401);
  EXPECT_TRUE(refused.at_end());

  RawClient other = client();
  EXPECT_EQ(other.ask(post("/echo", "abc", "Expect: 200-ok\r\n")), 417);
}

TEST_F(HttpServer, AnswersWithoutReadingALargeBody) {
  start();
  RawClient c = client();
  ASSERT_TRUE(c.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\nAuthorization: wrong\r\n\r\n"));
  EXPECT_EQ(c.status(), 401);
  // A small one is read, and the connection goes on.
  RawClient small = client();
  EXPECT_EQ(small.ask(post("/echo", "abc", "Authorization: wrong\r\n")), 401);
  EXPECT_EQ(small.ask(get("/now")), 200);
}

TEST_F(HttpServer, ReadsChunkedBodies) {
  start();
  RawClient c = client();
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  ASSERT_TRUE(c.send(head + "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n"));
  EXPECT_EQ(c.read()->body, "POST /echo  abcdefg");
  EXPECT_EQ(c.ask(get("/now")), 200);
}

TEST_F(HttpServer, BodyLimitIsExact) {
  ServerOptions options = any_port();
  options.body_bytes = 100'000;
  start(options);
  RawClient c = client();
  EXPECT_EQ(c.ask(post("/echo", std::string(100'000, 'b'))), 200);
  ASSERT_TRUE(c.send(post("/echo", std::string(100'001, 'b'))));
  const auto refused = c.read();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 413);
  EXPECT_NE(refused->body.find("at most 100000 bytes"), std::string::npos);
  EXPECT_TRUE(c.at_end());

  const std::string chunked = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string chunk = "c350\r\n" + std::string(50'000, 'c') + "\r\n";
  RawClient exact = client();
  EXPECT_EQ(exact.ask(chunked + chunk + chunk + "0\r\n\r\n"), 200);
  RawClient over = client();
  EXPECT_EQ(over.ask(chunked + chunk + chunk + "1\r\nc\r\n0\r\n\r\n"), 413);
}

TEST_F(HttpServer, BodiesTogetherAreLimited) {
  ServerOptions options = any_port();
  options.body_bytes = 100'000;
  options.bodies_bytes = 150'000;
  start(options);
  RawClient first = client();
  const std::string body(100'000, 'b');
  ASSERT_TRUE(first.send(post("/work", body)));
  handler_.await_working(1);
  RawClient second = client();
  ASSERT_TRUE(second.send(post("/echo", body)));
  const auto refused = second.read();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->headers.count("Retry-After"), 1U);
  handler_.let_go();
  EXPECT_EQ(first.status(), 200);
  EXPECT_EQ(client().ask(post("/echo", body)), 200);
}

TEST_F(HttpServer, HeaderBombs) {
  ServerOptions options = any_port();
  options.header_bytes = 4096;
  start(options);
  EXPECT_EQ(client().ask(get("/now", "X: " + std::string(3900, 'a') + "\r\n")), 200);
  EXPECT_EQ(client().ask(get("/now", "X: " + std::string(4096, 'a') + "\r\n")), 431);
  EXPECT_EQ(client().ask(get("/" + std::string(5000, 'a'))), 431);
  std::string many;
  for (int i = 0; i < 1000; ++i) many += fmt::format("A{}: b\r\n", i);
  EXPECT_EQ(client().ask(get("/now", many)), 431);
  EXPECT_EQ(client().ask("GET /now HTTP/1.1\r\n" + std::string(1'000'000, 'a')), 431);  // never ends
}

TEST_F(HttpServer, RefusesWhatCouldSmuggle) {
  start();
  const std::string chunks = "3\r\nabc\r\n0\r\n\r\n";
  const std::vector<std::pair<std::string, int>> cases{
      {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Content-Length: 3\r\nContent-Length: 3\r\n", 400},
      {"Content-Length: 3\r\nContent-Length: 4\r\n", 400},
      {"Content-Length: 3, 3\r\n", 400},
      {"Content-Length: +3\r\n", 400},
      {"Content-Length: -3\r\n", 400},
      {"Content-Length: 0x3\r\n", 400},
      {"Content-Length:\r\n", 400},
      {"Content-Length: 99999999999999999999999\r\n", 400},
      {"Content-Length : 3\r\n", 400},
      {"Transfer-Encoding: gzip, chunked\r\n", 501},
      {"Transfer-Encoding: chunked, gzip\r\n", 501},
      {"Transfer-Encoding: xchunked\r\n", 501},
      {"Transfer-Encoding: identity\r\n", 501},
      {"Host: other\r\n", 400},
      {"Content-Encoding: gzip\r\nContent-Length: 3\r\n", 415},
      {"Authorization: a\r\nAuthorization: b\r\n", 400},
  };
  for (const auto& [headers, status] : cases) {
    RawClient c = client();
    EXPECT_EQ(c.ask("POST /echo HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n" + chunks), status) << headers;
    EXPECT_TRUE(c.at_end()) << headers;
  }
  EXPECT_EQ(client().ask("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks), 400);
  EXPECT_EQ(client().ask("GET /now HTTP/1.1\r\n\r\n"), 400);  // no Host
}

TEST_F(HttpServer, RefusesPagesFromElsewhere) {
  start();
  EXPECT_EQ(client().ask(get("/now", "Origin: http://evil.example\r\n")), 403);
  EXPECT_EQ(client().ask(get("/now", "Origin: null\r\n")), 403);
  EXPECT_EQ(client().ask(get("/now", "Origin: http://h\r\n")), 200);
}

TEST_F(HttpServer, RefusesGarbage) {
  start();
  const std::vector<std::string> cases{
      std::string("\0\0\0\0\r\n\r\n", 8),
      "\x16\x03\x01\x02\x01\x01\xfc\x03\x03 TLS\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET\r\n\r\n",
      "GET /now\r\n\r\n",
      "GET /now HTTP/9.9\r\nHost: h\r\n\r\n",
      "GET  /now HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /now HTTP/1.1\nHost: h\n\n\r\n\r\n",
      "GET now HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%0 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /%ff%fe HTTP/1.1\r\nHost: h\r\n\r\n",
      "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /now HTTP/1.1\r\nHost: h\r\nNo colon\r\n\r\n",
      std::string("GET /now HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 39),
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdefgh\r\n",
  };
  for (const std::string& bytes : cases) {
    RawClient c = client();
    ASSERT_TRUE(c.send(bytes));
    const auto response = c.read();
    ASSERT_TRUE(response) << bytes;
    EXPECT_EQ(response->status, 400) << bytes;
    EXPECT_NE(response->body.find("\"reason\""), std::string::npos);
    EXPECT_EQ(response->headers.count("X-Request-Id"), 1U);
  }
  EXPECT_EQ(client().ask(get("/now")), 200);
}

TEST_F(HttpServer, ReadsAnAddressWithItsOrigin) {
  start();
  RawClient c = client();
  ASSERT_TRUE(c.send(get("http://127.0.0.1:80/echo?x=1")));
  EXPECT_EQ(c.read()->body, "GET /echo x=1 ");
}

TEST_F(HttpServer, HalfClosedClientsGetTheirAnswer) {
  start();
  RawClient whole = client();
  ASSERT_TRUE(whole.send(post("/echo", "abc")));
  whole.half_close();
  EXPECT_EQ(whole.status(), 200);
  EXPECT_TRUE(whole.at_end());

  RawClient part = client();
  ASSERT_TRUE(part.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"));
  part.half_close();
  EXPECT_EQ(part.status(), 400);

  RawClient nothing = client();
  nothing.half_close();
  EXPECT_TRUE(nothing.at_end());
}

TEST_F(HttpServer, ReadsByteByByte) {
  start();
  RawClient c = client();
  for (const char byte : post("/echo", "abc")) {
    ASSERT_TRUE(c.send({&byte, 1}));
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(c.read()->body, "POST /echo  abc");
}

TEST_F(HttpServer, SlowRequestsGet408) {
  ServerOptions options = any_port();
  options.read_seconds = 0.3;
  start(options);
  for (const std::string& beginning : {std::string("GET /no"), std::string("POST /echo HTTP/1.1\r\nHost: h\r\n"),
                                       std::string("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab")}) {
    RawClient c = client();
    const auto start_time = Clock::now();
    // A byte now and then does not help.
    ASSERT_TRUE(c.send(beginning));
    for (int i = 0; i < 4; ++i) {
      std::this_thread::sleep_for(100ms);
      c.send("x");
    }
    EXPECT_EQ(c.status(), 408) << beginning;
    EXPECT_LT(seconds_since(start_time), 2.0);
  }
}

TEST_F(HttpServer, IdleConnectionsAreClosedSilently) {
  ServerOptions options = any_port();
  options.read_seconds = 0.2;
  options.idle_seconds = 0.5;
  start(options);
  RawClient silent = client();
  RawClient used = client();
  EXPECT_EQ(used.ask(get("/now")), 200);
  const auto start_time = Clock::now();
  EXPECT_TRUE(silent.at_end());
  EXPECT_LT(seconds_since(start_time), 0.45);
  EXPECT_TRUE(used.at_end());
  EXPECT_GT(seconds_since(start_time), 0.4);
}

TEST_F(HttpServer, SlowReadersAreDropped) {
  ServerOptions options = any_port();
  options.write_seconds = 0.3;
  start(options);
  RawClient c = client();
  ASSERT_TRUE(c.send(get("/large")));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(server_->state().connections, 1U);
  const auto start_time = Clock::now();
  while (server_->state().connections > 0 && seconds_since(start_time) < 20.0) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(server_->state().connections, 0U);
  EXPECT_FALSE(c.read());
}

TEST_F(HttpServer, ClientsThatVanishDoNoHarm) {  // SIGPIPE would end this test
  handler_.large_bytes = 4 << 20;
  start();
  for (int i = 0; i < 50; ++i) {
    RawClient c = client();
    ASSERT_TRUE(c.send(get("/large") + get("/large")));
    c.close();
  }
  EXPECT_EQ(client().ask(get("/now")), 200);
}

TEST_F(HttpServer, FullQueueGets429) {
  ServerOptions options = any_port();
  options.workers = 1;
  options.queue = 2;
  options.queue_seconds = 30;
  start(options);
  std::vector<RawClient> accepted;
  for (int i = 0; i < 3; ++i) {
    accepted.push_back(client());
    ASSERT_TRUE(accepted.back().send(get("/work")));
    if (i == 0) handler_.await_working(1);
  }
  while (server_->state().queued < 2) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(server_->state().working, 1U);
  RawClient refused = client();
  ASSERT_TRUE(refused.send(get("/work")));
  const auto response = refused.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 429);
  EXPECT_EQ(response->headers.at("Retry-After"), "1");
  EXPECT_EQ(refused.ask(get("/now")), 200);  // health goes on, on the same connection
  handler_.let_go();
  for (RawClient& c : accepted) EXPECT_EQ(c.status(), 200);
  EXPECT_EQ(refused.ask(get("/work")), 200);
}

TEST_F(HttpServer, WaitingTooLongGets503) {
  ServerOptions options = any_port();
  options.workers = 1;
  options.queue_seconds = 0.2;
  start(options);
  RawClient first = client();
  ASSERT_TRUE(first.send(get("/work")));
  handler_.await_working(1);
  RawClient second = client();
  ASSERT_TRUE(second.send(get("/echo")));
  const auto response = second.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->headers.at("Retry-After"), "1");
  handler_.let_go();
  EXPECT_EQ(first.status(), 200);
  EXPECT_EQ(second.ask(get("/echo")), 200);
}

TEST_F(HttpServer, TooManyConnectionsGet503) {
  ServerOptions options = any_port();
  options.connections = 3;
  start(options);
  std::vector<RawClient> welcome;
  for (int i = 0; i < 3; ++i) {
    welcome.push_back(client());
    EXPECT_EQ(welcome.back().ask(get("/now")), 200);
  }
  RawClient refused = client();
  const auto response = refused.read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->headers.count("Retry-After"), 1U);
  EXPECT_TRUE(refused.at_end());
  EXPECT_EQ(welcome.front().ask(get("/now")), 200);
  refused.close();
  welcome.pop_back();
  const auto start_time = Clock::now();
  while (server_->state().connections > 2 && seconds_since(start_time) < 5.0) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(client().ask(get("/now")), 200);
}

TEST_F(HttpServer, HandlersThatThrow) {
  start();
  RawClient c = client();
  for (const std::string path : {"/throw", "/throw-number", "/throw-now"}) {
    ASSERT_TRUE(c.send(get(path, "X-Request-Id: id-1\r\n")));
    const auto response = c.read();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 500);
    EXPECT_EQ(response->body.find("secret"), std::string::npos);
    EXPECT_NE(response->body.find("id-1"), std::string::npos);
  }
  EXPECT_EQ(handler_.failures(),
            (std::vector<std::string>{"secret", "an exception of an unknown kind", "secret at once"}));
  EXPECT_EQ(c.ask(get("/now")), 200);
}

TEST_F(HttpServer, ObservesEveryAnswer) {
  ServerOptions options = any_port();
  options.workers = 1;
  start(options);
  RawClient working = client(), waiting = client();
  ASSERT_TRUE(working.send(get("/work", "X-Request-Id: working\r\n")));
  handler_.await_working(1);
  ASSERT_TRUE(waiting.send(get("/echo", "X-Request-Id: waiting\r\n")));
  while (server_->state().queued < 1) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(100ms);
  handler_.let_go();
  EXPECT_EQ(working.status(), 200);
  EXPECT_EQ(waiting.status(), 200);
  EXPECT_EQ(client().ask("garbage\r\n\r\n"), 400);
  const auto seen = handler_.seen();
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0].request_id, "working");
  EXPECT_GT(seen[0].timing.compute_seconds, 0.09);
  EXPECT_LT(seen[0].timing.queue_seconds, 0.09);
  EXPECT_EQ(seen[1].request_id, "waiting");
  EXPECT_LT(seen[1].timing.compute_seconds, 0.09);
  EXPECT_GT(seen[1].timing.queue_seconds, 0.09);
  EXPECT_EQ(seen[2].status, 400);
}

TEST_F(HttpServer, TwoHundredConnectionsAtOnce) {
  ServerOptions options = any_port();
  options.queue = 200;
  options.queue_seconds = 30;
  start(options);
  std::vector<RawClient> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(client());
  for (int round = 0; round < 5; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) ASSERT_TRUE(clients[i].send(post("/echo", std::to_string(i))));
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const auto response = clients[i].read();
      ASSERT_TRUE(response);
      EXPECT_EQ(response->body, "POST /echo  " + std::to_string(i));
    }
  }
  EXPECT_EQ(server_->state().connections, 200U);
}

TEST_F(HttpServer, MemoryStaysFlatOverManyRequests) {
  start();
  RawClient c = client();
  const std::string body(10'000, 'b');
  std::size_t before = 0;
  for (int i = 0; i < 10'000; ++i) {
    if (i == 1'000) before = resident_bytes();
    ASSERT_EQ(c.ask(i % 2 == 0 ? post("/echo", body) : get("/now")), 200);
  }
  EXPECT_LT(resident_bytes(), before + kFlatBytes);
}

TEST_F(HttpServer, OutOfDescriptorsWaitsWithoutSpinning) {
  start();
  RawClient kept = client();
  EXPECT_EQ(kept.ask(get("/now")), 200);
  rlimit old{};
  getrlimit(RLIMIT_NOFILE, &old);
  // One descriptor is left, for the client's side; the server finds none for its own.
  const int next = dup(0);
  ASSERT_GE(next, 0);
  close(next);
  rlimit low = old;
  low.rlim_cur = static_cast<rlim_t>(next) + 1;
  setrlimit(RLIMIT_NOFILE, &low);
  RawClient late = client();
  EXPECT_TRUE(late.connected());
  timespec cpu_before{}, cpu_after{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
  EXPECT_EQ(kept.ask(get("/now")), 200);
  std::this_thread::sleep_for(300ms);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
  setrlimit(RLIMIT_NOFILE, &old);
  EXPECT_LT(cpu_after.tv_sec - cpu_before.tv_sec + 1e-9 * (cpu_after.tv_nsec - cpu_before.tv_nsec), 0.15);
  EXPECT_EQ(late.ask(get("/now")), 200);
}

TEST_F(HttpServer, StopAnswersWhatItAccepted) {
  ServerOptions options = any_port();
  options.workers = 1;
  options.queue_seconds = 30;
  start(options);
  RawClient working = client(), waiting = client(), idle = client(), half = client();
  EXPECT_EQ(idle.ask(get("/now")), 200);
  ASSERT_TRUE(working.send(get("/work")));
  handler_.await_working(1);
  ASSERT_TRUE(waiting.send(get("/echo")));
  ASSERT_TRUE(half.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na"));
  while (server_->state().queued < 1) std::this_thread::sleep_for(1ms);
  auto stopped = std::async(std::launch::async, [this] { server_->stop(); });
  EXPECT_TRUE(idle.at_end());
  ASSERT_TRUE(half.send("bc"));
  EXPECT_EQ(stopped.wait_for(300ms), std::future_status::timeout);
  EXPECT_FALSE(client().connected());
  handler_.let_go();
  for (RawClient* c : {&working, &waiting, &half}) {
    const auto response = c->read();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->headers.at("Connection"), "close");
    c->close();
  }
  idle.close();
  EXPECT_EQ(stopped.wait_for(5s), std::future_status::ready);
  server_->stop();  // again
}

TEST_F(HttpServer, StopUnderLoadLosesNothing) {
  start();
  std::atomic<int> answered = 0, broken = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      RawClient c = client();
      for (;;) {
        // A request that the server began to answer arrives whole; a connection ends only after "close".
        if (!c.send(get("/echo"))) break;
        const auto response = c.read();
        if (!response || response->status != 200) {
          ++broken;
          break;
        }
        ++answered;
        if (response->headers.at("Connection") == "close") break;
      }
    });
  }
  while (answered < 500) std::this_thread::sleep_for(1ms);
  server_->stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(broken, 0);
}

TEST_F(HttpServer, StopGivesUpInTime) {
  ServerOptions options = any_port();
  options.workers = 1;
  options.stop_seconds = 0.3;
  start(options);
  RawClient stuck = client(), waiting = client();
  ASSERT_TRUE(stuck.send(get("/work")));
  handler_.await_working(1);
  ASSERT_TRUE(waiting.send(get("/work")));
  const auto start_time = Clock::now();
  server_->stop();
  EXPECT_LT(seconds_since(start_time), 10.0);
  EXPECT_EQ(stuck.status(), 0);
  handler_.let_go();
}

TEST(HttpServerOptions, AddressesThatCannotBe) {
  EchoHandler handler;
  ServerOptions options = any_port();
  for (const std::string address : {"", "localhost:80", "300.0.0.1", "203.0.113.7"}) {
    options.address = address;
    EXPECT_THROW(Server(options, handler), InvalidArgument) << address;
  }
  options.address = "127.0.0.1";
  const Server first(options, handler);
  options.port = first.port();
  EXPECT_THROW(Server(options, handler), InvalidArgument);
}

TEST(HttpServerOptions, AnyAddressOfTheSixthVersion) {
  EchoHandler handler;
  ServerOptions options = any_port();
  options.address = "::1";
  try {
    const Server server(options, handler);
    EXPECT_GT(server.port(), 0);
  } catch (const InvalidArgument&) {
    GTEST_SKIP() << "no IPv6 on this machine";
  }
}

}  // namespace

}  // namespace neume::http
