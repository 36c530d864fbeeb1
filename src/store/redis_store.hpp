#pragma once
// The store that several servers share: a Redis (5 or newer), not a cluster of them. Keys and values:
// docs/formats/store.md. Every call is one command or one script, so that it is atomic beside other servers.

#include <memory>

#include "store/open_store.hpp"
#include "store/redis_url.hpp"
#include "store/store.hpp"

namespace neume::store {

/// Throws DataError where the server answers and refuses: the login, the database, or because what it keeps under the
/// prefix is another version's. Where it does not answer, calls do so later, in StoreError.
std::unique_ptr<Store> open_redis_store(const RedisUrl& url, const StoreOptions& options);

}  // namespace neume::store
