#include "quantizer_stages.hpp"

#include <fmt/format.h>

#include <neume/error.hpp>

#include "codebooks.hpp"
#include "data/sids_file.hpp"
#include "data/synth.hpp"
#include "input_files.hpp"
#include "option_json.hpp"
#include "stage.hpp"
#include "stopwatch.hpp"

namespace neume::app {

namespace {

/// Says which of the quantizers it is that cannot be fitted.
FittedCodebooks fit_by_name(const QuantizerPlan& quantizer, const data::Catalogue& items,
                            const std::filesystem::path& folder, Console& console) {
  try {
    return fit_codebooks(items, quantizer.options, folder, console);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("quantizer {}: {}", quantizer.name, error.what()));
  } catch (const DataError& error) {
    throw DataError(fmt::format("quantizer {}: {}", quantizer.name, error.what()));
  }
}

}  // namespace

void QuantizerStages::say(const std::string& stage, const std::string& outcome) {
  console_.note(stage_line(stage, outcome));
}

void QuantizerStages::make_data() {
  if (!plan_.synth) return;
  const Stage stage(plan_.data_folder, {{"synth", json_of(*plan_.synth)}});
  if (stage.is_up_to_date()) return say("synthetic data", "up to date");
  const Stopwatch stopwatch;
  stage.begin();
  data::write_synthetic_set(*plan_.synth, plan_.data_folder, console_.progress("synthetic data"));
  stage.finish();
  say("synthetic data", stopwatch.text());
}

void QuantizerStages::fit(const QuantizerPlan& quantizer) {
  const std::string title = fmt::format("quantizer {}", quantizer.name);
  const Json config = json_of(quantizer);
  const Stage stage(plan_.quantizer_folder(quantizer.name), {{"quantizer", config},
                                                             {"item-column", plan_.items.options.item_column},
                                                             {"zero-is-missing", plan_.items.options.zero_is_missing},
                                                             {"modalities", modality_inputs()}});
  if (stage.is_up_to_date()) return say(title, "up to date");
  const Stopwatch stopwatch;
  const data::Catalogue& items = catalogue();
  stage.begin();
  const FittedCodebooks fitted = fit_by_name(quantizer, items, stage.folder(), console_);
  save_codebooks(fitted, items, config, stage.folder());
  data::write_semantic_ids(plan_.sids_file(quantizer.name), fitted.sids);
  stage.finish();
  say(title, stopwatch.text());
  if (const std::string choice = prefix_weight_text(fitted); !choice.empty()) console_.note(choice);
}

const data::Catalogue& QuantizerStages::catalogue() {
  if (!catalogue_) catalogue_ = data::open_catalogue(plan_.modalities, plan_.items.options);
  return *catalogue_;
}

Json QuantizerStages::modality_inputs() {
  if (modality_inputs_.is_null()) modality_inputs_ = inputs_of_modalities(plan_.modalities);
  return modality_inputs_;
}

}  // namespace neume::app
