#include "data/safetensors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include <neume/error.hpp>

namespace neume::data {

static_assert(std::endian::native == std::endian::little, "tensors are read and written as they lie in memory");

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr const char* kMetadata = "__metadata__";
constexpr const char* kChecksum = "neume.checksum";
const std::string kNoChecksum(16, '0');

struct DTypeName {
  DType dtype;
  const char* name;
  std::size_t size_bytes;
};
constexpr std::array<DTypeName, 7> kDTypes{{{DType::f32, "F32", 4},
                                            {DType::f64, "F64", 8},
                                            {DType::u16, "U16", 2},
                                            {DType::u32, "U32", 4},
                                            {DType::u64, "U64", 8},
                                            {DType::u8, "U8", 1},
                                            {DType::i32, "I32", 4}}};

const DTypeName& of(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)];
}

const DTypeName* dtype_named(const std::string& name) {
  const auto found = std::find_if(kDTypes.begin(), kDTypes.end(), [&](const auto& d) { return name == d.name; });
  return found == kDTypes.end() ? nullptr : &*found;
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Bytes of a tensor, or nothing where they do not fit in 64 bits.
std::optional<std::size_t> bytes_of(const std::vector<std::size_t>& shape, std::size_t element_bytes) {
  std::size_t bytes = element_bytes;
  for (const std::size_t extent : shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return bytes;
}

template <class T>
TensorView view_of(std::string name, std::vector<std::size_t> shape, std::span<const T> values, DType dtype) {
  return {std::move(name), dtype, std::move(shape), std::as_bytes(values)};
}

void check(std::span<const TensorView> tensors, const std::map<std::string, std::string>& metadata) {
  std::set<std::string_view> names;
  for (const auto& tensor : tensors) {
    if (tensor.name == kMetadata || !names.insert(tensor.name).second) {
      throw InvalidArgument(fmt::format("tensor name {}: it is reserved or used twice", tensor.name));
    }
    if (bytes_of(tensor.shape, of(tensor.dtype).size_bytes) != tensor.bytes.size()) {
      throw InvalidArgument(fmt::format("tensor {}: shape {} of {} does not match {} bytes", tensor.name,
                                        shape_text(tensor.shape), of(tensor.dtype).name, tensor.bytes.size()));
    }
  }
  if (metadata.contains(kChecksum)) throw InvalidArgument(fmt::format("metadata key {} is reserved", kChecksum));
}

/// The header as JSON text, padded with spaces so that the data after it start at a multiple of kAlignment.
std::string header_text(std::span<const TensorView> tensors, const std::map<std::string, std::string>& metadata,
                        const std::string& checksum) {
  Json header;
  header[kMetadata] = Json::object();
  for (const auto& [key, value] : metadata) header[kMetadata][key] = value;
  header[kMetadata][kChecksum] = checksum;
  std::size_t begin = 0;
  for (const auto& tensor : tensors) {
    const std::size_t end = begin + tensor.bytes.size();
    header[tensor.name] = {{"dtype", of(tensor.dtype).name}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception& error) {
    throw InvalidArgument(fmt::format("names and metadata of tensors must be UTF-8: {}", error.what()));
  }
  const std::size_t unpadded = kLengthBytes + text.size();
  text.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  return text;
}

/// Hash of the header (with kNoChecksum where the checksum stands) and of every tensor's bytes in file order.
std::string checksum_of(const std::string& header, std::span<const std::span<const std::byte>> tensors) {
  std::string parts = base::fingerprint(std::as_bytes(std::span(header)));
  for (const auto bytes : tensors) parts += base::fingerprint(bytes);
  return base::fingerprint(std::as_bytes(std::span(parts)));
}

}  // namespace

TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const float> values) {
  return view_of(std::move(name), std::move(shape), values, DType::f32);
}
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::uint16_t> values) {
  return view_of(std::move(name), std::move(shape), values, DType::u16);
}
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::uint32_t> values) {
  return view_of(std::move(name), std::move(shape), values, DType::u32);
}
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::uint64_t> values) {
  return view_of(std::move(name), std::move(shape), values, DType::u64);
}
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::uint8_t> values) {
  return view_of(std::move(name), std::move(shape), values, DType::u8);
}
TensorView tensor_of(std::string name, std::vector<std::size_t> shape, std::span<const std::int32_t> values) {
  return view_of(std::move(name), std::move(shape), values, DType::i32);
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  check(tensors, metadata);
  std::vector<std::span<const std::byte>> contents;
  contents.reserve(tensors.size());
  for (const auto& tensor : tensors) contents.push_back(tensor.bytes);
  const std::string checksum = checksum_of(header_text(tensors, metadata, kNoChecksum), contents);
  const std::string header = header_text(tensors, metadata, checksum);
  base::write_atomically(path, [&](const std::filesystem::path& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    const auto length = static_cast<std::uint64_t>(header.size());
    out.write(reinterpret_cast<const char*>(&length), kLengthBytes);
    out.write(header.data(), static_cast<std::streamsize>(header.size()));
    for (const auto bytes : contents) {
      out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    out.close();
    if (!out) throw DataError(fmt::format("{}: cannot write; is the disk full?", path.string()));
  });
}

namespace {

/// Reads and checks a header; every failure is a DataError with the path.
class SafetensorsHeader {
 public:
  SafetensorsHeader(const std::filesystem::path& path, std::span<const std::byte> file) : path_(path), file_(file) {}

  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(fmt::format("{}: not a sound safetensors file: {}", path_.string(), what));
  }

  /// The JSON text of the header; its end is where the tensors' data begin.
  std::string_view text() const {
    std::uint64_t length = 0;
    if (file_.size() < kLengthBytes) {
      fail(fmt::format("expected at least {} bytes, found {}", kLengthBytes, file_.size()));
    }
    std::memcpy(&length, file_.data(), kLengthBytes);
    if (length > kMaxHeaderBytes || length > file_.size() - kLengthBytes) {
      fail(fmt::format("expected a header of {} bytes, found {} bytes after the length; the file is truncated", length,
                       file_.size() - kLengthBytes));
    }
    return {reinterpret_cast<const char*>(file_.data()) + kLengthBytes, length};
  }

  Json json() const {
    const std::string_view header = text();
    if (!header.starts_with('{')) fail("expected the header to be a JSON object, found something else");
    std::vector<std::set<std::string>> keys;
    const auto refuse_twice = [&](int, Json::parse_event_t event, Json& value) {
      if (event == Json::parse_event_t::object_start) keys.emplace_back();
      if (event == Json::parse_event_t::object_end) keys.pop_back();
      if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
        fail(fmt::format("the header has the key {} twice", value.get<std::string>()));
      }
      return true;
    };
    try {
      return Json::parse(header, refuse_twice);
    } catch (const Json::exception& error) {
      fail(fmt::format("the header is not JSON: {}", error.what()));
    }
  }

  std::vector<std::size_t> sizes(const Json& value, const std::string& tensor, const char* field) const {
    const bool sound = value.is_array() &&
                       std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_number_unsigned(); });
    if (!sound) fail(fmt::format("tensor {}: {} is not a list of whole numbers", tensor, field));
    return value.get<std::vector<std::size_t>>();
  }

  struct Tensor {
    const DTypeName* dtype;
    std::vector<std::size_t> shape;
    std::size_t begin;
    std::size_t end;
  };

  Tensor tensor(const std::string& name, const Json& value, std::size_t data_bytes) const {
    const bool complete = value.is_object() && value.size() == 3 && value.contains("dtype") &&
                          value.contains("shape") && value.contains("data_offsets") && value["dtype"].is_string();
    if (!complete) fail(fmt::format("tensor {}: expected exactly dtype, shape and data_offsets", name));
    const auto dtype_text = value["dtype"].get<std::string>();
    const DTypeName* dtype = dtype_named(dtype_text);
    if (dtype == nullptr) {
      fail(fmt::format("tensor {}: expected element type F32, F64, U16, U32, U64 or U8, found {}", name, dtype_text));
    }
    auto shape = sizes(value["shape"], name, "shape");
    const auto offsets = sizes(value["data_offsets"], name, "data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_bytes) {
      fail(fmt::format("tensor {}: offsets {} lie outside the {} bytes of data; the file is truncated or broken", name,
                       shape_text(offsets), data_bytes));
    }
    if (bytes_of(shape, dtype->size_bytes) != offsets[1] - offsets[0]) {
      fail(fmt::format("tensor {}: shape {} of {} does not match {} bytes", name, shape_text(shape), dtype->name,
                       offsets[1] - offsets[0]));
    }
    return {dtype, std::move(shape), offsets[0], offsets[1]};
  }

  std::map<std::string, std::string> metadata(const Json& value) const {
    std::map<std::string, std::string> result;
    if (!value.is_object()) fail("__metadata__ is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) fail(fmt::format("metadata {}: expected text, found {}", key, text.type_name()));
      result[key] = text.get<std::string>();
    }
    return result;
  }

 private:
  const std::filesystem::path& path_;
  std::span<const std::byte> file_;
};

