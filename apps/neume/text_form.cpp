#include "text_form.hpp"

#include <fmt/format.h>

namespace neume::app {

std::string table_text(const TextTable& table, TextForm form) {
  return form == TextForm::plain ? table.plain() : table.markdown();
}

std::string heading(const std::string& text, TextForm form) {
  return form == TextForm::plain ? fmt::format("\n{}\n\n", text) : fmt::format("## {}\n\n", text);
}

std::string paragraph(const std::string& text) {
  return fmt::format("\n\n{}\n", text);
}

}  // namespace neume::app
