#include "quantize/fit_journal.hpp"

#include <fmt/format.h>
#include <hwy/highway.h>
#include <hwy/targets.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <span>
#include <utility>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/options_json.hpp"
#include "data/safetensors.hpp"

namespace neume::quantize {

namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr const char* kStateKey = "neume_fit";
constexpr const char* kCodesName = "codes";

json to_json(const std::vector<LayerReport>& reports) {
  json list = json::array();
  for (const LayerReport& report : reports)
    list.push_back({{"objective", report.objective}, {"reseeded", report.reseeded}, {"seconds", report.seconds}});
  return list;
}

std::vector<LayerReport> reports_from(const json& list) {
  std::vector<LayerReport> reports;
  for (const json& report : list)
    reports.push_back({report.at("objective").get<std::vector<double>>(), report.at("reseeded"), report.at("seconds")});
  return reports;
}

json to_json(const PrefixWeightChoice& choice) {
  json trials = json::array();
  for (const PrefixWeightTrial& trial : choice.trials)
    trials.push_back({trial.prefix_weight, trial.variance_explained});
  return {
      {"prefix_weight", choice.prefix_weight}, {"needed", choice.needed}, {"rows", choice.rows}, {"trials", trials}};
}

PrefixWeightChoice choice_from(const json& source) {
  PrefixWeightChoice choice{source.at("prefix_weight"), source.at("needed"), source.at("rows"), {}};
  for (const json& trial : source.at("trials")) choice.trials.push_back({trial.at(0), trial.at(1)});
  return choice;
}

}  // namespace

Matrix StateTensors::read(const std::string& name, std::size_t rows, std::size_t cols) {
  const auto found = std::ranges::find(state_.tensors, name, &NamedMatrix::name);
  if (found == state_.tensors.end() || found->values.rows() != rows || found->values.cols() != cols)
    throw DataError(
        fmt::format("the checkpoint has no tensor {} of {} x {}; remove it and fit again", name, rows, cols));
  return std::move(found->values);
}

std::string identity_of(ConstMatrixView rows, const InputShape& shape, const QuantizerOptions& options) {
  if (rows.stride != rows.cols) throw InternalError("rows of a fit have padding");
  const std::span<const float> values(rows.data, rows.rows * rows.cols);
  const json parts{{"neume", NEUME_VERSION},
                   {"instructions", hwy::SupportedTargets() & HWY_TARGETS},
                   {"rows", base::fingerprint(std::as_bytes(values))},
                   {"shape", {rows.rows, rows.cols}},
                   {"blocks", {shape.block_names, shape.block_widths}},
                   {"scaling", kScalingNames[static_cast<std::size_t>(shape.scaling)]},
                   {"options", data::options_to_json(options)}};
  const std::string text = parts.dump();
  return base::fingerprint(std::as_bytes(std::span(text)));
}

FitJournal::FitJournal(FitCheckpoint place, std::string identity)
    : place_(std::move(place)), identity_(std::move(identity)) {
  if (!is_kept() || !std::filesystem::exists(place_.file)) return;
  std::string text;
  try {
    read();
    text = found_ || prefix_weight_ ? "going on from its checkpoint"
                                    : "the checkpoint is of other data, settings or instructions: starting over";
  } catch (const DataError& problem) {
    text = fmt::format("the checkpoint cannot be used ({}): starting over", problem.what());
  }
  if (place_.on_found) place_.on_found(text);
}

void FitJournal::read() {
  const data::SafetensorsFile file(place_.file);
  const auto metadata = file.metadata().find(kStateKey);
  if (metadata == file.metadata().end())
    throw DataError(fmt::format("{}: not a checkpoint of a fit", place_.file.string()));
  FitState state;
  std::optional<PrefixWeightChoice> prefix_weight;
  try {
    const json source = json::parse(metadata->second);
    if (source.at("version") != kVersion || source.at("identity") != identity_) return;
    state.stage = source.at("stage");
    state.reports = reports_from(source.at("reports"));
    if (source.contains("prefix_weight")) prefix_weight = choice_from(source.at("prefix_weight"));
  } catch (const json::exception& problem) {
    throw DataError(fmt::format("{}: {}", place_.file.string(), problem.what()));
  }
  for (const std::string& name : file.names()) {
    const std::vector<std::size_t>& shape = file.shape(name);
    if (shape.size() != (name == kCodesName ? 1 : 2))
      throw DataError(fmt::format("{}: tensor {} has {} dimensions", place_.file.string(), name, shape.size()));
    if (name == kCodesName) {
      state.codes.resize(shape[0]);
      file.read(name, state.codes);
    } else {
      state.tensors.push_back({name, Matrix(shape[0], shape[1])});
      file.read(name, state.tensors.back().values.flat());
    }
  }
  prefix_weight_ = std::move(prefix_weight);
  if (state.stage > 0) found_ = std::move(state);
}

void FitJournal::set_prefix_weight(const PrefixWeightChoice& choice) {
  prefix_weight_ = choice;
  keep({});
}

void FitJournal::drop() {
  if (is_kept() && !is_unwritable_) std::filesystem::remove(place_.file);
}

void FitJournal::keep(const FitState& state) {
  if (!is_kept()) return;
  json description{
      {"version", kVersion}, {"identity", identity_}, {"stage", state.stage}, {"reports", to_json(state.reports)}};
  if (prefix_weight_) description["prefix_weight"] = to_json(*prefix_weight_);
  std::vector<data::TensorView> tensors;
  for (const auto& [name, values] : state.tensors)
    tensors.push_back(data::tensor_of(name, {values.rows(), values.cols()}, values.flat()));
  tensors.push_back(data::tensor_of(kCodesName, {state.codes.size()}, std::span<const std::uint16_t>(state.codes)));
  is_unwritable_ = true;
  data::write_safetensors(place_.file, tensors, {{kStateKey, description.dump()}});
  is_unwritable_ = false;
}

}  // namespace neume::quantize
