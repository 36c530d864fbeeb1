#pragma once
// A request and its answer, as handlers see them.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace neume::http {

struct Request {
  std::string method;         ///< GET, POST, ...; HEAD comes as GET, and the server leaves the answer's body out
  std::string path;           ///< without the query, percent-decoding undone: "/v1/items/a b"
  std::string query;          ///< what follows '?', as it came
  std::string authorization;  ///< the header of that name, or empty
  std::string request_id;     ///< the header X-Request-Id, or one that the server made up
  std::string body;
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string route = {};  ///< the pattern that answered ("/v1/items/{id}"), for metrics; empty: none did
};

/// Where a request spent its time.
struct Timing {
  double queue_seconds = 0.0;    ///< from its last byte to the start of the answer's making
  double compute_seconds = 0.0;  ///< making the answer
};

/// What answers requests. Called by several threads at once. An exception that leaves answer_at_once() or answer()
/// becomes a 500 without details, and is told to failed().
class Handler {
 public:
  virtual ~Handler() = default;

  /// On the network thread, so within microseconds: health, a route that is not there, a missing right. Called when
  /// the headers are there, so `request.body` is empty: who may not call sends no body in vain. Nothing: it is work,
  /// for answer(), which waits in the queue.
  virtual std::optional<Response> answer_at_once(const Request& request) = 0;

  /// On a worker.
  virtual Response answer(const Request& request) = 0;

  /// After every answer, those of the server itself too (400, 408, 413, 429, 431, 500, 503; their request may be
  /// empty), before it leaves. On the thread that made the answer. Must not throw.
  virtual void observe(const Request& request, const Response& response, const Timing& timing) = 0;

  /// An exception left a function of this handler; `what` is for the log, never for the client. Must not throw.
  virtual void failed(const Request&, std::string_view /*what*/) {}
};

/// An error as every route reports it: {"error": {"status": 404, "reason": "..."}}.
Response error_response(int status, std::string_view reason);

}  // namespace neume::http
