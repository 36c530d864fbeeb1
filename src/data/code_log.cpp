#include "data/code_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include <neume/error.hpp>

#include "base/descriptor.hpp"
#include "base/file.hpp"

namespace neume::data {

namespace {

constexpr std::string_view kMagic = "neume encode 1\n";
constexpr std::size_t kHeaderBytes = kMagic.size() + 16 + 1;  // the fingerprint and a new line

[[noreturn]] void fail(const std::filesystem::path& path, const char* act, const char* advice = "") {
  throw DataError(fmt::format("{}: cannot {}: {}{}", path.string(), act, std::strerror(errno), advice));
}

bool read_all(int descriptor, std::size_t offset, std::span<std::byte> out) {
  return base::read_at(descriptor, offset, out) == out.size();
}

/// Hash of a block's content and its number, so that a block is not taken for another.
std::uint64_t hash_of_block(std::size_t block, std::span<const std::byte> content) {
  return base::hash64(content) ^ (std::uint64_t{block} * 0x9E3779B97F4A7C15ULL);
}

std::string header_of(const std::string& fingerprint) {
  return fmt::format("{}{}\n", kMagic, fingerprint);
}

}  // namespace

CodeLog::CodeLog(const std::filesystem::path& path, const std::string& fingerprint, const Shape& shape)
    : path_(path), shape_(shape), counts_(shape.num_counts) {
  std::error_code status;
  std::filesystem::create_directories(std::filesystem::absolute(path).parent_path(), status);
  descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(path, "open");
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    close(descriptor_);
    throw DataError(
        fmt::format("{}: another neume encode is writing it; wait for it or choose another --out", path.string()));
  }
  if (!has_header(fingerprint)) {
    begin_anew(fingerprint);
    return;
  }
  found_ = Found::same;
  for (std::size_t block = 0; num_items_ < shape_.num_items && read_block(block); ++block)
    num_items_ += items_of_block(block);
}

CodeLog::~CodeLog() {
  if (num_items_ == 0) remove();
  close(descriptor_);
}

bool CodeLog::has_header(const std::string& fingerprint) const {
  std::string header(kHeaderBytes, '\0');
  return read_all(descriptor_, 0, std::as_writable_bytes(std::span(header))) && header == header_of(fingerprint);
}

void CodeLog::begin_anew(const std::string& fingerprint) {
  struct stat status {};
  if (fstat(descriptor_, &status) == 0 && status.st_size > 0) found_ = Found::other;
  if (ftruncate(descriptor_, 0) != 0) fail(path_, "begin anew");
  const std::string header = header_of(fingerprint);
  write(0, std::as_bytes(std::span(header)));
}

std::size_t CodeLog::items_of_block(std::size_t block) const {
  return std::min(shape_.items_per_block, shape_.num_items - block * shape_.items_per_block);
}

std::size_t CodeLog::block_bytes(std::size_t items) const {
  return items * shape_.codes_per_item * sizeof(Code) + (shape_.num_counts + 1) * sizeof(std::uint64_t);
}

std::size_t CodeLog::offset_of_block(std::size_t block) const {
  return kHeaderBytes + block * block_bytes(shape_.items_per_block);
}

/// Reads a block, adds its counts, and tells whether it is whole.
bool CodeLog::read_block(std::size_t block) {
  buffer_.resize(block_bytes(items_of_block(block)));
  if (!read_all(descriptor_, offset_of_block(block), buffer_)) return false;
  std::uint64_t stored = 0;
  const std::size_t content = buffer_.size() - sizeof stored;
  std::memcpy(&stored, buffer_.data() + content, sizeof stored);
  if (stored != hash_of_block(block, std::span(buffer_).first(content))) return false;
  const std::byte* counts = buffer_.data() + content - counts_.size() * sizeof(std::uint64_t);
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    std::uint64_t count = 0;
    std::memcpy(&count, counts + i * sizeof count, sizeof count);
    counts_[i] += count;
  }
  return true;
}

void CodeLog::append(std::span<const Code> codes, std::span<const std::uint64_t> counts) {
  const std::size_t block = num_items_ / shape_.items_per_block, items = items_of_block(block);
  if (codes.size() != items * shape_.codes_per_item || counts.size() != counts_.size())
    throw InternalError(fmt::format("a block of {} items does not fit {} codes", items, codes.size()));
  buffer_.resize(block_bytes(items));
  std::byte* out = std::ranges::copy(std::as_bytes(codes), buffer_.data()).out;
  out = std::ranges::copy(std::as_bytes(counts), out).out;
  const std::uint64_t hash = hash_of_block(block, {buffer_.data(), out});
  std::memcpy(out, &hash, sizeof hash);
  write(offset_of_block(block), buffer_);
  num_items_ += items;
  for (std::size_t i = 0; i < counts.size(); ++i) counts_[i] += counts[i];
}

void CodeLog::write(std::size_t offset, std::span<const std::byte> bytes) {
  if (!base::write_at(descriptor_, offset, bytes))
    fail(path_, "write", "; free some space and give the same command again: it goes on from here");
}

void CodeLog::read(std::size_t first, std::span<Code> out) const {
  while (!out.empty()) {
    const std::size_t block = first / shape_.items_per_block, place = first % shape_.items_per_block;
    const std::size_t items = std::min(out.size() / shape_.codes_per_item, items_of_block(block) - place);
    const std::size_t codes = items * shape_.codes_per_item;
    const std::size_t offset = offset_of_block(block) + place * shape_.codes_per_item * sizeof(Code);
    const auto bytes = std::as_writable_bytes(out.first(codes));
    const std::optional<std::size_t> count = base::read_at(descriptor_, offset, bytes);
    if (!count) fail(path_, "read");
    if (*count < bytes.size())
      throw DataError(
          fmt::format("{}: it ends at byte {} now: it was changed meanwhile", path_.string(), offset + *count));
    first += items;
    out = out.subspan(codes);
  }
}

void CodeLog::remove() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

}  // namespace neume::data
