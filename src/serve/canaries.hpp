#pragma once
// What a model must show before it answers anybody.

#include <cstddef>

#include "serve/served_model.hpp"

namespace neume::serve {

/// Scores `count` requests made from the model's own users, histories and items, which also fills caches. Throws
/// DataError, with the request, where a logit is not finite or not that of the path that neume evaluate takes, or where
/// no request tells two items apart. Not while another thread uses the model.
void verify_canaries(ServedModel& model, std::size_t count);

}  // namespace neume::serve
