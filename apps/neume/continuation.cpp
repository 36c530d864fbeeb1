#include "continuation.hpp"

#include <fmt/format.h>

#include <optional>

#include "eval/churn.hpp"
#include "quantize/encoder.hpp"

namespace neume::app {

namespace {

std::string percent(double share) {
  return fmt::format("{:.1f}%", 100.0 * share);
}

}  // namespace

TextTable kept_table(const data::Catalogue& catalogue, const std::vector<Codebook>& before, const FittedCodebooks& warm,
                     const FittedCodebooks* cold) {
  std::vector<std::string> header{"family", "layer", "items", "codes kept", "IDs kept up to here"};
  if (cold != nullptr)
    header.insert(header.end(), {"cold: codes", "cold: IDs", "cold, renamed: codes", "cold, renamed: IDs"});
  TextTable table(std::move(header));
  for (std::size_t f = 0; f < before.size(); ++f) {
    const CodeFamily old = quantize::encode_family(catalogue, before[f].quantizer, before[f].name);
    const eval::Churn churn = eval::churn(old, warm.sids.families[f]);
    std::optional<eval::Churn> cold_churn;
    if (cold != nullptr) cold_churn = eval::churn(old, cold->sids.families[f]);
    for (std::size_t l = 0; l < churn.layers.size(); ++l) {
      std::vector<std::string> cells{before[f].name, fmt::to_string(l + 1), fmt::to_string(churn.items),
                                     percent(1.0 - churn.layers[l].changed),
                                     percent(1.0 - churn.layers[l].prefix_changed)};
      if (cold_churn) {
        const eval::LayerChurn& layer = cold_churn->layers[l];
        for (const double changed :
             {layer.changed, layer.prefix_changed, layer.changed_after_matching, layer.prefix_changed_after_matching})
          cells.push_back(percent(1.0 - changed));
      }
      table.add(std::move(cells));
    }
  }
  return table;
}

}  // namespace neume::app
