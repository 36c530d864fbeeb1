#include "report_page.hpp"

#include <fmt/format.h>

#include <string_view>

#include <neume/error.hpp>

#include "page_shell.hpp"

namespace neume::app {

/// The page with a mark where the data belongs. web/bundle.mjs writes its definition when neume is built.
std::string_view report_template();

namespace {

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

}  // namespace

std::string report_page(const Json& report) {
  check(report);
  return fill_page(report_template(), report);
}

}  // namespace neume::app
