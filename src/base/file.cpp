#include "base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>

#include <neume/error.hpp>

namespace neume::base {

namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";  // stands between the target's name and the process

[[noreturn]] void fail(const Path& path, const std::string& act) {
  throw DataError(fmt::format("{}: cannot {}: {}", path.string(), act, std::strerror(errno)));
}

void sync_to_disk(const Path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY);
  if (descriptor < 0) fail(path, "open");
  const int status = fsync(descriptor);
  close(descriptor);
  if (status != 0) fail(path, "sync");
}

Path folder_of(const Path& target) {
  return target.has_parent_path() ? target.parent_path() : Path(".");
}

}  // namespace

void write_atomically(const Path& target, const std::function<void(const Path&)>& write) {
  const Path folder = folder_of(target);
  std::error_code status;
  std::filesystem::create_directories(folder, status);
  if (status) throw DataError(fmt::format("{}: cannot make the folder: {}", folder.string(), status.message()));
  const Path temporary = folder / fmt::format("{}{}{}", target.filename().string(), kTemporaryMark, getpid());
  try {
    write(temporary);
    sync_to_disk(temporary);
    if (std::rename(temporary.c_str(), target.c_str()) != 0) fail(target, "put the new file in place");
    sync_to_disk(folder);
  } catch (...) {
    std::filesystem::remove(temporary, status);
    throw;
  }
}

void remove_leftovers(const Path& folder, const std::function<bool(std::string_view target)>& is_ours) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const std::size_t end = name.find_last_not_of("0123456789") + 1;  // of what the number of the process follows
    const std::string_view stem = std::string_view(name).substr(0, end);
    if (end == name.size() || !stem.ends_with(kTemporaryMark)) continue;
    if (is_ours(stem.substr(0, stem.size() - kTemporaryMark.size()))) std::filesystem::remove(entry.path(), ignored);
  }
}

void write_file(const Path& target, const std::string& content) {
  write_atomically(target, [&](const Path& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    if (!out) fail(temporary, "open for writing");
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.close();
    if (!out) fail(temporary, "write");
  });
}

std::string read_file(const Path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

MappedFile::MappedFile(const Path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY);
  if (descriptor < 0) fail(path, "open");
  struct stat status {};
  const bool known = fstat(descriptor, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    close(descriptor);
    if (!known) fail(path, "read its size");
    throw DataError(fmt::format("{}: expected a file, found a folder or a device", path.string()));
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ > 0) {
    void* map = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    const int reason = errno;
    close(descriptor);
    errno = reason;
    if (map == MAP_FAILED) fail(path, "map");
    data_ = static_cast<const std::byte*>(map);
  } else {
    close(descriptor);
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept : data_(other.data_), size_(other.size_) {
  other.data_ = nullptr;
  other.size_ = 0;
}

std::uint64_t hash64(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string fingerprint(std::span<const std::byte> bytes) {
  return fmt::format("{:016x}", hash64(bytes));
}

std::string fingerprint_of_file(const Path& path) {
  return fingerprint(MappedFile(path).bytes());
}

PieceHash::PieceHash() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  XXH3_64bits_reset(state_.get());
}

void PieceHash::add(std::span<const std::byte> piece) {
  XXH3_64bits_update(state_.get(), piece.data(), piece.size());
}

std::string PieceHash::fingerprint() const {
  return fmt::format("{:016x}", XXH3_64bits_digest(state_.get()));
}

void PieceHash::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}

}  // namespace neume::base
