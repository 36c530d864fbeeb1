#pragma once
// Answers as JSON.

#include <nlohmann/json.hpp>
#include <string>

#include "http/message.hpp"

namespace neume::serve {

/// Keys stay in the order in which they were written.
using AnswerJson = nlohmann::ordered_json;

/// Bytes of stored ids that are no UTF-8 are replaced.
inline http::Response json_answer(int status, const AnswerJson& body) {
  return {status, body.dump(-1, ' ', false, AnswerJson::error_handler_t::replace)};
}

/// The double with the fewest digits that is `value` in single precision: half the bytes, for a reader as exact.
double short_double(float value);

}  // namespace neume::serve
