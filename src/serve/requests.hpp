#pragma once
// The bodies of requests, as docs/serving.md describes them. Each function throws RequestError with the field that is
// wrong.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/json_input.hpp"
#include "serve/served_model.hpp"
#include "store/store.hpp"

namespace neume::serve {

inline constexpr std::size_t kMaxEvents = 100;    ///< of one request
inline constexpr std::size_t kMaxExplained = 20;  ///< items of one request: each is scored again for every part
inline constexpr std::size_t kDefaultTop = 10;

/// POST /v1/rank.
struct RankRequest {
  std::optional<std::string> user_id;               ///< this or a history is there
  std::optional<std::vector<std::string>> history;  ///< oldest first; replaces what is known of the user
  std::vector<std::string> candidates;              ///< empty where all_candidates
  bool all_candidates = false;
  std::size_t top = kDefaultTop;
  bool exclude_history = false;
  bool explain = false;

  static RankRequest parse(std::string_view body, const JsonLimits& limits);
};

/// POST /v1/events: one event, or several.
struct EventsRequest {
  std::vector<store::Event> events;  ///< with ids and times
  bool is_list = false;

  /// `now` is the time of an event without one. An event without an id gets one that is a hash of its other fields, so
  /// that the same event sent again is the same event.
  static EventsRequest parse(std::string_view body, std::int64_t now, const JsonLimits& limits);
};

/// POST /v1/items: either embeddings or codes.
struct ItemRequest {
  std::string item_id;
  Embeddings embeddings;
  CodesByFamily codes;

  static ItemRequest parse(std::string_view body, const JsonLimits& limits);
};

/// POST /v1/encode.
Embeddings parse_encode_request(std::string_view body, const JsonLimits& limits);

/// POST /v1/models, and /v1/models/restore (without folders).
struct ModelRequest {
  std::string variant;
  ModelFolders folders;

  static ModelRequest parse(std::string_view body, const JsonLimits& limits);
  static ModelRequest parse_restore(std::string_view body, const JsonLimits& limits);
};

/// POST /v2/models/neume/infer: the Open Inference Protocol's tensors, version 2, without its binary extension.
struct InferRequest {
  std::string id;  ///< the client's own; may be empty
  std::optional<std::string> user_id;
  std::optional<std::vector<std::string>> history;
  std::vector<std::string> candidates;
  std::vector<std::int64_t> shape;   ///< of the candidates, and so of the outputs
  std::vector<std::string> outputs;  ///< that are asked for, in this order; empty: all

  static InferRequest parse(std::string_view body, const JsonLimits& limits);
};

}  // namespace neume::serve
