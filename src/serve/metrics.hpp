#pragma once
// What a server tells Prometheus (docs/serving.md, "Metrics").

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "http/message.hpp"
#include "http/server.hpp"
#include "serve/models.hpp"

namespace neume::serve {

/// What is read when the metrics are asked for.
struct MetricsNow {
  http::ServerState server;
  std::vector<Models::Status> models;
  std::size_t exposures_dropped = 0;
  std::size_t log_lines_dropped = 0;
  bool store_answers = true;
};

/// Safe to use from several threads; counting takes a microsecond.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  /// `route` is a pattern ("/v1/items/{id}"), so that there are few; empty: none answered.
  void count_request(const std::string& route, int status, const http::Timing& timing);

  /// `call` is a function of store::Store.
  void count_store_call(const std::string& call, double seconds, bool is_error);

  /// A ranking of so many candidates, its history and scores alone.
  void count_ranking(const std::string& variant, std::size_t candidates, double seconds);

  /// An answer that went without `part`.
  void count_degraded(const std::string& part);

  /// Prometheus' text format, version 0.0.4.
  std::string text(const MetricsNow& now) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace neume::serve
