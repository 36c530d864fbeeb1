// POST /v1/rank, and the Open Inference Protocol's infer.

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <limits>

#include "serve/json_answer.hpp"
#include "serve/service.hpp"

namespace neume::serve {

namespace {

using Clock = std::chrono::steady_clock;

/// Events that exclude_history looks at, where a history needs fewer.
constexpr std::size_t kMinExcludedEvents = 1000;
constexpr std::size_t kExplainedHistory = 5;
/// What a candidate that the model does not know gets from infer, which must answer each: last in any order.
constexpr float kUnknownScore = std::numeric_limits<float>::lowest();

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double probability(float logit) {
  return short_double(static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(logit)))));
}

AnswerJson explanation_json(const rank::Explanation& explanation, const NamedItems& history) {
  AnswerJson sources = AnswerJson::array(), items = AnswerJson::array();
  for (const auto& source : explanation.sources) {
    sources.push_back(
        {{"source", source.name}, {"contribution", short_double(static_cast<float>(source.contribution))}});
  }
  for (const auto& item : explanation.history) {
    items.push_back(
        {{"item_id", history.id(item.place)}, {"contribution", short_double(static_cast<float>(item.contribution))}});
  }
  return {{"sources", sources}, {"history", items}};
}

AnswerJson degraded_parts(const KnownHistory& history) {
  AnswerJson parts = AnswerJson::array();
  if (history.store_failed) parts.push_back("store");
  return parts;
}

}  // namespace

Candidates Service::candidates_of(const ServedModel& model, const RankRequest& query) const {
  if (!query.all_candidates) return find_candidates(model, query.candidates);
  const std::size_t count = model.bundle().items().size() + model.num_new_items();
  if (count > options_.max_candidates) {
    throw RequestError(
        413, fmt::format("candidates: the model has {} items, and a request may have {} (--max-candidates)", count,
                         options_.max_candidates));
  }
  return all_candidates(model);
}

std::vector<float> Service::score(const ServedModel& model, const KnownHistory& history,
                                  const NamedItems& candidates) const {
  std::vector<float> logits(candidates.size());
  model.scorer().score({history.user, history.items.items(), candidates.items()}, logits);
  return logits;
}

void Service::warm_up(const ServedModel& model, const std::string& body) const {
  const RankRequest query = RankRequest::parse(body, limits());
  const KnownHistory history =
      gather_history(model, parts_.store, {query.user_id, query.history}, {options_.history, 0});
  static_cast<void>(score(model, history, candidates_of(model, query).items));
}

http::Response Service::rank(const http::Request& request) {
  const RankRequest query = RankRequest::parse(request.body, limits());
  const Models::Chosen chosen = models_.load()->choose(query.user_id.value_or(""));
  const ServedModel& model = *chosen.model;
  const auto begin = Clock::now();
  const std::size_t num_events = query.exclude_history ? kMinExcludedEvents : 0;
  const KnownHistory history =
      gather_history(model, parts_.store, {query.user_id, query.history}, {options_.history, num_events});
  const Candidates found = candidates_of(model, query);
  const NamedItems candidates = query.exclude_history ? without_history(model, found.items, history) : found.items;
  const std::vector<float> logits = score(model, history, candidates);
  parts_.metrics.count_ranking(chosen.variant, candidates.size(), seconds_since(begin));
  if (history.store_failed) parts_.metrics.count_degraded("store");

  AnswerJson items = AnswerJson::array();
  std::vector<std::string> ids;
  for (const std::size_t place : best_of(logits, query.top)) {
    ids.push_back(candidates.id(place));
    AnswerJson item{{"rank", ids.size()},
                    {"item_id", ids.back()},
                    {"score", short_double(logits[place])},
                    {"probability", probability(logits[place])}};
    if (query.explain) {
      const rank::ScoreRequest scored{history.user, history.items.items(), candidates.items()};
      item["explanation"] = explanation_json(model.scorer().explain(scored, place, kExplainedHistory), history.items);
    }
    items.push_back(std::move(item));
  }
  AnswerJson unknown = AnswerJson::array();
  for (const std::string& id : found.unknown) {
    unknown.push_back({{"item_id", id}, {"reason", "the model does not know this item"}});
  }
  AnswerJson answer{{"request_id", request.request_id},     {"variant", chosen.variant},
                    {"model_version", model.version()},     {"user_known", history.is_known_to_model},
                    {"history_used", history.items.size()}, {"history_unknown", history.num_unknown},
                    {"degraded", degraded_parts(history)},  {"items", std::move(items)},
                    {"unknown", std::move(unknown)}};
  record_exposure(request, query, chosen, std::move(ids));
  return json_answer(200, answer);
}

