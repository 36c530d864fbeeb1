#include "serve/json_input.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace neume::serve {

namespace {

constexpr int kBad = 400;
constexpr int kTooLarge = 413;

/// Builds a document while it holds every value to the limits, so that none is passed before it is noticed. The
/// parser's own builder keeps the last of two equal keys; here they are an error, as readers differ in which they take.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { throw InternalError("JSON text has no binary values"); }

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (open_.back()->contains(name)) {
      throw RequestError(kBad, fmt::format("body: the key {} occurs twice in an object", shown(name)));
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) override {
    if (error.id == kOutOfRange) {
      throw RequestError(kBad, fmt::format("body: the number that ends at byte {} is beyond a double", position));
    }
    throw RequestError(kBad, fmt::format("body: not JSON (in UTF-8): unexpected input at byte {}", position));
  }

  Json take() { return std::move(root_); }

  /// At most 40 bytes of a client's text, for a message.
  static std::string shown(const std::string& text) { return text.size() <= 40 ? text : text.substr(0, 37) + "..."; }

 private:
  static constexpr int kOutOfRange = 406;  // nlohmann's number of this exception

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (open_.size() == limits_.depth) {
      throw RequestError(kTooLarge, fmt::format("body: more than {} levels of nesting", limits_.depth));
    }
    open_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  /// Puts a value where the document stands. Places stay: an open array gets no other element before it is closed.
  Json* place(Json value) {
    if (++num_values_ > limits_.values) {
      throw RequestError(kTooLarge, fmt::format("body: more than {} values", limits_.values));
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  const JsonLimits& limits_;
  std::size_t num_values_ = 0;
  Json root_;
  std::vector<Json*> open_;
  std::string key_;
};

[[noreturn]] void refuse(const std::string& place, std::string_view expected, const Json& found) {
  const auto kind = found.is_number() ? "a number" : found.is_string() ? "text" : found.type_name();
  throw RequestError(kBad, fmt::format("{}: expected {}, found {}", place, expected, kind));
}

}  // namespace

Json parse_json(std::string_view text, const JsonLimits& limits) {
  Builder builder(limits);
  if (!Json::sax_parse(text, &builder)) throw InternalError("the JSON parser stopped without an error");
  return builder.take();
}

JsonFields::JsonFields(const Json& value, std::string place) : value_(value), place_(std::move(place)) {
  if (!value.is_object()) refuse(place_, "an object", value);
}

const Json* JsonFields::find(const std::string& key) {
  known_.push_back(key);
  const auto field = value_.find(key);
  return field == value_.end() || field->is_null() ? nullptr : &*field;
}

const Json& JsonFields::require(const std::string& key) {
  const Json* field = find(key);
  if (field == nullptr) throw RequestError(kBad, fmt::format("{}: required", place_of(key)));
  return *field;
}

std::string JsonFields::place_of(const std::string& key) const {
  return place_ == "body" ? key : fmt::format("{}.{}", place_, key);
}

void JsonFields::finish() const {
  for (const auto& [key, field] : value_.items()) {
    if (std::ranges::count(known_, key) > 0) continue;
    throw RequestError(
        kBad, fmt::format("{}: unknown field; known are {}", place_of(Builder::shown(key)), fmt::join(known_, ", ")));
  }
}

std::string read_id(const Json& value, const std::string& place, const JsonLimits& limits) {
  if (value.is_number_unsigned()) return fmt::to_string(value.get<std::uint64_t>());
  if (value.is_number_integer()) return fmt::to_string(value.get<std::int64_t>());
  if (!value.is_string()) refuse(place, "an id (text or an integer)", value);
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty() || text.size() > limits.id_bytes) {
    throw RequestError(
        kBad, fmt::format("{}: expected an id of 1 to {} bytes, found {}", place, limits.id_bytes, text.size()));
  }
  return text;
}

std::vector<std::string> read_ids(const Json& value, const std::string& place, const JsonLimits& limits) {
  if (!value.is_array()) refuse(place, "a list of ids", value);
  if (value.size() > limits.elements) {
    throw RequestError(kTooLarge,
                       fmt::format("{}: expected at most {} ids, found {}", place, limits.elements, value.size()));
  }
  std::vector<std::string> ids;
  ids.reserve(value.size());
  for (const Json& id : value) {
    // The place is put together only where it is needed: this is a request's largest part.
    const bool is_good = id.is_string() && !id.get_ref<const std::string&>().empty() &&
                         id.get_ref<const std::string&>().size() <= limits.id_bytes;
    ids.push_back(is_good ? id.get_ref<const std::string&>()
                          : read_id(id, fmt::format("{}[{}]", place, ids.size()), limits));
  }
  return ids;
}

std::string read_text(const Json& value, const std::string& place) {
  if (!value.is_string()) refuse(place, "text", value);
  return value.get<std::string>();
}

bool read_flag(const Json& value, const std::string& place) {
  if (!value.is_boolean()) refuse(place, "true or false", value);
  return value.get<bool>();
}

std::int64_t read_integer(const Json& value, const std::string& place, std::int64_t min, std::int64_t max) {
  const std::string expected = fmt::format("an integer from {} to {}", min, max);
  if (!value.is_number_integer()) refuse(place, expected, value);
  const bool fits = !value.is_number_unsigned() ||
                    value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!fits || value.get<std::int64_t>() < min || value.get<std::int64_t>() > max) {
    throw RequestError(kBad, fmt::format("{}: expected {}, found {}", place, expected, value.dump()));
  }
  return value.get<std::int64_t>();
}

std::vector<float> read_floats(const Json& value, const std::string& place) {
  if (!value.is_array()) refuse(place, "a list of numbers", value);
  std::vector<float> numbers;
  numbers.reserve(value.size());
  for (const Json& element : value) {
    if (!element.is_number()) refuse(fmt::format("{}[{}]", place, numbers.size()), "a number", element);
    const auto number = element.get<double>();
    if (!(std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max()))) {
      throw RequestError(kBad, fmt::format("{}[{}]: beyond single precision", place, numbers.size()));
    }
    numbers.push_back(static_cast<float>(number));
  }
  return numbers;
}

}  // namespace neume::serve
