#include "codebooks.hpp"

#include <fmt/format.h>

#include <string_view>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "eval/sid_quality.hpp"
#include "quantize/centroids.hpp"
#include "quantize/encoder.hpp"

namespace neume::app {

namespace {

constexpr const char* kCheckpointFolder = "checkpoint";

Scaling scaling_of(ScaleChoice choice, const quantize::FamilyPlan& plan) {
  switch (choice) {
    case ScaleChoice::none:
      return Scaling::none;
    case ScaleChoice::rms:
      return Scaling::rms;
    case ScaleChoice::l2:
      return Scaling::l2;
    case ScaleChoice::by_family:
      break;
  }
  return quantize::default_scaling(plan);
}

void check_same_families(const std::vector<quantize::FamilyPlan>& plans, const std::vector<Codebook>& before) {
  std::vector<std::string> asked, old;
  for (const quantize::FamilyPlan& plan : plans) asked.push_back(plan.name);
  for (const Codebook& codebook : before) old.push_back(codebook.name);
  if (asked != old)
    throw InvalidArgument(
        fmt::format("--continue-from: its families are {}, those of this fit {}; give the same "
                    "--modality flags in the same order, and --joint where it has a joint family",
                    fmt::join(old, ", "), fmt::join(asked, ", ")));
}

FittedCodebooks fit_families(const data::Catalogue& catalogue, const CodebookOptions& options,
                             const std::filesystem::path& folder, Console& console,
                             const std::vector<Codebook>* before) {
  std::vector<quantize::FamilyPlan> plans;
  for (const data::Modality& modality : catalogue.modalities) {
    plans.push_back(quantize::FamilyPlan::of_modality(modality.name()));
  }
  if (options.joint) plans.push_back(quantize::FamilyPlan::joint(catalogue));
  if (before != nullptr) check_same_families(plans, *before);
  FittedCodebooks fitted;
  fitted.sids.items = catalogue.items;
  for (quantize::FamilyPlan& plan : plans) {
    plan.checkpoint = {folder / kCheckpointFolder / (plan.name + ".safetensors"),
                       [&](const std::string& text) { console.note(fmt::format("{}: {}", plan.name, text)); }};
    const ProgressFn progress = console.progress("fit " + plan.name);
    quantize::FamilyFit fit =
        before == nullptr
            ? quantize::fit_family(catalogue, plan, scaling_of(options.scale, plan), options.quantizer, progress)
            : quantize::refit_family(catalogue, (*before)[fitted.codebooks.size()].quantizer, plan, options.quantizer,
                                     progress);
    fitted.codebooks.push_back({plan.name, std::move(fit.quantizer)});
    fitted.sids.families.push_back(std::move(fit.codes));
    fitted.prefix_weights.push_back(std::move(fit.prefix_weight_choice));
  }
  return fitted;
}

}  // namespace

FittedCodebooks fit_codebooks(const data::Catalogue& catalogue, const CodebookOptions& options,
                              const std::filesystem::path& folder, Console& console,
                              const std::vector<Codebook>* before) {
  try {
    return fit_families(catalogue, options, folder, console, before);
  } catch (const Error&) {
    std::error_code not_empty;  // what other families have finished, or an earlier fit, stays
    std::filesystem::remove(folder / kCheckpointFolder, not_empty);
    std::filesystem::remove(folder, not_empty);
    throw;
  }
}

TextTable fit_table(const FittedCodebooks& fitted, const data::Catalogue& catalogue) {
  TextTable table(
      {"family", "layer", "k", "iterations", "objective", "variance explained", "codes used", "rows", "seconds"});
  for (std::size_t f = 0; f < fitted.codebooks.size(); ++f) {
    const auto& [name, quantizer] = fitted.codebooks[f];
    const CodeFamily& family = fitted.sids.families[f];
    const std::vector<double> variance = quantize::reconstruct_family(catalogue, quantizer, family).variance_explained;
    const eval::SidQuality quality = eval::judge(family);
    for (std::size_t l = 0; l < quantizer.num_layers(); ++l) {
      const LayerReport& report = quantizer.reports()[l];
      table.add({name, fmt::to_string(l + 1), fmt::to_string(quality.layers[l].codebook_size),
                 fmt::to_string(report.objective.size() - 1), fmt::format("{:.6g}", report.objective.back()),
                 fmt::format("{:.4f}", variance[l]), fmt::to_string(quality.layers[l].codes_used),
                 fmt::to_string(quality.items), fmt::format("{:.2f}", report.seconds)});
    }
  }
  return table;
}

std::string prefix_weight_text(const FittedCodebooks& fitted) {
  std::string text;
  for (std::size_t f = 0; f < fitted.codebooks.size(); ++f) {
    if (!fitted.prefix_weights[f]) continue;
    const PrefixWeightChoice& choice = *fitted.prefix_weights[f];
    const double rq = choice.trials.front().variance_explained;
    text += fmt::format(
        "{}: prefix weight {:.4g}: the largest tried that explains at least {:.4f} of the variance ({:.3g} of rq's "
        "{:.4f}), on {} items; tried:",
        fitted.codebooks[f].name, choice.prefix_weight, choice.needed, rq > 0.0 ? choice.needed / rq : 1.0, rq,
        choice.rows);
    for (const PrefixWeightTrial& trial : choice.trials)
      text += fmt::format("{} {:.4g} -> {:.4f}{}", &trial == choice.trials.data() ? "" : ",", trial.prefix_weight,
                          trial.variance_explained, trial.prefix_weight == choice.prefix_weight ? " (chosen)" : "");
    text += "\n";
  }
  return text;
}

void save_codebooks(const FittedCodebooks& fitted, const data::Catalogue& catalogue, const Json& config,
                    const std::filesystem::path& folder) {
  // The old manifest goes first: it would vouch for a mixture of old and new files.
  std::error_code status;
  std::filesystem::remove(folder / "manifest.json", status);
  Json families = Json::array();
  for (const auto& [name, quantizer] : fitted.codebooks) {
    const std::string file = name + ".safetensors";
    quantizer.save(folder / file);
    families.push_back({{"name", name}, {"file", file}, {"fingerprint", base::fingerprint_of_file(folder / file)}});
  }
  Json embeddings = Json::object();
  for (std::size_t m = 0; m < catalogue.modalities.size(); ++m) {
    const data::Modality& modality = catalogue.modalities[m];
    embeddings[modality.name()] = {{"found", catalogue.source_sizes[m]}, {"fitted", modality.num_embeddings()}};
  }
  write_json(folder / "manifest.json", {{"format", quantize::kCodebooksFormat},
                                        {"version", quantize::kCodebooksVersion},
                                        {"neume", NEUME_VERSION},
                                        {"items", fitted.sids.items.size()},
                                        {"embeddings", embeddings},
                                        {"families", families},
                                        {"config", config}});
  std::filesystem::remove_all(folder / kCheckpointFolder, status);
  base::remove_leftovers(
      folder, [](std::string_view target) { return target == "manifest.json" || target.ends_with(".safetensors"); });
}

std::map<std::string, std::vector<Matrix>> load_centroids(const std::filesystem::path& folder) {
  std::map<std::string, std::vector<Matrix>> centroids;
  for (const auto& [name, quantizer] : load_codebooks(folder)) {
    try {
      centroids[name] = quantize::centroids_of(quantizer);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(fmt::format("{}: family {}: {}", folder.string(), name, error.what()));
    }
  }
  return centroids;
}

SemanticIds encode_catalogue(const data::Catalogue& catalogue, const std::vector<Codebook>& codebooks,
                             const EncodeOptions& options) {
  SemanticIds sids{catalogue.items, {}};
  for (const auto& [name, quantizer] : codebooks) {
    sids.families.push_back(quantize::encode_family(catalogue, quantizer, name, options));
  }
  return sids;
}

}  // namespace neume::app
