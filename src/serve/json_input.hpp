#pragma once
// JSON that clients send, read within limits: what is wrong ends in a RequestError that names the field.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <neume/error.hpp>

namespace neume::serve {

using Json = nlohmann::json;

/// A request that the client can change, or ask for something that is there: status 4xx.
class RequestError : public Error {
 public:
  RequestError(int status, const std::string& reason) : Error(reason), status_(status) {}
  int status() const { return status_; }

 private:
  int status_;
};

struct JsonLimits {
  std::size_t depth = 16;         ///< objects and lists inside each other
  std::size_t values = 200'000;   ///< of all kinds, in all places: some 16 bytes to 100 bytes of memory each
  std::size_t id_bytes = 512;     ///< of a user's, an item's or an event's id
  std::size_t elements = 10'000;  ///< of a list of ids
};

/// Reads one JSON document of RFC 8259 in UTF-8. Throws RequestError (400; 413 beyond `limits`) for anything else, an
/// object with the same key twice, or a number that no double holds. Time and memory grow with the text alone.
Json parse_json(std::string_view text, const JsonLimits& limits = {});

/// The fields of an object. A null is a field that is not there.
class JsonFields {
 public:
  /// `place` is what messages call the object: "body", "events[3]". Throws RequestError where `value` is no object. The
  /// value must outlive it.
  JsonFields(const Json& value, std::string place);

  /// The field, or nullptr. Every key that was asked for is one that finish() knows.
  const Json* find(const std::string& key);

  /// The field. Throws RequestError where it is not there.
  const Json& require(const std::string& key);

  /// "events[3].item_id", for messages.
  std::string place_of(const std::string& key) const;

  /// Throws RequestError for a field that nobody has asked for, with the known ones.
  void finish() const;

 private:
  const Json& value_;
  std::string place_;
  std::vector<std::string> known_;
};

// One value each; `place` is what messages call it. They throw RequestError for any other kind of value.

/// An id: text of 1 to `limits.id_bytes` bytes, or an integer, which becomes its decimal form.
std::string read_id(const Json& value, const std::string& place, const JsonLimits& limits);
/// A list of ids, of at most `limits.elements` (413 beyond).
std::vector<std::string> read_ids(const Json& value, const std::string& place, const JsonLimits& limits);
std::string read_text(const Json& value, const std::string& place);
bool read_flag(const Json& value, const std::string& place);
/// An integer from `min` to `max`.
std::int64_t read_integer(const Json& value, const std::string& place, std::int64_t min, std::int64_t max);
/// A list of numbers that single precision holds.
std::vector<float> read_floats(const Json& value, const std::string& place);

}  // namespace neume::serve
