// neume fit.

#include <fmt/format.h>

#include "base/file.hpp"
#include "option_json.hpp"
#include "settings.hpp"

namespace neume::app {

int run(const FitSettings& settings, Console& console) {
  require_flag(settings.out, "--out");
  check_writable(std::filesystem::path(settings.out) / "manifest.json");
  const data::Catalogue catalogue = settings.catalogue.open();
  const FittedCodebooks fitted = fit_codebooks(catalogue, settings.codebooks, console);
  save_codebooks(fitted, json_of(settings), settings.out);
  console.print(fit_table(fitted, catalogue).plain());
  if (const std::string choice = prefix_weight_text(fitted); !choice.empty()) console.print(choice);
  console.print(fmt::format("{}: codebooks of {} families, fitted to {} items", settings.out, fitted.codebooks.size(),
                            catalogue.items.size()));
  return 0;
}

}  // namespace neume::app
