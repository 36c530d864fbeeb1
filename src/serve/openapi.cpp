#include "serve/openapi.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "serve/requests.hpp"
#include "serve/routes.hpp"

namespace neume::serve {

namespace {

using Schema = nlohmann::ordered_json;
using Fields = std::vector<std::pair<std::string, Schema>>;

const Schema kText{{"type", "string"}};
const Schema kInteger{{"type", "integer"}};
const Schema kNumber{{"type", "number"}};
const Schema kFlag{{"type", "boolean"}};

Schema ref(const std::string& name) {
  return {{"$ref", "#/components/schemas/" + name}};
}

Schema list_of(const Schema& items) {
  return {{"type", "array"}, {"items", items}};
}

Schema one_of(const std::vector<Schema>& schemas) {
  return {{"oneOf", schemas}};
}

Schema word(const std::vector<std::string>& words) {
  return {{"type", "string"}, {"enum", words}};
}

Schema integer_from(std::int64_t min, std::int64_t max) {
  return {{"type", "integer"}, {"minimum", min}, {"maximum", max}};
}

Schema map_of(const Schema& values) {
  return {{"type", "object"}, {"additionalProperties", values}};
}

Schema with_text(Schema schema, const std::string& description) {
  schema["description"] = description;
  return schema;
}

/// An object with these fields and no others; all are required but the last `num_optional`.
Schema object(const Fields& fields, std::size_t num_optional = 0) {
  Schema properties = Schema::object(), required = Schema::array();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    properties[fields[i].first] = fields[i].second;
    if (i + num_optional < fields.size()) required.push_back(fields[i].first);
  }
  Schema schema{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = required;
  return schema;
}

/// What clients send.
void add_request_schemas(Schema& schemas) {
  const Schema id = ref("Id");
  const Schema embeddings = with_text(map_of(list_of(kNumber)), "by modality");
  const Schema any{{"type", "object"}};
  schemas["Id"] = with_text(one_of({kText, kInteger}), "1 to 512 bytes; an integer is the same as its decimal form");
  schemas["RankRequest"] =
      object({{"candidates", one_of({list_of(id), word({"all"})})},
              {"user_id", id},
              {"history", with_text(list_of(one_of({kText, kInteger, object({{"item_id", id}})})),
                                    "oldest first; replaces what is known of the user. This or user_id is required")},
              {"top", with_text(integer_from(1, 1'000'000), "10 where it is missing; at most --max-candidates")},
              {"exclude_history", with_text(kFlag, "leave out what the user has met; true where candidates is all")},
              {"explain", with_text(kFlag, "with top 20 at most")}},
             5);
  schemas["Event"] =
      object({{"user_id", id},
              {"item_id", id},
              {"event_id", with_text(id, "a hash of the other fields where it is missing")},
              {"timestamp", with_text(kInteger, "in the unit of the training log; now where it is missing")},
              {"label", with_text(one_of({kFlag, integer_from(0, 1)}), "whether the user liked the item; true")}},
             3);
  schemas["ItemRequest"] =
      with_text(object({{"item_id", id}, {"embeddings", embeddings}, {"codes", ref("CodesByFamily")}}, 2),
                "either of the last two");
  schemas["EncodeRequest"] = object({{"embeddings", embeddings}});
  schemas["ModelRequest"] =
      object({{"model", with_text(kText, "a folder on the server")}, {"codebooks", kText}, {"variant", kText}}, 2);
  schemas["RestoreRequest"] = object({{"variant", kText}}, 1);
  schemas["InferRequest"] =
      object({{"inputs", list_of(object({{"name", word({"user_id", "history", "candidates"})},
                                         {"datatype", word({"BYTES"})},
                                         {"shape", list_of(kInteger)},
                                         {"data", list_of(one_of({kText, kInteger, list_of(id)}))},
                                         {"parameters", any}},
                                        1))},
              {"id", kText},
              {"parameters", any},
              {"outputs", list_of(object({{"name", word({"scores", "known"})}, {"parameters", any}}, 1))}},
             3);
}

/// What the routes of /v1 answer.
void add_answer_schemas(Schema& schemas) {
  const Schema model_of_variant = object({{"variant", kText}, {"model_version", kText}});
  schemas["Error"] = object({{"error", object({{"status", kInteger}, {"reason", kText}})}});
  schemas["CodesByFamily"] = map_of(list_of(integer_from(0, kNoCode - 1)));
  schemas["Explanation"] =
      with_text(object({{"sources", list_of(object({{"source", kText}, {"contribution", kNumber}}))},
                        {"history", list_of(object({{"item_id", kText}, {"contribution", kNumber}}))}}),
                "the logit less the logit without the part");
  schemas["RankedItem"] = object({{"rank", kInteger},
                                  {"item_id", kText},
                                  {"score", with_text(kNumber, "the logit")},
                                  {"probability", {{"type", "number"}, {"minimum", 0}, {"maximum", 1}}},
                                  {"explanation", ref("Explanation")}},
                                 1);
  schemas["RankAnswer"] = object({{"request_id", kText},
                                  {"variant", kText},
                                  {"model_version", kText},
                                  {"user_known", with_text(kFlag, "to the model: in its training log")},
                                  {"history_used", kInteger},
                                  {"history_unknown", with_text(kInteger, "items that the model does not know")},
                                  {"degraded", with_text(list_of(word({"store"})), "what the answer went without")},
                                  {"items", list_of(ref("RankedItem"))},
                                  {"unknown", list_of(object({{"item_id", kText}, {"reason", kText}}))}});
  schemas["KeptEvent"] = object({{"event_id", kText},
                                 {"outcome", word({"added", "duplicate", "expired"})},
                                 {"timestamp", kInteger},
                                 {"item_known", kFlag}});
  schemas["KeptEvents"] = object({{"events", list_of(ref("KeptEvent"))}});
  schemas["KeptItem"] = object({{"item_id", kText},
                                {"outcome", word({"added", "replaced", "of_training"})},
                                {"codes", ref("CodesByFamily")},
                                {"variants_without", with_text(list_of(kText), "whose models can make no codes of it")},
                                {"model_version", kText}});
  schemas["Item"] = object({{"item_id", kText},
                            {"of_training", kFlag},
                            {"interactions", with_text(kInteger, "in the training log")},
                            {"codes", ref("CodesByFamily")},
                            {"variant", kText},
                            {"model_version", kText}});
  schemas["SimilarItems"] =
      object({{"item_id", kText},
              {"family", kText},
              {"items", list_of(object({{"item_id", kText}, {"common_prefix", kInteger}, {"distance", kNumber}}))},
              {"variant", kText},
              {"model_version", kText}});
  schemas["Codes"] = object({{"codes", ref("CodesByFamily")}, {"model_version", kText}});
  schemas["Models"] = object({{"models", list_of(object({{"variant", kText},
                                                         {"share", kNumber},
                                                         {"model_version", kText},
                                                         {"previous_version", kText},
                                                         {"folder", kText}}))}});
  schemas["ModelOfVariant"] = model_of_variant;
  schemas["Alive"] = object({{"status", word({"alive"})}});
  schemas["Ready"] = object({{"status", word({"ready", "loading"})},
                             {"store", word({"answers", "does not answer"})},
                             {"models", list_of(model_of_variant)}},
                            2);
  schemas["OpenApi"] = {{"type", "object"}};
}

/// What the routes of /v2 answer.
void add_protocol_schemas(Schema& schemas) {
  const Schema tensor = object({{"name", kText}, {"datatype", kText}, {"shape", list_of(kInteger)}});
  schemas["ProtocolError"] = object({{"error", kText}});
  schemas["ProtocolServer"] = object({{"name", kText}, {"version", kText}, {"extensions", list_of(kText)}});
  schemas["ProtocolLive"] = object({{"live", kFlag}});
  schemas["ProtocolReady"] = object({{"ready", kFlag}});
  schemas["ProtocolModelReady"] = object({{"name", kText}, {"ready", kFlag}});
  schemas["ProtocolModel"] = object({{"name", kText},
                                     {"versions", list_of(kText)},
                                     {"platform", kText},
                                     {"inputs", list_of(tensor)},
                                     {"outputs", list_of(tensor)}});
  schemas["InferAnswer"] = object({{"model_name", kText},
                                   {"model_version", kText},
                                   {"parameters", object({{"variant", kText}, {"store_answers", kFlag}})},
                                   {"outputs", list_of(object({{"name", word({"scores", "known"})},
                                                               {"datatype", word({"FP32", "BOOL"})},
                                                               {"shape", list_of(kInteger)},
                                                               {"data", list_of(one_of({kNumber, kFlag}))}}))},
                                   {"id", kText}},
                                  1);
}

/// What an action takes and gives, but for the errors that follow from its route.
struct Operation {
  std::string summary;
  std::string body = {};                                 ///< schema of what is sent; empty: nothing is
  std::map<int, std::vector<std::string>> answers = {};  ///< schemas by status
};

const std::map<Action, Operation>& operations() {
  static const std::map<Action, Operation> kOperations{
      {Action::rank, {"Rank candidates for a user or a history", "RankRequest", {{200, {"RankAnswer"}}}}},
      {Action::events,
       {"Keep what a user did, one event or a list; durable when it is answered",
        "Event",
        {{200, {"KeptEvent", "KeptEvents"}}, {201, {"KeptEvent", "KeptEvents"}}}}},
      {Action::put_item,
       {"Make an item rankable; durable when it is answered",
        "ItemRequest",
        {{200, {"KeptItem"}}, {201, {"KeptItem"}}}}},
      {Action::encode, {"Codes of embeddings", "EncodeRequest", {{200, {"Codes"}}}}},
      {Action::get_item, {"What is known of an item", "", {{200, {"Item"}}, {404, {"Error"}}}}},
      {Action::similar,
       {"Items with the longest common prefix of codes, then the nearest; ?family= and ?top=",
        "",
        {{200, {"SimilarItems"}}, {400, {"Error"}}, {404, {"Error"}}}}},
      {Action::list_models, {"The models in use", "", {{200, {"Models"}}}}},
      {Action::swap_model,
       {"Load another model and use it once it is ready",
        "ModelRequest",
        {{200, {"ModelOfVariant"}}, {422, {"Error"}}}}},
      {Action::restore_model, {"Use the model before the present one", "RestoreRequest", {{200, {"ModelOfVariant"}}}}},
      {Action::alive, {"Whether the server lives", "", {{200, {"Alive"}}}}},
      {Action::ready,
       {"Whether rankings are answered; they are without the store, too", "", {{200, {"Ready"}}, {503, {"Ready"}}}}},
      {Action::metrics, {"Prometheus' text format", "", {}}},
      {Action::openapi, {"This document", "", {{200, {"OpenApi"}}}}},
      {Action::v2_server, {"Open Inference Protocol: the server", "", {{200, {"ProtocolServer"}}}}},
      {Action::v2_live, {"Open Inference Protocol: liveness", "", {{200, {"ProtocolLive"}}}}},
      {Action::v2_ready,
       {"Open Inference Protocol: readiness", "", {{200, {"ProtocolReady"}}, {503, {"ProtocolReady"}}}}},
      {Action::v2_model,
       {"Open Inference Protocol: the tensors of neume, the only model",
        "",
        {{200, {"ProtocolModel"}}, {404, {"ProtocolError"}}}}},
      {Action::v2_model_ready,
       {"Open Inference Protocol: readiness of the model",
        "",
        {{200, {"ProtocolModelReady"}}, {404, {"ProtocolError"}}, {503, {"ProtocolModelReady"}}}}},
      {Action::v2_infer,
       {"Open Inference Protocol: logits of candidates, in their order",
        "InferRequest",
        {{200, {"InferAnswer"}}, {404, {"ProtocolError"}}}}},
  };
  return kOperations;
}

Schema content_of(const std::vector<std::string>& schemas) {
  std::vector<Schema> refs;
  refs.reserve(schemas.size());
  for (const std::string& name : schemas) refs.push_back(ref(name));
  return {{"application/json", {{"schema", refs.size() == 1 ? refs.front() : one_of(refs)}}}};
}

std::string meaning_of(int status) {
  static const std::map<int, std::string> kMeanings{{200, "answered"},
                                                    {201, "kept"},
                                                    {400, "the request is wrong; the reason names the field"},
                                                    {401, "no token, or an unknown one"},
                                                    {403, "the token's scope is too small"},
                                                    {404, "there is no such item or model"},
                                                    {413, "more than a limit allows"},
                                                    {422, "the folder holds no model that can answer"},
                                                    {429, "too many requests wait; Retry-After tells when to try"},
                                                    {503, "not now; Retry-After tells when to try"}};
  return kMeanings.at(status);
}

Schema answers_of(const Route& route, const Operation& operation) {
  auto answers = operation.answers;
  const std::string error = route.pattern.starts_with("/v2") ? "ProtocolError" : "Error";
  const auto add_error = [&](int status) { answers.try_emplace(status, std::vector<std::string>{error}); };
  if (route.needs_token) {
    add_error(401);
    add_error(403);
  }
  if (!operation.body.empty()) {
    add_error(400);
    add_error(413);
  }
  if (!route.at_once) {
    answers[429] = {"Error"};  // the HTTP server's own
    add_error(503);
  }
  Schema json = Schema::object();
  for (const auto& [status, schemas] : answers) {
    json[std::to_string(status)] = {{"description", meaning_of(status)}, {"content", content_of(schemas)}};
  }
  if (route.action == Action::metrics) {
    json["200"] = {{"description", meaning_of(200)}, {"content", {{"text/plain", {{"schema", kText}}}}}};
  }
  return json;
}

Schema parameters_of(const Route& route) {
  Schema parameters = Schema::array();
  const std::size_t open = route.pattern.find('{');
  if (open != std::string_view::npos) {
    const std::string name(route.pattern.substr(open + 1, route.pattern.find('}') - open - 1));
    parameters.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"schema", kText}});
  }
  if (route.action == Action::similar) {
    parameters.push_back({{"name", "family"}, {"in", "query"}, {"schema", kText}});
    parameters.push_back({{"name", "top"}, {"in", "query"}, {"schema", integer_from(1, 1000)}});
  }
  return parameters;
}

