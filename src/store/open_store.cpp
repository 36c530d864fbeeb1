#include "store/open_store.hpp"

#include "store/redis_store.hpp"
#include "store/redis_url.hpp"
#include "store/rocksdb_store.hpp"

namespace neume::store {

namespace {

constexpr std::size_t kMaxHistoryLimit = 1'000'000'000;
constexpr std::size_t kMaxTimeoutMs = 3'600'000;

void require_between(const std::string& name, std::size_t value, std::size_t highest) {
  if (value >= 1 && value <= highest) return;
  throw InvalidArgument("store: " + name + " is " + std::to_string(value) + "; expected 1 to " +
                        std::to_string(highest));
}

void require_valid(const StoreOptions& options) {
  require_between("max_history", options.max_history, kMaxHistoryLimit);
  require_between("timeout_ms", options.timeout_ms, kMaxTimeoutMs);
}

}  // namespace

std::unique_ptr<Store> open_store(const std::string& where, const StoreOptions& options) {
  require_valid(options);
  if (RedisUrl::is_url(where)) return open_redis_store(RedisUrl::parse(where), options);
  if (where.empty() || where.find("://") != std::string::npos) {
    throw InvalidArgument("store: expected a folder or redis://[[user]:password@]host[:port][/database]");
  }
  return open_rocksdb_store(where, options);
}

}  // namespace neume::store
