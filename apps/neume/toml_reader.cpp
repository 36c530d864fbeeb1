#include "toml_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>

#include "base/file.hpp"

namespace neume::app {

namespace {

/// Every dot may lead one table deeper, and the parser's tables are taken apart recursively: some 35,000 levels
/// overflow the stack.
constexpr std::ptrdiff_t kMaxDots = 10'000;

}  // namespace

toml::table parse_toml(const std::string& file) {
  const std::string text = base::read_file(file);
  if (const std::ptrdiff_t dots = std::ranges::count(text, '.'); dots > kMaxDots) {
    throw DataError(
        fmt::format("{}: expected a file of options, found one with {} dots (at most {})", file, dots, kMaxDots));
  }
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