void Service::record_exposure(const http::Request& request, const RankRequest& query, const Models::Chosen& chosen,
                              std::vector<std::string> item_ids) {
  if (parts_.exposures == nullptr || !query.user_id) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  parts_.exposures->record({std::chrono::duration_cast<std::chrono::milliseconds>(now).count(), request.request_id,
                            options_.experiment, chosen.variant, chosen.model->version(), *query.user_id,
                            std::move(item_ids)});
}

http::Response Service::infer(const http::Request& request, const std::string& model_name) {
  if (model_name != kServedName) throw RequestError(404, "there is no such model");
  const InferRequest query = InferRequest::parse(request.body, limits());
  const Models::Chosen chosen = models_.load()->choose(query.user_id.value_or(""));
  const ServedModel& model = *chosen.model;
  const auto begin = Clock::now();
  const KnownHistory history =
      gather_history(model, parts_.store, {query.user_id, query.history}, {options_.history, 0});
  NamedItems candidates(model);
  std::vector<bool> known;
  for (const std::string& id : query.candidates) known.push_back(candidates.add(id));
  const std::vector<float> logits = score(model, history, candidates);
  parts_.metrics.count_ranking(chosen.variant, candidates.size(), seconds_since(begin));
  if (history.store_failed) parts_.metrics.count_degraded("store");

  AnswerJson scores = AnswerJson::array();
  std::size_t next = 0;
  for (const bool is_known : known) scores.push_back(short_double(is_known ? logits[next++] : kUnknownScore));
  AnswerJson outputs = AnswerJson::array();
  const std::vector<std::string> all{"scores", "known"};
  for (const std::string& name : query.outputs.empty() ? all : query.outputs) {
    const bool is_scores = name == "scores";
    outputs.push_back({{"name", name},
                       {"datatype", is_scores ? "FP32" : "BOOL"},
                       {"shape", query.shape},
                       {"data", is_scores ? scores : AnswerJson(known)}});
  }
  AnswerJson answer{{"model_name", kServedName}, {"model_version", model.version()}};
  if (!query.id.empty()) answer["id"] = query.id;
  answer["parameters"] = {{"variant", chosen.variant}, {"store_answers", !history.store_failed}};
  answer["outputs"] = std::move(outputs);
  return json_answer(200, answer);
}

http::Response Service::describe_model(const std::string& model_name) const {
  if (model_name != kServedName) return json_answer(404, {{"error", "there is no such model"}});
  const auto tensor = [](const char* name, const char* datatype, int extent) {
    return AnswerJson{{"name", name}, {"datatype", datatype}, {"shape", {extent}}};
  };
  AnswerJson versions = AnswerJson::array();
  if (const Models* models = models_) {
    for (const Models::Status& status : models->status()) versions.push_back(status.version);
  }
  return json_answer(
      200,
      {{"name", kServedName},
       {"versions", versions},
       {"platform", "neume"},
       {"inputs", {tensor("user_id", "BYTES", 1), tensor("history", "BYTES", -1), tensor("candidates", "BYTES", -1)}},
       {"outputs", {tensor("scores", "FP32", -1), tensor("known", "BOOL", -1)}}});
}

}  // namespace neume::serve
