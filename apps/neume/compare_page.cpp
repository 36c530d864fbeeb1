#include "compare_page.hpp"

#include <fmt/format.h>

#include <string_view>

#include <neume/error.hpp>

#include "page_shell.hpp"

namespace neume::app {

/// The page with a mark where the data belongs. web/bundle.mjs writes its definition when neume is built.
std::string_view compare_template();

std::string compare_page(const Json& comparison) {
  const bool is_comparison = comparison.is_object() && comparison.value("format", Json()) == "neume-compare" &&
                             comparison.value("version", Json()) == 1;
  if (!is_comparison) {
    throw InvalidArgument(
        "compare_page: expected an object with \"format\" \"neume-compare\" and \"version\" 1 "
        "(docs/formats/compare.md)");
  }
  return fill_page(compare_template(), comparison);
}

}  // namespace neume::app
