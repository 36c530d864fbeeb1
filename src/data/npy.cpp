#include "data/npy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <neume/error.hpp>

namespace neume::data {

static_assert(std::endian::native == std::endian::little, "arrays are read as they lie in the file");

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

std::size_t bytes_of(NpyElement element) {
  switch (element) {
    case NpyElement::f16:
      return 2;
    case NpyElement::f32:
      return 4;
    case NpyElement::f64:
      return 8;
  }
  throw InternalError("an NPY element without a size");
}

/// Reads the dict `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`: exactly these keys, once each, in any
/// order, with any spaces between the tokens.
class HeaderParser {
 public:
  HeaderParser(const std::filesystem::path& path, std::string_view text) : path_(path), text_(text) {}

  struct Fields {
    std::optional<std::string> descr;
    std::optional<bool> fortran_order;
    std::optional<std::vector<std::size_t>> shape;
  };

  Fields parse() {
    Fields fields;
    expect('{');
    while (!take('}')) {
      parse_entry(fields);
      if (take(',')) continue;
      expect('}');
      break;
    }
    skip_spaces();
    if (place_ != text_.size()) fail("the end of the header");
    if (!fields.descr || !fields.fortran_order || !fields.shape) fail("the keys descr, fortran_order and shape");
    return fields;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    throw DataError(
        fmt::format("{}: broken NPY header: expected {} at character {}, found \"{}\"; write the array anew "
                    "with numpy.save",
                    path_.string(), expected, place_, printable(text_.substr(place_, 20))));
  }

  static std::string printable(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
      if (c < ' ' || c > '~') c = '.';
    }
    return result;
  }

  void skip_spaces() {
    while (place_ < text_.size() && (text_[place_] == ' ' || text_[place_] == '\n')) ++place_;
  }

  bool take(char c) {
    skip_spaces();
    if (place_ == text_.size() || text_[place_] != c) return false;
    ++place_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail(std::string(1, c));
  }

  bool take_word(std::string_view word) {
    skip_spaces();
    if (text_.substr(place_, word.size()) != word) return false;
    place_ += word.size();
    return true;
  }

  std::string parse_text() {
    const char quote = take('\'') ? '\'' : '"';
    if (quote == '"') expect('"');
    const std::size_t end = text_.find(quote, place_);
    if (end == std::string_view::npos) fail("a closing quote");
    std::string result(text_.substr(place_, end - place_));
    place_ = end + 1;
    return result;
  }

  bool parse_bool() {
    if (take_word("True")) return true;
    if (take_word("False")) return false;
    fail("True or False");
  }

