#include "serve/requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/file.hpp"

namespace neume::serve {

namespace {

constexpr int kBad = 400;
constexpr int kTooLarge = 413;
constexpr std::string_view kDefaultVariant = "default";

/// A hash of what happened, each part with its length before it.
std::string derived_event_id(const store::Event& event) {
  base::PieceHash hash;
  for (const std::string& part : {event.user_id, event.item_id, fmt::to_string(event.timestamp)}) {
    hash.add(fmt::format("{}:{}", part.size(), part));
  }
  hash.add(event.label ? "1" : "0");
  return "auto-" + hash.fingerprint();
}

bool read_label(const Json& value, const std::string& place) {
  return value.is_boolean() ? value.get<bool>() : read_integer(value, place, 0, 1) == 1;
}

store::Event read_event(const Json& value, const std::string& place, std::int64_t now, const JsonLimits& limits) {
  JsonFields fields(value, place);
  store::Event event;
  const Json* event_id = fields.find("event_id");
  event.user_id = read_id(fields.require("user_id"), fields.place_of("user_id"), limits);
  event.item_id = read_id(fields.require("item_id"), fields.place_of("item_id"), limits);
  const Json* timestamp = fields.find("timestamp");
  const Json* label = fields.find("label");
  fields.finish();
  event.timestamp = timestamp == nullptr ? now
                                         : read_integer(*timestamp, fields.place_of("timestamp"),
                                                        std::numeric_limits<std::int64_t>::min(),
                                                        std::numeric_limits<std::int64_t>::max());
  if (label != nullptr) event.label = read_label(*label, fields.place_of("label"));
  event.event_id =
      event_id != nullptr ? read_id(*event_id, fields.place_of("event_id"), limits) : derived_event_id(event);
  return event;
}

/// Ids, or objects that hold one, as events do.
std::vector<std::string> read_history(const Json& value, const std::string& place, const JsonLimits& limits) {
  if (!value.is_array() || std::ranges::none_of(value, [](const Json& item) { return item.is_object(); })) {
    return read_ids(value, place, limits);
  }
  if (value.size() > limits.elements) {
    throw RequestError(kTooLarge,
                       fmt::format("{}: expected at most {} items, found {}", place, limits.elements, value.size()));
  }
  std::vector<std::string> ids;
  for (const Json& item : value) {
    const std::string here = fmt::format("{}[{}]", place, ids.size());
    if (!item.is_object()) {
      ids.push_back(read_id(item, here, limits));
      continue;
    }
    JsonFields fields(item, here);
    ids.push_back(read_id(fields.require("item_id"), fields.place_of("item_id"), limits));
    fields.finish();
  }
  return ids;
}

Embeddings read_embeddings(const Json& value, const std::string& place) {
  if (!value.is_object() || value.empty()) {
    throw RequestError(kBad, fmt::format("{}: expected an object of a list of numbers by modality", place));
  }
  Embeddings embeddings;
  for (const auto& [modality, numbers] : value.items()) {
    embeddings[modality] = read_floats(numbers, fmt::format("{}.{}", place, modality));
  }
  return embeddings;
}

CodesByFamily read_codes(const Json& value, const std::string& place) {
  if (!value.is_object() || value.empty()) {
    throw RequestError(kBad, fmt::format("{}: expected an object of a list of codes by family", place));
  }
  CodesByFamily codes;
  for (const auto& [family, list] : value.items()) {
    const std::string here = fmt::format("{}.{}", place, family);
    if (!list.is_array()) throw RequestError(kBad, fmt::format("{}: expected a list of codes", here));
    for (const Json& code : list) {
      codes[family].push_back(
          static_cast<Code>(read_integer(code, fmt::format("{}[{}]", here, codes[family].size()), 0, kNoCode - 1)));
    }
  }
  return codes;
}

}  // namespace

RankRequest RankRequest::parse(std::string_view body, const JsonLimits& limits) {
  const Json document = parse_json(body, limits);
  JsonFields fields(document, "body");
  RankRequest request;
  if (const Json* user = fields.find("user_id")) request.user_id = read_id(*user, "user_id", limits);
  if (const Json* history = fields.find("history")) request.history = read_history(*history, "history", limits);
  const Json& candidates = fields.require("candidates");
  request.all_candidates = candidates.is_string() && candidates.get_ref<const std::string&>() == "all";
  if (candidates.is_string() && !request.all_candidates) {
    throw RequestError(kBad, "candidates: expected a list of ids, or \"all\"");
  }
  if (!request.all_candidates) request.candidates = read_ids(candidates, "candidates", limits);
  const auto max_top = static_cast<std::int64_t>(limits.elements);
  if (const Json* top = fields.find("top")) {
    request.top = static_cast<std::size_t>(read_integer(*top, "top", 1, max_top));
  }
  const Json* exclude = fields.find("exclude_history");
  request.exclude_history = exclude == nullptr ? request.all_candidates : read_flag(*exclude, "exclude_history");
  if (const Json* explain = fields.find("explain")) request.explain = read_flag(*explain, "explain");
  fields.finish();
  if (!request.user_id && !request.history) throw RequestError(kBad, "user_id: required where there is no history");
  if (request.explain && request.top > kMaxExplained) {
    throw RequestError(kBad, fmt::format("top: expected at most {} with explain", kMaxExplained));
  }
  return request;
}

EventsRequest EventsRequest::parse(std::string_view body, std::int64_t now, const JsonLimits& limits) {
  const Json document = parse_json(body, limits);
  EventsRequest request;
  request.is_list = document.is_array();
  if (!request.is_list) {
    request.events.push_back(read_event(document, "body", now, limits));
    return request;
  }
  if (document.empty()) throw RequestError(kBad, "body: expected an event, or a list of them");
  if (document.size() > kMaxEvents) {
    throw RequestError(kTooLarge,
                       fmt::format("body: expected at most {} events, found {}", kMaxEvents, document.size()));
  }
  for (const Json& event : document) {
    request.events.push_back(read_event(event, fmt::format("events[{}]", request.events.size()), now, limits));
  }
  return request;
}

ItemRequest ItemRequest::parse(std::string_view body, const JsonLimits& limits) {
  const Json document = parse_json(body, limits);
  JsonFields fields(document, "body");
  ItemRequest request;
  request.item_id = read_id(fields.require("item_id"), "item_id", limits);
  const Json* embeddings = fields.find("embeddings");
  const Json* codes = fields.find("codes");
  fields.finish();
  if ((embeddings == nullptr) == (codes == nullptr)) {
    throw RequestError(kBad, "embeddings: expected either these or codes");
  }
  if (embeddings != nullptr) request.embeddings = read_embeddings(*embeddings, "embeddings");
  if (codes != nullptr) request.codes = read_codes(*codes, "codes");
  return request;
}

Embeddings parse_encode_request(std::string_view body, const JsonLimits& limits) {
  const Json document = parse_json(body, limits);
  JsonFields fields(document, "body");
  Embeddings embeddings = read_embeddings(fields.require("embeddings"), "embeddings");
  fields.finish();
  return embeddings;
}

ModelRequest ModelRequest::parse(std::string_view body, const JsonLimits& limits) {
  const Json document = parse_json(body, limits);
  JsonFields fields(document, "body");
  ModelRequest request{std::string(kDefaultVariant), {}};
  if (const Json* variant = fields.find("variant")) request.variant = read_text(*variant, "variant");
  request.folders.model = read_text(fields.require("model"), "model");
  if (const Json* codebooks = fields.find("codebooks")) request.folders.codebooks = read_text(*codebooks, "codebooks");
  fields.finish();
  return request;
}

ModelRequest ModelRequest::parse_restore(std::string_view body, const JsonLimits& limits) {
  const Json document = body.empty() ? Json::object() : parse_json(body, limits);
  JsonFields fields(document, "body");
  ModelRequest request{std::string(kDefaultVariant), {}};
  if (const Json* variant = fields.find("variant")) request.variant = read_text(*variant, "variant");
  fields.finish();
  return request;
}

namespace {

/// A tensor of the Open Inference Protocol, of one row: shape [n] or [1, n].
struct Tensor {
  std::vector<std::string> values;
  std::vector<std::int64_t> shape;
};

std::vector<std::int64_t> read_shape(const Json& value, const std::string& place) {
  std::vector<std::int64_t> shape;
  for (const Json& extent : value.is_array() ? value : Json::array()) {
    shape.push_back(read_integer(extent, place, 0, std::numeric_limits<std::int32_t>::max()));
  }
  const bool is_row = shape.size() == 1 || (shape.size() == 2 && shape[0] == 1);
  if (!is_row) throw RequestError(kBad, fmt::format("{}: expected [n] or [1, n]", place));
  return shape;
}

/// Data as they are: flat, or with a list for the one row.
Tensor read_tensor(JsonFields& fields, const JsonLimits& limits) {
  if (read_text(fields.require("datatype"), fields.place_of("datatype")) != "BYTES") {
    throw RequestError(kBad, fmt::format("{}: expected BYTES", fields.place_of("datatype")));
  }
  const std::string place = fields.place_of("data");
  const Json& data = fields.require("data");
  const bool is_nested = data.is_array() && data.size() == 1 && data[0].is_array();
  Tensor tensor{read_ids(is_nested ? data[0] : data, place, limits),
                read_shape(fields.require("shape"), fields.place_of("shape"))};
  if (static_cast<std::int64_t>(tensor.values.size()) != tensor.shape.back()) {
    throw RequestError(kBad, fmt::format("{}: expected as many values as the shape says, {}, found {}", place,
                                         tensor.shape.back(), tensor.values.size()));
  }
  return tensor;
}

void take_input(InferRequest& request, const std::string& name, Tensor tensor, const std::string& place) {
  if (name == "candidates") {
    request.candidates = std::move(tensor.values);
    request.shape = std::move(tensor.shape);
  } else if (name == "history") {
    request.history = std::move(tensor.values);
  } else if (name == "user_id") {
    if (tensor.values.size() != 1) throw RequestError(kBad, fmt::format("{}.shape: expected [1]", place));
    request.user_id = std::move(tensor.values.front());
  } else {
    throw RequestError(kBad, fmt::format("{}.name: expected user_id, history or candidates", place));
  }
}

void read_inputs(InferRequest& request, const Json& inputs, const JsonLimits& limits) {
  if (!inputs.is_array()) throw RequestError(kBad, "inputs: expected a list of tensors");
  std::vector<std::string> seen;
  for (const Json& input : inputs) {
    const std::string place = fmt::format("inputs[{}]", seen.size());
    JsonFields fields(input, place);
    const std::string name = read_text(fields.require("name"), fields.place_of("name"));
    if (std::ranges::count(seen, name) > 0) throw RequestError(kBad, fmt::format("{}.name: given twice", place));
    seen.push_back(name);
    fields.find("parameters");  // the protocol's; none changes an answer
    take_input(request, name, read_tensor(fields, limits), place);
    fields.finish();
  }
  if (std::ranges::count(seen, "candidates") == 0) throw RequestError(kBad, "inputs: the tensor candidates is missing");
  if (!request.user_id && !request.history) throw RequestError(kBad, "inputs: expected user_id or history");
}

std::vector<std::string> read_outputs(const Json& outputs) {
  if (!outputs.is_array()) throw RequestError(kBad, "outputs: expected a list");
  std::vector<std::string> names;
  for (const Json& output : outputs) {
    JsonFields fields(output, fmt::format("outputs[{}]", names.size()));
    names.push_back(read_text(fields.require("name"), fields.place_of("name")));
    if (names.back() != "scores" && names.back() != "known") {
      throw RequestError(kBad, fmt::format("{}: expected scores or known", fields.place_of("name")));
    }
    fields.find("parameters");
    fields.finish();
  }
  return names;
}

}  // namespace

InferRequest InferRequest::parse(std::string_view body, const JsonLimits& limits) {
  const Json document = parse_json(body, limits);
  JsonFields fields(document, "body");
  InferRequest request;
  if (const Json* id = fields.find("id")) request.id = read_text(*id, "id");
  fields.find("parameters");
  read_inputs(request, fields.require("inputs"), limits);
  if (const Json* outputs = fields.find("outputs")) request.outputs = read_outputs(*outputs);
  fields.finish();
  return request;
}

}  // namespace neume::serve
