// neume drift.

#include <fmt/format.h>

#include <numeric>

#include "drift_report.hpp"
#include "settings.hpp"

namespace neume::app {

int run(const DriftSettings& settings, Console& console) {
  require_flag(settings.codebooks, "--codebooks");
  if (!settings.out.empty()) check_writable(settings.out);
  const std::vector<Codebook> codebooks = load_codebooks(settings.codebooks);
  const data::Catalogue catalogue = settings.catalogue.open();
  std::vector<std::uint32_t> items(catalogue.items.size());
  std::iota(items.begin(), items.end(), 0u);
  const DriftReport report = measure_drift(catalogue, codebooks, items);
  if (!settings.out.empty()) write_json(settings.out, drift_json(report));
  console.print(drift_text(report));
  return 0;
}

}  // namespace neume::app
