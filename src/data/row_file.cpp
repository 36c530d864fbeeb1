#include "data/row_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "base/descriptor.hpp"

namespace neume::data {

namespace {

constexpr std::size_t kMostHeaderBytes = std::size_t{1} << 20;
constexpr std::size_t kSpoolBytes = std::size_t{1} << 20;

[[noreturn]] void fail(const std::string& name, const char* act) {
  throw DataError(fmt::format("{}: cannot {}: {}", name, act, std::strerror(errno)));
}

}  // namespace

OpenFile::OpenFile(const std::filesystem::path& path)
    : name_(path.string()), descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) fail(name_, "open");
  struct stat status {};
  if (fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) return;
  close(descriptor_);
  throw DataError(fmt::format("{}: expected a file, found a folder or a device", name_));
}

OpenFile OpenFile::unlinked(const std::filesystem::path& folder) {
  const int descriptor = base::open_unlinked(folder);
  if (descriptor < 0) fail(folder.string(), "put rows aside there");
  return {fmt::format("{}: rows put aside", folder.string()), descriptor};
}

OpenFile::~OpenFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

OpenFile::OpenFile(OpenFile&& other) noexcept
    : name_(std::move(other.name_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

std::size_t OpenFile::size_bytes() const {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) fail(name_, "read its size");
  return static_cast<std::size_t>(status.st_size);
}

void OpenFile::read(std::size_t offset, std::span<std::byte> out) const {
  const std::optional<std::size_t> count = base::read_at(descriptor_, offset, out);
  if (!count) fail(name_, "read");
  if (*count < out.size())
    throw DataError(
        fmt::format("{}: it ends at byte {} now: it was changed while it was read", name_, offset + *count));
}

void OpenFile::write(std::size_t offset, std::span<const std::byte> bytes) {
  if (!base::write_at(descriptor_, offset, bytes)) fail(name_, "write");
}

RowFile RowFile::of_npy(const std::filesystem::path& path) {
  OpenFile file(path);
  const std::size_t size = file.size_bytes();
  std::vector<std::byte> beginning(std::min(size, kMostHeaderBytes));
  file.read(0, beginning);
  const NpyLayout layout = read_npy_layout(path, beginning, size);
  return {std::move(file), layout};
}

void RowFile::read(std::size_t first, MatrixView out) const {
  const std::span<float> values(out.data, out.rows * out.cols);
  const std::size_t offset = layout_.data_begin + first * layout_.row_bytes();
  if (layout_.element == NpyElement::f32) {
    file_.read(offset, std::as_writable_bytes(values));
    return;
  }
  std::vector<std::byte> raw(out.rows * layout_.row_bytes());
  file_.read(offset, raw);
  read_npy_elements(layout_.element, raw.data(), values);
}

double RowFile::value(std::size_t row, std::size_t col) const {
  std::vector<std::byte> raw(layout_.row_bytes());
  file_.read(layout_.data_begin + row * layout_.row_bytes(), raw);
  return read_npy_element(layout_.element, raw.data() + col * (raw.size() / layout_.cols));
}

RowSpool::RowSpool(const std::filesystem::path& folder, std::size_t width)
    : file_(OpenFile::unlinked(folder)),
      buffer_(std::max<std::size_t>(1, kSpoolBytes / (width * sizeof(float))), width) {}

std::span<float> RowSpool::append() {
  if (buffered_ == buffer_.rows()) flush();
  return buffer_.row(buffered_++);
}

void RowSpool::flush() {
  const std::size_t row_bytes = buffer_.cols() * sizeof(float);
  file_.write(written_ * row_bytes, std::as_bytes(buffer_.flat().first(buffered_ * buffer_.cols())));
  written_ += buffered_;
  buffered_ = 0;
}

RowFile RowSpool::finish() {
  flush();
  return {std::move(file_), {NpyElement::f32, written_, buffer_.cols(), 0}};
}

}  // namespace neume::data
