// neume fit.

#include <fmt/format.h>

#include <optional>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "continuation.hpp"
#include "option_json.hpp"
#include "settings.hpp"

namespace neume::app {

namespace {

/// What --continue-from names; nothing without it.
std::vector<Codebook> codebooks_before(const FitSettings& settings) {
  if (!settings.continue_from.empty()) return load_codebooks(settings.continue_from);
  if (settings.cold_refit) throw InvalidArgument("--cold-refit: only with --continue-from, which it is compared with");
  return {};
}

void print_kept(const data::Catalogue& catalogue, const std::vector<Codebook>& before, const FittedCodebooks& fitted,
                const FitSettings& settings, Console& console) {
  std::optional<FittedCodebooks> cold;
  if (settings.cold_refit) {
    const std::filesystem::path folder = std::filesystem::path(settings.out) / "cold-refit";  // for its checkpoints
    cold = fit_codebooks(catalogue, settings.codebooks, folder, console);
    std::filesystem::remove_all(folder);
  }
  console.print(fmt::format("\nWhat is kept of the IDs that {} gives to the same items:", settings.continue_from));
  console.print(kept_table(catalogue, before, fitted, cold ? &*cold : nullptr).plain());
}

}  // namespace

int run(const FitSettings& settings, Console& console) {
  require_flag(settings.out, "--out");
  check_writable(std::filesystem::path(settings.out) / "manifest.json");
  settings.codebooks.quantizer.validate();
  const std::vector<Codebook> before = codebooks_before(settings);
  const data::Catalogue catalogue = open_for_fit(settings.catalogue.required_sources(), settings.catalogue.options,
                                                 settings.codebooks, settings.sample);
  const FittedCodebooks fitted =
      fit_codebooks(catalogue, settings.codebooks, settings.out, console, before.empty() ? nullptr : &before);
  save_codebooks(fitted, catalogue, json_of(settings), settings.out);
  console.print(fit_table(fitted, catalogue).plain());
  if (const std::string choice = prefix_weight_text(fitted); !choice.empty()) console.print(choice);
  const std::string sample = sample_text(catalogue);
  if (!sample.empty()) console.print(fmt::format("fitted to a sample, which these figures are of: {}", sample));
  const std::string warning = sample_warning(catalogue, settings.codebooks.quantizer);
  if (!warning.empty()) console.print(warning);
  if (!before.empty()) print_kept(catalogue, before, fitted, settings, console);
  console.print(fmt::format("{}: codebooks of {} families, fitted to {} items", settings.out, fitted.codebooks.size(),
                            catalogue.items.size()));
  return 0;
}

}  // namespace neume::app
