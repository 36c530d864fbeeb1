#pragma once
// Opens the store that a server was told to use.

#include <cstddef>
#include <memory>
#include <string>

#include "store/store.hpp"

namespace neume::store {

struct StoreOptions {
  std::size_t max_history = 10'000;   ///< events of a user and label that are kept
  std::size_t timeout_ms = 200;       ///< of one call to a store over the network
  std::string key_prefix = "neume:";  ///< of Redis keys: servers with the same one share what they keep
};

/// `where` is a folder (RocksDB; made where it is not there), or redis://[[user]:password@]host[:port][/database].
/// Throws InvalidArgument for a URL that is none, DataError for a folder that cannot be used (locked by another server,
/// not writable, damaged). A Redis that does not answer is no error here: calls throw StoreError until it does.
std::unique_ptr<Store> open_store(const std::string& where, const StoreOptions& options);

}  // namespace neume::store
