#include "text_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <neume/error.hpp>

namespace neume::app {

namespace {

/// Characters, not bytes: UTF-8 continuation bytes do not count.
std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

/// A bar within a cell would end it.
std::string escape_bars(const std::string& text) {
  std::string escaped;
  for (const char character : text) {
    if (character == '|') escaped += '\\';
    escaped += character;
  }
  return escaped;
}

}  // namespace

void TextTable::add(std::vector<std::string> cells) {
  if (cells.size() != rows_[0].size()) {
    throw InternalError(fmt::format("a table of {} columns was given {} cells", rows_[0].size(), cells.size()));
  }
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> TextTable::widths() const {
  std::vector<std::size_t> result(rows_[0].size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) result[i] = std::max(result[i], display_width(row[i]));
  return result;
}

std::string TextTable::plain() const {
  const std::vector<std::size_t> width = widths();
  std::string text;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line = "  ";
    for (std::size_t i = 0; i < width.size(); ++i) {
      const std::string padding(width[i] - display_width(rows_[r][i]), ' ');
      line += i < num_labels_ ? rows_[r][i] + padding : padding + rows_[r][i];
      if (i + 1 < width.size()) line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
    if (r > 0) continue;
    std::size_t total = 2 * (width.size() - 1);
    for (const std::size_t w : width) total += w;
    text += "  " + std::string(total, '-') + "\n";
  }
  text.pop_back();
  return text;
}

std::string TextTable::markdown() const {
  std::string text;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    text += "|";
    for (const std::string& cell : rows_[r]) text += fmt::format(" {} |", escape_bars(cell));
    text += "\n";
    if (r > 0) continue;
    text += "|";
    for (std::size_t i = 0; i < rows_[0].size(); ++i) text += i < num_labels_ ? "---|" : "--:|";
    text += "\n";
  }
  text.pop_back();
  return text;
}

}  // namespace neume::app
