#pragma once
// Holds answers to an OpenAPI document: the keywords of JSON Schema that src/serve/openapi.cpp uses, and no others.

#include <nlohmann/json.hpp>
#include <string>

#include "http/message.hpp"
#include "serve/routes.hpp"

namespace neume::serve {

class OpenApiCheck {
 public:
  using Json = nlohmann::json;

  explicit OpenApiCheck(Json document) : document_(std::move(document)) {}

  /// What is wrong with an answer; empty where it is one of those that the document has.
  std::string problem_of(const std::string& method, const http::Response& response) const {
    const auto path = document_["paths"].find(response.route);
    if (path == document_["paths"].end()) return "no such path: " + response.route;
    std::string lower = method;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!path->contains(lower)) return "no such method: " + method;
    const Json& answers = (*path)[lower]["responses"];
    const std::string status = std::to_string(response.status);
    if (!answers.contains(status)) return "no such status: " + status + " of " + response.route;
    const Json& content = answers[status]["content"];
    const std::string type = response.content_type.substr(0, response.content_type.find(';'));
    if (!content.contains(type)) return "no such content type: " + type;
    if (type != "application/json") return "";
    return problem_of(Json::parse(response.body), content[type]["schema"], "body");
  }

  /// What is wrong with a value.
  std::string problem_of(const Json& value, const Json& schema, const std::string& place) const {
    // First, as the other keywords look into the value.
    if (schema.contains("type") && !is_of_type(value, schema["type"])) return place + " is no " + schema["type"].dump();
    for (const auto& [keyword, rule] : schema.items()) {
      const std::string problem = problem_with(keyword, rule, value, schema, place);
      if (!problem.empty()) return problem;
    }
    return "";
  }

 private:
  std::string problem_with(const std::string& keyword, const Json& rule, const Json& value, const Json& schema,
                           const std::string& place) const {
    if (keyword == "$ref") {
      return problem_of(value, document_.at(Json::json_pointer(rule.get<std::string>().substr(1))), place);
    }
    if (keyword == "enum") return has(rule, value) ? "" : place + " is none of " + rule.dump();
    if (keyword == "oneOf") return problem_of_choice(value, rule, place);
    if (keyword == "minimum") return value < rule ? place + " is below " + rule.dump() : "";
    if (keyword == "maximum") return value > rule ? place + " is above " + rule.dump() : "";
    if (keyword == "minItems") return value.size() < rule ? place + " is too short" : "";
    if (keyword == "maxItems") return value.size() > rule ? place + " is too long" : "";
    if (keyword == "items") return problem_of_items(value, rule, place);
    if (keyword == "required") return problem_of_required(value, rule, place);
    if (keyword == "properties") return problem_of_properties(value, rule, place);
    if (keyword == "additionalProperties") return problem_of_others(value, schema, place);
    return keyword == "description" || keyword == "type" ? "" : "the check does not know the keyword " + keyword;
  }

  static bool has(const Json& list, const Json& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  }

  static bool is_of_type(const Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "integer") return value.is_number_integer();
    return type == "number" && value.is_number();
  }

  std::string problem_of_choice(const Json& value, const Json& choices, const std::string& place) const {
    std::string problems;
    int fitting = 0;
    for (const Json& choice : choices) {
      const std::string problem = problem_of(value, choice, place);
      if (problem.empty()) ++fitting;
      problems += "; " + problem;
    }
    return fitting == 1 ? "" : place + " fits " + std::to_string(fitting) + " of the choices" + problems;
  }

  std::string problem_of_items(const Json& value, const Json& rule, const std::string& place) const {
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string problem = problem_of(value[i], rule, place + "[" + std::to_string(i) + "]");
      if (!problem.empty()) return problem;
    }
    return "";
  }

  static std::string problem_of_required(const Json& value, const Json& rule, const std::string& place) {
    for (const Json& name : rule) {
      if (!value.contains(name.get<std::string>())) return place + " has no " + name.dump();
    }
    return "";
  }

  std::string problem_of_properties(const Json& value, const Json& rule, const std::string& place) const {
    for (const auto& [name, schema] : rule.items()) {
      if (!value.contains(name)) continue;
      const std::string problem = problem_of(value[name], schema, place + "." + name);
      if (!problem.empty()) return problem;
    }
    return "";
  }

  std::string problem_of_others(const Json& value, const Json& schema, const std::string& place) const {
    const Json& rule = schema["additionalProperties"];
    for (const auto& [name, field] : value.items()) {
      if (schema.contains("properties") && schema["properties"].contains(name)) continue;
      if (rule == false) return place + " has a field that the document has not: " + name;
      const std::string problem = problem_of(field, rule, place + "." + name);
      if (!problem.empty()) return problem;
    }
    return "";
  }

  Json document_;
};

}  // namespace neume::serve
