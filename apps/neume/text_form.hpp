#pragma once
// Text for a terminal, and as Markdown.

#include <string>

#include "text_table.hpp"

namespace neume::app {

enum class TextForm { plain, markdown };

std::string table_text(const TextTable& table, TextForm form);

/// A heading with the empty lines around it.
std::string heading(const std::string& text, TextForm form);

/// Lines that wrap by themselves in a terminal and in Markdown.
std::string paragraph(const std::string& text);

}  // namespace neume::app
