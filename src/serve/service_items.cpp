// The routes of events and items.

#include <fmt/format.h>

#include <array>
#include <chrono>

#include "http/target.hpp"
#include "serve/json_answer.hpp"
#include "serve/service.hpp"
#include "serve/similar_items.hpp"

namespace neume::serve {

namespace {

constexpr std::array<const char*, 3> kAppendedNames{"added", "duplicate", "expired"};
constexpr std::size_t kMaxSimilar = 1000;

std::int64_t milliseconds_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

AnswerJson codes_json(const CodesByFamily& codes) {
  AnswerJson json = AnswerJson::object();
  for (const auto& [family, list] : codes) json[family] = list;
  return json;
}

struct SimilarQuery {
  std::string family;
  std::size_t top = kDefaultTop;
};

SimilarQuery parse_similar(const std::string& text) {
  const auto fields = http::parse_query(text);
  if (!fields) throw RequestError(400, "the query is not percent-encoded UTF-8");
  SimilarQuery query;
  for (const auto& [name, value] : *fields) {
    if (name == "family") {
      query.family = value;
    } else if (name == "top") {
      const bool is_number = !value.empty() && value.size() <= 4 &&
                             value.find_first_not_of("0123456789") == std::string::npos && std::stoul(value) >= 1 &&
                             std::stoul(value) <= kMaxSimilar;
      if (!is_number) throw RequestError(400, fmt::format("top: expected an integer from 1 to {}", kMaxSimilar));
      query.top = std::stoul(value);
    } else {
      throw RequestError(400, "the query has an unknown field; known are family, top");
    }
  }
  return query;
}

}  // namespace

/// The time in the unit that the training log seems to have: its last time as seconds, milliseconds, microseconds or
/// nanoseconds since 1970 lies between 1973 and 5138. Seconds where it has no time, or one that is none of these.
std::int64_t Service::now_in_log_units() const {
  using namespace std::chrono;
  const auto now = system_clock::now().time_since_epoch();
  const std::int64_t last = models_.load()->choose("").model->bundle().last_time().value_or(0);
  if (last < 100'000'000'000) return duration_cast<seconds>(now).count();
  if (last < 100'000'000'000'000) return duration_cast<milliseconds>(now).count();
  if (last < 100'000'000'000'000'000) return duration_cast<microseconds>(now).count();
  return duration_cast<nanoseconds>(now).count();
}

http::Response Service::keep_events(const http::Request& request) {
  const EventsRequest query = EventsRequest::parse(request.body, now_in_log_units(), limits());
  const auto model = models_.load()->choose("").model;
  AnswerJson kept = AnswerJson::array();
  bool any_added = false;
  for (const store::Event& event : query.events) {
    const store::Appended outcome = parts_.store.append(event);
    if (outcome == store::Appended::added) {
      any_added = true;
      if (parts_.events != nullptr) {
        parts_.events->record(
            {milliseconds_now(), event.event_id, event.user_id, event.item_id, event.timestamp, event.label});
      }
    }
    kept.push_back({{"event_id", event.event_id},
                    {"outcome", kAppendedNames[static_cast<std::size_t>(outcome)]},
                    {"timestamp", event.timestamp},
                    {"item_known", model->find(event.item_id).has_value()}});
  }
  const int status = any_added ? 201 : 200;
  return query.is_list ? json_answer(status, {{"events", kept}}) : json_answer(status, kept.front());
}

http::Response Service::put_item(const http::Request& request) {
  const ItemRequest query = ItemRequest::parse(request.body, limits());
  const Models::Chosen chosen = models_.load()->choose("");
  const bool was_known = chosen.model->find(query.item_id).has_value();
  const store::StoredItem item{query.item_id, chosen.model->stored_value(query.embeddings, query.codes)};
  parts_.store.put_item(item);
  const std::vector<std::string> without = models_.load()->add_item(item);
  const auto found = chosen.model->find(query.item_id);
  if (!found) throw InternalError("an item that the model took is not there");
  const bool is_of_training = found->row != rank::RequestItem::kNoRow;
  return json_answer(was_known ? 200 : 201, {{"item_id", query.item_id},
                                             {"outcome", is_of_training ? "of_training"
                                                         : was_known    ? "replaced"
                                                                        : "added"},
                                             {"codes", codes_json(chosen.model->codes_of(*found))},
                                             {"variants_without", without},
                                             {"model_version", chosen.model->version()}});
}

http::Response Service::encode(const http::Request& request) {
  const Embeddings embeddings = parse_encode_request(request.body, limits());
  const auto model = models_.load()->choose("").model;
  return json_answer(200, {{"codes", codes_json(model->encode(embeddings))}, {"model_version", model->version()}});
}

http::Response Service::get_item(const std::string& item_id) {
  const Models::Chosen chosen = models_.load()->choose("");
  const auto item = chosen.model->find(item_id);
  if (!item) throw RequestError(404, "the model does not know this item");
  const bool is_of_training = item->row != rank::RequestItem::kNoRow;
  return json_answer(200, {{"item_id", item_id},
                           {"of_training", is_of_training},
                           {"interactions", is_of_training ? chosen.model->bundle().item_interactions()[item->row] : 0},
                           {"codes", codes_json(chosen.model->codes_of(*item))},
                           {"variant", chosen.variant},
                           {"model_version", chosen.model->version()}});
}

http::Response Service::similar(const http::Request& request, const std::string& item_id) {
  SimilarQuery query = parse_similar(request.query);
  const Models::Chosen chosen = models_.load()->choose("");
  AnswerJson items = AnswerJson::array();
  for (const SimilarItem& item : similar_items(*chosen.model, item_id, query.family, query.top)) {
    items.push_back({{"item_id", item.item_id}, {"common_prefix", item.common_prefix}, {"distance", item.distance}});
  }
  return json_answer(200, {{"item_id", item_id},
                           {"family", query.family},
                           {"items", std::move(items)},
                           {"variant", chosen.variant},
                           {"model_version", chosen.model->version()}});
}

}  // namespace neume::serve
