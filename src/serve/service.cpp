#include "serve/service.hpp"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "serve/json_answer.hpp"
#include "serve/openapi.hpp"

namespace neume::serve {

namespace {

constexpr const char* kRetrySeconds = "1";

bool is_v2(const http::Request& request) {
  return request.path == "/v2" || request.path.starts_with("/v2/");
}

/// The Open Inference Protocol has a form of its own for errors.
http::Response error_answer(const http::Request& request, int status, const std::string& reason) {
  return is_v2(request) ? json_answer(status, {{"error", reason}}) : http::error_response(status, reason);
}

http::Response try_later(const http::Request& request, const std::string& reason) {
  http::Response response = error_answer(request, 503, reason);
  response.headers.emplace_back("Retry-After", kRetrySeconds);
  return response;
}

http::Response no_such_route(const http::Request& request, const RouteMatch& match) {
  if (match.allowed.empty()) return error_answer(request, 404, "there is no such path; /openapi.json lists them");
  http::Response response = error_answer(request, 405, fmt::format("expected {}", match.allowed));
  response.headers.emplace_back("Allow", match.allowed);
  return response;
}

}  // namespace

double short_double(float value) {
  const std::string text = fmt::format("{}", value);
  double result = value;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

Service::Service(ServiceParts parts, ServiceOptions options) : parts_(parts), options_(std::move(options)) {}

JsonLimits Service::limits() const {
  JsonLimits limits;
  limits.elements = options_.max_candidates;
  limits.values = std::max(limits.values, 3 * options_.max_candidates);  // a history of as many is allowed, too
  return limits;
}

std::optional<http::Response> Service::refuse_access(const Route& route, const http::Request& request) const {
  if (!route.needs_token) return std::nullopt;
  const Verdict verdict = parts_.access.check(request.authorization, route.scope);
  if (verdict == Verdict::granted) return std::nullopt;
  if (verdict == Verdict::forbidden) return error_answer(request, 403, "this token's scope does not reach so far");
  http::Response response = error_answer(
      request, 401, verdict == Verdict::missing ? "expected Authorization: Bearer TOKEN" : "this token is not known");
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

std::optional<http::Response> Service::answer_at_once(const http::Request& request) {
  const RouteMatch match = match_route(request.method, request.path);
  std::optional<http::Response> response;
  if (match.route == nullptr) return no_such_route(request, match);
  response = refuse_access(*match.route, request);
  if (!response && match.route->at_once) response = perform(*match.route, request, match.parameter);
  if (!response && models_ == nullptr) response = try_later(request, "the model is being loaded");
  if (response) response->route = match.route->pattern;
  return response;
}

http::Response Service::answer(const http::Request& request) {
  const base::ThreadLimit limit(1);  // requests share the cores among them; none takes several
  const RouteMatch match = match_route(request.method, request.path);
  if (match.route == nullptr) return no_such_route(request, match);
  http::Response response;
  try {
    response = perform(*match.route, request, match.parameter);
  } catch (const RequestError& error) {
    response = error_answer(request, error.status(), error.what());
  } catch (const InvalidArgument& error) {
    response = error_answer(request, 400, error.what());
  } catch (const store::StoreError& error) {
    parts_.log.event(LogLevel::error, error.what(), request.request_id);
    response = try_later(request, "the store does not answer; the request may be sent again");
  } catch (const std::exception& error) {
    parts_.log.event(LogLevel::error, error.what(), request.request_id);
    response = error_answer(request, 500, "an error of the server's own; its log tells more");
  }
  response.route = match.route->pattern;
  return response;
}

void Service::observe(const http::Request& request, const http::Response& response, const http::Timing& timing) {
  parts_.metrics.count_request(response.route, response.status, timing);
  parts_.log.request(request, response, timing);
}

void Service::failed(const http::Request& request, std::string_view what) {
  parts_.log.event(LogLevel::error, what, request.request_id);
}

http::Response Service::perform(const Route& route, const http::Request& request, const std::string& parameter) {
  switch (route.action) {
    case Action::rank:
      return rank(request);
    case Action::events:
      return keep_events(request);
    case Action::put_item:
      return put_item(request);
    case Action::encode:
      return encode(request);
    case Action::get_item:
      return get_item(parameter);
    case Action::similar:
      return similar(request, parameter);
    case Action::list_models:
      return list_models();
    case Action::swap_model:
      return swap_model(request);
    case Action::restore_model:
      return restore_model(request);
    case Action::alive:
      return json_answer(200, {{"status", "alive"}});
    case Action::ready:
      return ready();
    case Action::metrics:
      return metrics_text();
    case Action::openapi:
      return {200, openapi_document()};
    case Action::v2_server:
      return json_answer(200, {{"name", "neume"}, {"version", NEUME_VERSION}, {"extensions", AnswerJson::array()}});
    case Action::v2_live:
      return json_answer(200, {{"live", true}});
    case Action::v2_ready:
      return json_answer(models_ == nullptr ? 503 : 200, {{"ready", models_ != nullptr}});
    case Action::v2_model:
      return describe_model(parameter);
    case Action::v2_model_ready:
      if (parameter != kServedName) return error_answer(request, 404, "there is no such model");
      return json_answer(models_ == nullptr ? 503 : 200, {{"name", kServedName}, {"ready", models_ != nullptr}});
    case Action::v2_infer:
      return infer(request, parameter);
  }
  throw InternalError("a route without an action");
}

http::Response Service::ready() const {
  const Models* models = models_;
  if (models == nullptr) return json_answer(503, {{"status", "loading"}});
  AnswerJson variants = AnswerJson::array();
  for (const Models::Status& model : models->status()) {
    variants.push_back({{"variant", model.variant}, {"model_version", model.version}});
  }
  // Rankings go on without the store, so it does not make the server unready.
  return json_answer(
      200,
      {{"status", "ready"}, {"store", parts_.store.answers() ? "answers" : "does not answer"}, {"models", variants}});
}

http::Response Service::metrics_text() const {
  MetricsNow now;
  if (const http::Server* server = server_) now.server = server->state();
  if (const Models* models = models_) now.models = models->status();
  if (parts_.exposures != nullptr) now.exposures_dropped = parts_.exposures->dropped();
  now.log_lines_dropped = parts_.log.dropped();
  now.store_answers = parts_.store.answers();
  return {200, parts_.metrics.text(now), "text/plain; version=0.0.4; charset=utf-8"};
}

http::Response Service::list_models() {
  AnswerJson list = AnswerJson::array();
  for (const Models::Status& model : models_.load()->status()) {
    list.push_back({{"variant", model.variant},
                    {"share", model.share},
                    {"model_version", model.version},
                    {"previous_version", model.previous_version},
                    {"folder", model.folder.string()}});
  }
  return json_answer(200, {{"models", list}});
}

http::Response Service::swap_model(const http::Request& request) {
  const ModelRequest query = ModelRequest::parse(request.body, limits());
  try {
    const std::string version = models_.load()->swap(query.variant, query.folders);
    parts_.log.event(LogLevel::warn, fmt::format("variant {} has model {} now", query.variant, version),
                     request.request_id);
    return json_answer(200, {{"variant", query.variant}, {"model_version", version}});
  } catch (const DataError& error) {
    return http::error_response(422, error.what());  // the request is right, what it names is not
  }
}

http::Response Service::restore_model(const http::Request& request) {
  const ModelRequest query = ModelRequest::parse_restore(request.body, limits());
  const std::string version = models_.load()->restore(query.variant);
  parts_.log.event(LogLevel::warn, fmt::format("variant {} has model {} again", query.variant, version),
                   request.request_id);
  return json_answer(200, {{"variant", query.variant}, {"model_version", version}});
}

}  // namespace neume::serve