/// Tensors must follow each other without gap or overlap and fill the data to their end.
void check_layout(const SafetensorsHeader& header, std::vector<std::pair<std::size_t, std::size_t>> ranges,
                  std::size_t data_bytes) {
  std::sort(ranges.begin(), ranges.end());
  std::size_t expected = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != expected) header.fail(fmt::format("expected a tensor to begin at byte {}, found {}", expected, begin));
    expected = end;
  }
  if (expected != data_bytes) {
    header.fail(fmt::format("expected {} bytes of tensors, found {}; the file is truncated or has a tail", expected,
                            data_bytes));
  }
}

/// Compares the checksum that write_safetensors left in the metadata; files of other writers have none.
void check_content(const SafetensorsHeader& header, const std::string& checksum,
                   std::span<const std::span<const std::byte>> tensors) {
  std::string text(header.text());
  const std::string stored = fmt::format("\"{}\":\"{}\"", kChecksum, checksum);
  const std::size_t place = text.find(stored);
  if (place == std::string::npos) header.fail("the checksum is not where it was written");
  text.replace(place + stored.size() - 1 - checksum.size(), checksum.size(), kNoChecksum);
  const std::string found = checksum_of(text, tensors);
  if (found != checksum) {
    header.fail(
        fmt::format("expected the checksum {}, found {}: the file was damaged after it was written", checksum, found));
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::filesystem::path path) : path_(std::move(path)), file_(path_) {
  const auto file = file_.bytes();
  const SafetensorsHeader header(path_, file);
  const Json json = header.json();
  data_begin_ = kLengthBytes + header.text().size();
  const auto data = file.subspan(data_begin_);
  std::vector<std::pair<std::size_t, std::size_t>> ranges;
  std::vector<std::span<const std::byte>> contents;
  for (const auto& [name, value] : json.items()) {
    if (name == kMetadata) {
      metadata_ = header.metadata(value);
      continue;
    }
    auto tensor = header.tensor(name, value, data.size());
    ranges.emplace_back(tensor.begin, tensor.end);
    contents.push_back(data.subspan(tensor.begin, tensor.end - tensor.begin));
    entries_.emplace(name, Entry{tensor.dtype->dtype, std::move(tensor.shape), tensor.begin, tensor.end});
  }
  check_layout(header, std::move(ranges), data.size());
  if (const auto checksum = metadata_.extract(kChecksum)) check_content(header, checksum.mapped(), contents);
}

bool SafetensorsFile::has(std::string_view name) const {
  return entries_.contains(name);
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> result;
  result.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) result.push_back(name);
  return result;
}