  std::size_t parse_size() {
    skip_spaces();
    std::size_t value = 0;
    const char* begin = text_.data() + place_;
    const auto [end, status] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (status != std::errc()) fail("a whole number");
    place_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  std::vector<std::size_t> parse_shape() {
    std::vector<std::size_t> shape;
    expect('(');
    while (!take(')')) {
      shape.push_back(parse_size());
      if (take(',')) continue;
      expect(')');
      break;
    }
    return shape;
  }

  void parse_entry(Fields& fields) {
    const std::string key = parse_text();
    expect(':');
    if (key == "descr" && !fields.descr) {
      skip_spaces();
      if (place_ < text_.size() && text_[place_] == '[') fail("one element type (not a record of several fields)");
      fields.descr = parse_text();
    } else if (key == "fortran_order" && !fields.fortran_order) {
      fields.fortran_order = parse_bool();
    } else if (key == "shape" && !fields.shape) {
      fields.shape = parse_shape();
    } else {
      fail(fmt::format("descr, fortran_order and shape once each, not the key {}", printable(key)));
    }
  }

  const std::filesystem::path& path_;
  std::string_view text_;
  std::size_t place_ = 0;
};

NpyElement element_of(const std::filesystem::path& path, const std::string& descr) {
  if (descr == "<f2") return NpyElement::f16;
  if (descr == "<f4") return NpyElement::f32;
  if (descr == "<f8") return NpyElement::f64;
  if (descr.starts_with('>')) {
    throw DataError(fmt::format("{}: expected little-endian elements, found {} (big-endian); save x.astype('<f4')",
                                path.string(), descr));
  }
  throw DataError(
      fmt::format("{}: expected elements <f2, <f4 or <f8, found {}; save x.astype('<f4')", path.string(), descr));
}

/// The header's text and where the data begin.
struct Envelope {
  std::string_view header;
  std::size_t data_begin;
};

Envelope open_envelope(const std::filesystem::path& path, std::string_view file, std::size_t file_bytes) {
  constexpr std::size_t kVersionAt = kMagic.size();
  constexpr std::size_t kLengthAt = kVersionAt + 2;
  if (!file.starts_with(kMagic) || file.size() < kLengthAt + 2) {
    throw DataError(
        fmt::format("{}: expected an NPY file (it begins with \\x93NUMPY), found something else in its {} "
                    "bytes; write it with numpy.save",
                    path.string(), file_bytes));
  }
  const int major = static_cast<unsigned char>(file[kVersionAt]);
  const int minor = static_cast<unsigned char>(file[kVersionAt + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    throw DataError(fmt::format("{}: expected NPY version 1.0, 2.0 or 3.0, found {}.{}", path.string(), major, minor));
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  std::uint32_t length = 0;
  const std::size_t header_at = kLengthAt + length_bytes;
  if (file.size() >= header_at) std::memcpy(&length, file.data() + kLengthAt, length_bytes);
  if (file.size() < header_at || length > file.size() - header_at) {
    throw DataError(fmt::format("{}: truncated: expected an NPY header of {} bytes, found a file of {} bytes",
                                path.string(), length, file_bytes));
  }
  return {file.substr(header_at, length), header_at + length};
}

}  // namespace

std::size_t NpyLayout::row_bytes() const {
  return cols * bytes_of(element);
}

NpyLayout read_npy_layout(const std::filesystem::path& path, std::span<const std::byte> beginning,
                          std::size_t file_bytes) {
  const std::string_view text(reinterpret_cast<const char*>(beginning.data()), beginning.size());
  const auto envelope = open_envelope(path, text, file_bytes);
  const auto fields = HeaderParser(path, envelope.header).parse();
  const NpyElement element = element_of(path, *fields.descr);
  const auto& shape = *fields.shape;
  if (shape.size() != 2) {
    throw DataError(fmt::format("{}: expected 2 dimensions (items, columns), found {}: ({}); reshape the array",
                                path.string(), shape.size(), fmt::join(shape, ", ")));
  }
  if (*fields.fortran_order) {
    throw DataError(
        fmt::format("{}: expected C order, found fortran_order True; save numpy.ascontiguousarray(x)", path.string()));
  }
  if (shape[0] == 0 || shape[1] == 0) {
    throw DataError(
        fmt::format("{}: the table is empty: expected at least one row and one column, found shape ({}, {})",
                    path.string(), shape[0], shape[1]));
  }
  std::size_t expected = 0;
  const bool overflow = __builtin_mul_overflow(shape[0], shape[1], &expected) ||
                        __builtin_mul_overflow(expected, bytes_of(element), &expected);
  const std::size_t found = file_bytes - envelope.data_begin;
  if (overflow || expected != found) {
    throw DataError(fmt::format("{}: {}: expected {} bytes of data for shape ({}, {}) of {}, found {}", path.string(),
                                overflow || expected > found ? "truncated" : "something follows the array",
                                overflow ? "more than 2^64" : std::to_string(expected), shape[0], shape[1],
                                *fields.descr, found));
  }
  return {element, shape[0], shape[1], envelope.data_begin};
}

NpyFile::NpyFile(const std::filesystem::path& path)
    : file_(path), layout_(read_npy_layout(path, file_.bytes(), file_.bytes().size())) {}

const std::byte* NpyFile::at(std::size_t row, std::size_t col) const {
  return file_.bytes().data() + layout_.data_begin + row * layout_.row_bytes() + col * bytes_of(layout_.element);
}

void NpyFile::read_row(std::size_t row, std::span<float> out) const {
  read_npy_elements(layout_.element, at(row, 0), out);
}

double NpyFile::value(std::size_t row, std::size_t col) const {
  return read_npy_element(layout_.element, at(row, col));
}

void read_npy_elements(NpyElement element, const std::byte* bytes, std::span<float> out) {
  if (element == NpyElement::f32) {
    std::memcpy(out.data(), bytes, out.size_bytes());
    return;
  }
  constexpr double kMax = std::numeric_limits<float>::max();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double number = read_npy_element(element, bytes + i * bytes_of(element));
    out[i] = number > kMax ? kInfinity : number < -kMax ? -kInfinity : static_cast<float>(number);
  }
}

double read_npy_element(NpyElement element, const std::byte* bytes) {
  switch (element) {
    case NpyElement::f16: {
      std::uint16_t half = 0;
      std::memcpy(&half, bytes, sizeof half);
      return half_to_float(half);
    }
    case NpyElement::f32: {
      float single = 0;
      std::memcpy(&single, bytes, sizeof single);
      return single;
    }
    case NpyElement::f64: {
      double number = 0;
      std::memcpy(&number, bytes, sizeof number);
      return number;
    }
  }
  throw InternalError("an NPY element without a reader");
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1FU;
  const std::uint32_t fraction = half & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact in float
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide_exponent = exponent == 31 ? 255 : exponent - 15 + 127;
  return std::bit_cast<float>(sign | wide_exponent << 23 | fraction << 13);
}

}  // namespace neume::data
