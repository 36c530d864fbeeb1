#include "serve/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <cstdio>

namespace neume::serve {

namespace {

using prometheus::Histogram;

/// Seconds. Steps of about 2.2, finer around what a ranking takes.
const Histogram::BucketBoundaries kSeconds{0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01,
                                           0.015,  0.025,   0.05,   0.1,   0.25,  0.5,   1.0,   2.5,    5.0};
const Histogram::BucketBoundaries kCandidates{1, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000};

double resident_bytes() {
  long pages = 0;
  if (std::FILE* statm = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(statm, "%*s %ld", &pages) != 1) pages = 0;
    std::fclose(statm);
  }
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace

class Metrics::Impl {
 public:
  prometheus::Family<prometheus::Gauge>& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }
  prometheus::Family<prometheus::Counter>& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  prometheus::Family<Histogram>& histogram(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Throw};
  prometheus::Family<prometheus::Counter>& requests = counter("neume_requests_total", "Requests that were answered");
  prometheus::Family<Histogram>& queued =
      histogram("neume_request_queue_seconds", "Time a request waited for a worker, by route");
  prometheus::Family<Histogram>& computed =
      histogram("neume_request_compute_seconds", "Time to make an answer, by route and status");
  prometheus::Family<Histogram>& store_calls = histogram("neume_store_seconds", "Time of a call to the store, by call");
  prometheus::Family<prometheus::Counter>& store_errors =
      counter("neume_store_errors_total", "Calls to the store that failed");
  prometheus::Family<Histogram>& rankings =
      histogram("neume_ranking_seconds", "Time to read a history and to score its candidates, by variant");
  prometheus::Family<Histogram>& candidates = histogram("neume_ranking_candidates", "Candidates of a ranking");
  prometheus::Family<prometheus::Counter>& degraded =
      counter("neume_degraded_answers_total", "Answers that went without a part");
  prometheus::Gauge& connections = gauge("neume_connections", "Open connections").Add({});
  prometheus::Gauge& waiting = gauge("neume_queue_depth", "Requests that wait for a worker").Add({});
  prometheus::Gauge& working = gauge("neume_requests_in_work", "Requests that a worker has").Add({});
  prometheus::Gauge& store_answers =
      gauge("neume_store_up", "1 where the last call to the store was answered, else 0").Add({});
  // Counts that others keep; a gauge is the only kind that can be set.
  prometheus::Gauge& exposures_dropped =
      gauge("neume_exposures_dropped", "Exposures that were not logged since the start").Add({});
  prometheus::Gauge& lines_dropped =
      gauge("neume_log_lines_dropped", "Lines of the log that were not written since the start").Add({});
  prometheus::Gauge& resident = gauge("process_resident_memory_bytes", "Resident memory").Add({});
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::count_request(const std::string& route, int status, const http::Timing& timing) {
  const std::string name = route.empty() ? "none" : route;
  const prometheus::Labels labels{{"route", name}, {"status", std::to_string(status)}};
  impl_->requests.Add(labels).Increment();
  impl_->computed.Add(labels, kSeconds).Observe(timing.compute_seconds);
  impl_->queued.Add({{"route", name}}, kSeconds).Observe(timing.queue_seconds);
}

void Metrics::count_store_call(const std::string& call, double seconds, bool is_error) {
  impl_->store_calls.Add({{"call", call}}, kSeconds).Observe(seconds);
  auto& errors = impl_->store_errors.Add({{"call", call}});
  if (is_error) errors.Increment();
}

void Metrics::count_ranking(const std::string& variant, std::size_t candidates, double seconds) {
  impl_->rankings.Add({{"variant", variant}}, kSeconds).Observe(seconds);
  impl_->candidates.Add({{"variant", variant}}, kCandidates).Observe(static_cast<double>(candidates));
}

void Metrics::count_degraded(const std::string& part) {
  impl_->degraded.Add({{"part", part}}).Increment();
}

std::string Metrics::text(const MetricsNow& now) const {
  impl_->connections.Set(static_cast<double>(now.server.connections));
  impl_->waiting.Set(static_cast<double>(now.server.queued));
  impl_->working.Set(static_cast<double>(now.server.working));
  impl_->store_answers.Set(now.store_answers ? 1 : 0);
  impl_->exposures_dropped.Set(static_cast<double>(now.exposures_dropped));
  impl_->lines_dropped.Set(static_cast<double>(now.log_lines_dropped));
  impl_->resident.Set(resident_bytes());
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  // A family of its own, as versions come and go and no other may stay behind.
  prometheus::Registry models;
  auto& info = prometheus::BuildGauge().Name("neume_model_info").Help("1 for each model in use").Register(models);
  for (const Models::Status& model : now.models) {
    info.Add({{"variant", model.variant}, {"version", model.version}}).Set(1);
  }
  for (prometheus::MetricFamily& family : models.Collect()) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace neume::serve
