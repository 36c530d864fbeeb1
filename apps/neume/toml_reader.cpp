#include "toml_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.hpp"

namespace neume::app {

namespace {

/// Every dot may lead one table deeper, and the parser's tables are taken apart recursively: some 35,000 levels
/// overflow the stack.
constexpr std::ptrdiff_t kMaxDots = 10'000;

/// Where the string that begins at `begin` ends: behind its closing quotes, or where its line or the text does.
std::size_t end_of_string(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  const bool is_long = text.substr(begin, 3) == std::string(3, quote);
  const std::string closing(is_long ? 3 : 1, quote);
  for (std::size_t i = begin + closing.size(); i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (!is_long && text[i] == '\n') {
      return i;
    } else if (text.substr(i, closing.size()) == closing) {
      i += closing.size();
      while (is_long && i < text.size() && text[i] == quote) ++i;  // a long string may end in quotes of its own
      return i;
    }
  }
  return text.size();
}

/// Throws DataError for a character outside ASCII that stands neither in a string nor in a comment. TOML knows none,
/// and toml++ 3.3 is undefined for some (is_non_ascii_horizontal_whitespace of U+0152).
void check_characters(const std::string& file, std::string_view text) {
  std::size_t i = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;  // a byte order mark
  while (i < text.size()) {
    if (text[i] == '"' || text[i] == '\'') {
      i = end_of_string(text, i);
    } else if (text[i] == '#') {
      i = std::min(text.size(), text.find('\n', i));
    } else if (static_cast<unsigned char>(text[i]) >= 0x80) {
      throw DataError(
          fmt::format("{}:{}: expected ASCII outside strings and comments, found another character; put the "
                      "key or value in quotation marks",
                      file, 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(i), '\n')));
    } else {
      ++i;
    }
  }
}

}  // namespace

toml::table parse_toml(const std::string& file) {
  const std::string text = base::read_file(file);
  if (const std::ptrdiff_t dots = std::ranges::count(text, '.'); dots > kMaxDots) {
    throw DataError(
        fmt::format("{}: expected a file of options, found one with {} dots (at most {})", file, dots, kMaxDots));
  }
  check_characters(file, text);
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    throw DataError(fmt::format("{}:{}: {}", file, error.source().begin.line, error.description()));
  }
}

void TomlReader::text(std::string_view name, std::string& value, std::string_view) {
  if (const toml::node* node = take(name)) value = to_text(*node, name);
}

void TomlReader::texts(std::string_view name, std::vector<std::string>& values, std::string_view) {
  const toml::node* node = take(name);
  if (node == nullptr) return;
  values.clear();
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    values.push_back(to_text(*node, name));
    return;
  }
  for (const toml::node& element : *array) values.push_back(to_text(element, name));
}

void TomlReader::flag(std::string_view name, bool& value, std::string_view) {
  const toml::node* node = take(name);
  if (node == nullptr) return;
  if (!node->is_boolean()) fail(*node, name, "expected true or false");
  value = *node->value<bool>();
}

void TomlReader::finish() const {
  const auto check = [&](std::string_view key, const toml::node& node) {
    if (std::ranges::count(known_, key) > 0) return;
    fail(node, key, fmt::format("unknown key; known keys: {}", fmt::join(known_, ", ")));
  };
  for (const auto& [key, node] : table_) check(key.str(), node);
  for (const auto& [key, node] : put_) check(key, *node);
}

void TomlReader::fail(std::string_view name, const std::string& what) const {
  const toml::node* node = find(name);
  fail(node == nullptr ? static_cast<const toml::node&>(table_) : *node, name, what);
}

const toml::node* TomlReader::find(std::string_view name) const {
  const auto found = put_.find(name);
  return found == put_.end() ? table_.get(name) : found->second;
}

const toml::node* TomlReader::take(std::string_view name) {
  known_.emplace_back(name);
  return find(name);
}

std::string TomlReader::to_text(const toml::node& node, std::string_view name) const {
  if (!node.is_string()) fail(node, name, "expected text in quotation marks");
  return *node.value<std::string>();
}

void TomlReader::fail(const toml::node& node, std::string_view name, const std::string& what) const {
  const std::string place = section_.empty() ? std::string(name) : fmt::format("[{}] {}", section_, name);
  throw DataError(fmt::format("{}:{}: {}: {}", file_, node.source().begin.line, place, what));
}

}  // namespace neume::app
