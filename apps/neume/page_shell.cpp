#include "page_shell.hpp"

#include <neume/error.hpp>

namespace neume::app {

namespace {

/// Stands once in the template, inside <script type="application/json">.
constexpr std::string_view kDataMark = "@@neume-report-data@@";

/// JSON in which no character opens markup. In JSON `<` stands in strings only, where \u003c means the same.
std::string data_text(const Json& data) {
  const std::string plain = data.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string text;
  text.reserve(plain.size());
  for (const char character : plain) {
    if (character == '<') {
      text += "\\u003c";
    } else {
      text += character;
    }
  }
  return text;
}

}  // namespace

std::string fill_page(std::string_view page, const Json& data) {
  const std::size_t mark = page.find(kDataMark);
  if (mark == std::string_view::npos) throw InternalError("fill_page: the template has no place for the data");
  std::string result(page.substr(0, mark));
  result += data_text(data);
  result += page.substr(mark + kDataMark.size());
  return result;
}

}  // namespace neume::app
