#include "report_page.hpp"

#include <fmt/format.h>

#include <string_view>

#include <neume/error.hpp>

namespace neume::app {

/// The page with kDataMark where the data belongs. web/bundle.mjs writes its definition when neume is built.
std::string_view report_template();

namespace {

/// Stands once in the template, inside <script type="application/json">.
constexpr std::string_view kDataMark = "@@neume-report-data@@";

void check(const Json& report) {
  if (!report.is_object()) {
    throw InvalidArgument(fmt::format("report_page: expected a JSON object, found {}", report.type_name()));
  }
  if (report.value("format", Json()) != "neume-report" || report.value("version", Json()) != 1) {
    throw InvalidArgument(
        fmt::format("report_page: expected \"format\" \"neume-report\" and \"version\" 1 (docs/formats/report.md), "
                    "found format {} and version {}",
                    report.value("format", Json()).dump(), report.value("version", Json()).dump()));
  }
}

/// JSON in which no character opens markup. In JSON `<` stands in strings only, where \u003c means the same.
std::string data_text(const Json& report) {
  const std::string plain = report.dump(-1, ' ', false, Json::error_handler_t::replace);
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

std::string report_page(const Json& report) {
  check(report);
  const std::string_view page = report_template();
  const std::size_t mark = page.find(kDataMark);
  if (mark == std::string_view::npos) throw InternalError("report_page: the template has no place for the data");
  std::string result(page.substr(0, mark));
  result += data_text(report);
  result += page.substr(mark + kDataMark.size());
  return result;
}

}  // namespace neume::app
