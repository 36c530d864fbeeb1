#pragma once
// Answers the requests of docs/serving.md.

#include <atomic>
#include <cstddef>
#include <optional>
#include <string>

#include "http/message.hpp"
#include "http/server.hpp"
#include "serve/access.hpp"
#include "serve/exposure_log.hpp"
#include "serve/measured_store.hpp"
#include "serve/metrics.hpp"
#include "serve/models.hpp"
#include "serve/ranking.hpp"
#include "serve/request_log.hpp"
#include "serve/requests.hpp"
#include "serve/routes.hpp"

namespace neume::serve {

/// The model's name in the Open Inference Protocol.
inline constexpr const char* kServedName = "neume";

struct ServiceOptions {
  std::size_t history = 0;  ///< items of a history that count; 0: as many as in training
  std::size_t max_candidates = 10'000;
  std::string experiment = "default";  ///< for the exposure log
};

/// What a service works with; all of it must outlive the service.
struct ServiceParts {
  MeasuredStore& store;
  const Access& access;
  Metrics& metrics;
  RequestLog& log;
  ExposureLog* exposures = nullptr;  ///< this and the next may be left out
  EventLog* events = nullptr;
};

/// Safe to use from several threads. Until open() it answers probes alone: others get 503.
class Service : public http::Handler {
 public:
  Service(ServiceParts parts, ServiceOptions options);

  /// From now on requests are answered with these models, which must outlive the last of them.
  void open(Models& models) { models_ = &models; }
  /// For the metrics; nullptr: no longer.
  void watch(const http::Server* server) { server_ = server; }

  /// Answers a recorded ranking with a model that is not in use yet, as a warm-up; throws as its parts do.
  void warm_up(const ServedModel& model, const std::string& body) const;

  std::optional<http::Response> answer_at_once(const http::Request& request) override;
  http::Response answer(const http::Request& request) override;
  void observe(const http::Request& request, const http::Response& response, const http::Timing& timing) override;
  void failed(const http::Request& request, std::string_view what) override;

 private:
  http::Response perform(const Route& route, const http::Request& request, const std::string& parameter);
  std::optional<http::Response> refuse_access(const Route& route, const http::Request& request) const;

  http::Response rank(const http::Request& request);
  http::Response keep_events(const http::Request& request);
  http::Response put_item(const http::Request& request);
  http::Response encode(const http::Request& request);
  http::Response get_item(const std::string& item_id);
  http::Response similar(const http::Request& request, const std::string& item_id);
  http::Response list_models();
  http::Response swap_model(const http::Request& request);
  http::Response restore_model(const http::Request& request);
  http::Response ready() const;
  http::Response metrics_text() const;
  http::Response infer(const http::Request& request, const std::string& model);
  http::Response describe_model(const std::string& model) const;

  JsonLimits limits() const;
  Candidates candidates_of(const ServedModel& model, const RankRequest& query) const;
  std::vector<float> score(const ServedModel& model, const KnownHistory& history, const NamedItems& candidates) const;
  void record_exposure(const http::Request& request, const RankRequest& query, const Models::Chosen& chosen,
                       std::vector<std::string> item_ids);
  std::int64_t now_in_log_units() const;

  ServiceParts parts_;
  ServiceOptions options_;
  std::atomic<Models*> models_ = nullptr;
  std::atomic<const http::Server*> server_ = nullptr;
};

}  // namespace neume::serve
