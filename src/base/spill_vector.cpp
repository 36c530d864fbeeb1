#include "base/spill_vector.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include <neume/error.hpp>

#include "base/descriptor.hpp"

namespace neume::base {

namespace {

[[noreturn]] void fail(const std::filesystem::path& folder, const char* act, int reason) {
  throw DataError(
      fmt::format("{}: cannot {} for a log that is kept on disk: {}; free space there, choose another "
                  "folder, or let more rows stay in memory",
                  folder.string(), act, std::strerror(reason)));
}

/// Blocks for the whole file now: a map of a sparse file would end in SIGBUS on a full disk.
void allocate_blocks(int descriptor, std::size_t size_bytes, const std::filesystem::path& folder) {
  int status = 0;
  do {
    status = posix_fallocate(descriptor, 0, static_cast<off_t>(size_bytes));
  } while (status == EINTR);
  if (status != 0) fail(folder, "make room", status);
}

}  // namespace

SpillMemory::~SpillMemory() {
  if (in_file()) {
    munmap(data_, size_bytes_);
    close(descriptor_);
  } else {
    std::free(data_);
  }
}

void SpillMemory::grow_in_memory(std::size_t size_bytes) {
  void* grown = std::realloc(data_, size_bytes);
  if (grown == nullptr) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(grown);
  size_bytes_ = size_bytes;
}

void SpillMemory::grow_in_file(std::size_t size_bytes, const std::filesystem::path& folder) {
  if (in_file()) {
    allocate_blocks(descriptor_, size_bytes, folder);
    void* grown = mremap(data_, size_bytes_, size_bytes, MREMAP_MAYMOVE);
    if (grown == MAP_FAILED) fail(folder, "map a file", errno);
    data_ = static_cast<std::byte*>(grown);
    size_bytes_ = size_bytes;
    return;
  }
  SpillMemory file;
  const int descriptor = open_unlinked(folder);
  if (descriptor < 0) fail(folder, "make a file", errno);
  void* map = MAP_FAILED;
  try {
    allocate_blocks(descriptor, size_bytes, folder);
    map = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (map == MAP_FAILED) fail(folder, "map a file", errno);
  } catch (...) {
    close(descriptor);
    throw;
  }
  file.data_ = static_cast<std::byte*>(map);
  file.size_bytes_ = size_bytes;
  file.descriptor_ = descriptor;
  if (size_bytes_ > 0) std::memcpy(file.data_, data_, size_bytes_);
  swap(file);
}

}  // namespace neume::base
