// neume export: a trained ranker for other programs, as an ONNX graph that scores or as tables.

#include <fmt/format.h>

#include <neume/error.hpp>

#include "json_file.hpp"
#include "rank/bundle.hpp"
#include "rank/onnx_export.hpp"
#include "rank/parameter_export.hpp"
#include "settings.hpp"

namespace neume::app {

namespace {

void export_onnx(const std::string& path, rank::RankerBundle& bundle) {
  const RankerModel model = bundle.options().model;
  const auto* network = dynamic_cast<const rank::SequenceModel<float>*>(&bundle.network());
  if (network == nullptr || (model != RankerModel::mcca && model != RankerModel::din && model != RankerModel::qarm)) {
    throw InvalidArgument(
        fmt::format("--onnx: expected a ranker of the model mcca, din or qarm, found {}; --safetensors "
                    "exports the parameters of every model",
                    kRankerModelNames[static_cast<std::size_t>(model)]));
  }
  rank::write_onnx(path, {network->spec(), bundle.codes(), bundle.network().parameters()});
}

}  // namespace

int run(const ExportSettings& settings, Console& console) {
  require_flag(settings.model, "--model");
  if (settings.onnx.empty() && settings.safetensors.empty()) {
    throw InvalidArgument("nothing to export: expected --onnx FILE, --safetensors FILE or both");
  }
  for (const std::string& path : {settings.onnx, settings.safetensors}) {
    if (!path.empty()) check_writable(path);
  }
  rank::RankerBundle bundle = rank::RankerBundle::load(settings.model);
  if (!settings.onnx.empty()) {
    export_onnx(settings.onnx, bundle);
    console.print(fmt::format("{}: the scoring graph", settings.onnx));
  }
  if (!settings.safetensors.empty()) {
    rank::write_exported_parameters(settings.safetensors,
                                    {bundle.network().parameters(), bundle.codes(), bundle.item_interactions()});
    console.print(fmt::format("{}: {} tables and weights of {} items", settings.safetensors,
                              bundle.network().parameters().size(), bundle.items().size()));
  }
  return 0;
}

}  // namespace neume::app