const SafetensorsFile::Entry& SafetensorsFile::find(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    throw DataError(fmt::format("{}: expected a tensor {}, found {}", path_.string(), name,
                                entries_.empty() ? "none" : fmt::format("{}", fmt::join(names(), ", "))));
  }
  return found->second;
}

const std::vector<std::size_t>& SafetensorsFile::shape(std::string_view name) const {
  return find(name).shape;
}

void SafetensorsFile::copy(std::string_view name, DType dtype, std::span<std::byte> out) const {
  const Entry& entry = find(name);
  if (entry.dtype != dtype) {
    throw DataError(fmt::format("{}: tensor {}: expected elements {}, found {}", path_.string(), name, of(dtype).name,
                                of(entry.dtype).name));
  }
  const std::size_t found_bytes = entry.end - entry.begin;
  if (found_bytes != out.size()) {
    throw DataError(fmt::format("{}: tensor {}: expected {} values, found {} (shape {})", path_.string(), name,
                                out.size() / of(dtype).size_bytes, found_bytes / of(dtype).size_bytes,
                                shape_text(entry.shape)));
  }
  std::ranges::copy(file_.bytes().subspan(data_begin_ + entry.begin, found_bytes), out.begin());
}

void SafetensorsFile::read(std::string_view name, std::span<float> values) const {
  copy(name, DType::f32, std::as_writable_bytes(values));
}
void SafetensorsFile::read(std::string_view name, std::span<std::uint16_t> values) const {
  copy(name, DType::u16, std::as_writable_bytes(values));
}
void SafetensorsFile::read(std::string_view name, std::span<std::uint32_t> values) const {
  copy(name, DType::u32, std::as_writable_bytes(values));
}
void SafetensorsFile::read(std::string_view name, std::span<std::uint64_t> values) const {
  copy(name, DType::u64, std::as_writable_bytes(values));
}
void SafetensorsFile::read(std::string_view name, std::span<std::uint8_t> values) const {
  copy(name, DType::u8, std::as_writable_bytes(values));
}
void SafetensorsFile::read(std::string_view name, std::span<std::int32_t> values) const {
  copy(name, DType::i32, std::as_writable_bytes(values));
}

}  // namespace neume::data
