// neume fit.

#include <fmt/format.h>

#include "option_json.hpp"
#include "settings.hpp"

namespace neume::app {

int run(const FitSettings& settings, Console& console) {
  require_flag(settings.out, "--out");
  check_writable(std::filesystem::path(settings.out) / "manifest.json");
  settings.codebooks.quantizer.validate();
  const data::Catalogue catalogue = open_for_fit(settings.catalogue.required_sources(), settings.catalogue.options,
                                                 settings.codebooks, settings.sample);
  const FittedCodebooks fitted = fit_codebooks(catalogue, settings.codebooks, settings.out, console);
  save_codebooks(fitted, catalogue, json_of(settings), settings.out);
  console.print(fit_table(fitted, catalogue).plain());
  if (const std::string choice = prefix_weight_text(fitted); !choice.empty()) console.print(choice);
  const std::string sample = sample_text(catalogue);
  if (!sample.empty()) console.print(fmt::format("fitted to a sample, which these figures are of: {}", sample));
  console.print(fmt::format("{}: codebooks of {} families, fitted to {} items", settings.out, fitted.codebooks.size(),
                            catalogue.items.size()));
  return 0;
}

}  // namespace neume::app
