#pragma once
// What file descriptors' system calls leave to their callers: reads and writes that are whole, files without a name.
// errno holds the reason of a failure, so that callers name the file and what to do.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>

namespace neume::base {

/// Opens a file without a name in `folder` (made where it is missing): the kernel frees it with its last descriptor and
/// map. Returns the descriptor, or -1.
int open_unlinked(const std::filesystem::path& folder);

/// Fills `out` from byte `offset` on. Returns the number of bytes read, fewer than out.size() only where the file ends;
/// nothing where it cannot be read. Thread-safe.
std::optional<std::size_t> read_at(int descriptor, std::size_t offset, std::span<std::byte> out);

/// Writes all of `bytes` from byte `offset` on; false where that fails.
bool write_at(int descriptor, std::size_t offset, std::span<const std::byte> bytes);

}  // namespace neume::base
