#pragma once
// The store of one server: a RocksDB in a folder. Keys and values: docs/formats/store.md; why so: docs/decisions/0015.

#include <filesystem>
#include <memory>

#include "store/open_store.hpp"
#include "store/store.hpp"

namespace neume::store {

/// Opens the store in `folder`, which is made, for its owner alone, where it is not there. Throws DataError where the
/// folder is another server's at present, cannot be written, holds something else or is damaged.
std::unique_ptr<Store> open_rocksdb_store(const std::filesystem::path& folder, const StoreOptions& options);

}  // namespace neume::store