Schema operation_json(const Route& route, const Operation& operation) {
  static constexpr const char* kScopes[] = {"read", "write", "admin"};
  Schema json{{"summary", operation.summary}};
  const Schema parameters = parameters_of(route);
  if (!parameters.empty()) json["parameters"] = parameters;
  if (!operation.body.empty()) {
    Schema content = content_of({operation.body});
    if (route.action == Action::events) {
      Schema several = list_of(ref(operation.body));
      several["minItems"] = 1;
      several["maxItems"] = kMaxEvents;
      content["application/json"]["schema"] = one_of({ref(operation.body), several});
    }
    json["requestBody"] = {{"required", route.action != Action::restore_model}, {"content", content}};
  }
  json["responses"] = answers_of(route, operation);
  if (route.needs_token) {
    json["description"] = std::string("scope: ") + kScopes[static_cast<std::size_t>(route.scope)];
  } else {
    json["security"] = Schema::array();
  }
  return json;
}

Schema make_document() {
  Schema paths = Schema::object();
  for (const Route& route : routes()) {
    std::string method(route.method);
    std::ranges::transform(method, method.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    paths[std::string(route.pattern)][method] = operation_json(route, operations().at(route.action));
  }
  Schema schemas = Schema::object();
  add_request_schemas(schemas);
  add_answer_schemas(schemas);
  add_protocol_schemas(schemas);
  return {{"openapi", "3.0.3"},
          {"info", {{"title", "neume"}, {"version", NEUME_VERSION}, {"description", "docs/serving.md tells more"}}},
          {"security", {{{"token", Schema::array()}}}},
          {"paths", paths},
          {"components",
           {{"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}, {"schemas", schemas}}}};
}

}  // namespace

const std::string& openapi_document() {
  static const std::string kDocument = make_document().dump(1);
  return kDocument;
}

}  // namespace neume::serve
