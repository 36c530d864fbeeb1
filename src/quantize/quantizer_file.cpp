// The codebook file (docs/formats/codebook.md): codewords, mean and scale as tensors, everything else as JSON.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "base/file.hpp"
#include "data/safetensors.hpp"
#include "quantize/assignment.hpp"

namespace neume {

namespace {

using nlohmann::json;
using Path = std::filesystem::path;

constexpr int kFormatVersion = 1;
constexpr const char* kDescriptionKey = "neume";
constexpr const char* kFingerprintKey = "neume_fingerprint";

std::string tensor_name(std::size_t layer) {
  return fmt::format("layer{}.centroids", layer);
}

/// Residual and prefix half of every codeword side by side: k x d, or k x 2d where there is a prefix half.
Matrix side_by_side(const CodebookLayer& layer) {
  if (layer.prefix.empty()) return layer.residual.clone();
  const std::size_t width = layer.residual.cols();
  Matrix both(layer.size(), 2 * width);
  for (std::size_t j = 0; j < layer.size(); ++j) {
    std::ranges::copy(layer.residual.row(j), both.row(j).begin());
    std::ranges::copy(layer.prefix.row(j), both.row(j).begin() + static_cast<std::ptrdiff_t>(width));
  }
  return both;
}

/// Hash of the description and of all values in their order: a damaged file is found before its codes are trusted.
std::string fingerprint_of(const std::string& description, std::span<const std::span<const float>> tensors) {
  std::vector<std::byte> bytes;
  const auto append = [&](std::span<const std::byte> more) { bytes.insert(bytes.end(), more.begin(), more.end()); };
  append(std::as_bytes(std::span(description)));
  for (const auto tensor : tensors) append(std::as_bytes(tensor));
  return base::fingerprint(bytes);
}

json describe(const ResidualQuantizer& quantizer) {
  const QuantizerOptions& options = quantizer.options();
  json objective = json::array(), reseeded = json::array();
  for (const LayerReport& report : quantizer.reports()) {
    objective.push_back(report.objective);
    reseeded.push_back(report.reseeded);
  }
  return {{"version", kFormatVersion},
          {"method", kQuantizerMethodNames[static_cast<std::size_t>(options.method)]},
          {"L", quantizer.num_layers()},
          {"d", quantizer.width()},
          {"k", quantizer.codebook_sizes()},
          {"prefix_weight", options.prefix_weight},
          {"iterations", options.iterations},
          {"tolerance", options.tolerance},
          {"seed", options.seed},
          {"scaling", kScalingNames[static_cast<std::size_t>(quantizer.shape().scaling)]},
          {"block_names", quantizer.shape().block_names},
          {"block_widths", quantizer.shape().block_widths},
          {"objective", objective},
          {"reseeded", reseeded}};
}

template <class Enum, std::size_t Count>
Enum enum_of(const Path& path, const std::string& name, const ChoiceNames<Count>& names, const char* field) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw DataError(
        fmt::format("{}: {} is \"{}\", which this version of neume does not know", path.string(), field, name));
  return static_cast<Enum>(found - names.begin());
}

/// What the JSON says, after it has been checked against itself.
struct Description {
  QuantizerOptions options;
  InputShape shape;
  std::vector<LayerReport> reports;
  std::vector<std::size_t> sizes;
  std::size_t width = 0;
};

void check_description(const Path& path, const Description& description, std::size_t num_layers) {
  const InputShape& shape = description.shape;
  const std::size_t blocks = std::accumulate(shape.block_widths.begin(), shape.block_widths.end(), std::size_t{0});
  const bool consistent = description.width > 0 && blocks == description.width && num_layers > 0 &&
                          shape.block_names.size() == shape.block_widths.size() &&
                          description.sizes.size() == num_layers && description.reports.size() == num_layers;
  if (!consistent)
    throw DataError(
        fmt::format("{}: the description contradicts itself (L, d, k, block names and widths, objective); the "
                    "file is damaged: fit again",
                    path.string()));
  try {
    description.options.validate();
  } catch (const InvalidArgument& problem) {
    throw DataError(fmt::format("{}: {}", path.string(), problem.what()));
  }
}

Description parse_description(const Path& path, const std::string& text) {
  Description result;
  try {
    const json source = json::parse(text);
    if (const int version = source.at("version"); version != kFormatVersion)
      throw DataError(fmt::format("{}: codebook format version {}; this neume reads version {}", path.string(), version,
                                  kFormatVersion));
    QuantizerOptions& options = result.options;
    options.method = enum_of<QuantizerMethod>(path, source.at("method"), kQuantizerMethodNames, "method");
    options.layers = source.at("L");
    options.codes = source.at("k").get<std::vector<std::size_t>>();
    options.prefix_weight = source.at("prefix_weight");
    options.iterations = source.at("iterations");
    options.tolerance = source.at("tolerance");
    options.seed = source.at("seed");
    result.shape.scaling = enum_of<Scaling>(path, source.at("scaling"), kScalingNames, "scaling");
    result.shape.block_names = source.at("block_names").get<std::vector<std::string>>();
    result.shape.block_widths = source.at("block_widths").get<std::vector<std::size_t>>();
    result.width = source.at("d");
    result.sizes = options.codes;
    const json& objective = source.at("objective");
    const json& reseeded = source.at("reseeded");
    for (std::size_t l = 0; l < objective.size(); ++l)
      result.reports.push_back({objective.at(l).get<std::vector<double>>(), reseeded.at(l), 0.0});
  } catch (const json::exception& problem) {
    throw DataError(
        fmt::format("{}: the description of the codebook is not as expected: {}", path.string(), problem.what()));
  }
  check_description(path, result, result.options.layers);
  return result;
}

void check_tensor_shape(const Path& path, const data::SafetensorsFile& file, const std::string& name,
                        const std::vector<std::size_t>& expected) {
  if (file.shape(name) != expected)
    throw DataError(fmt::format("{}: tensor {} has shape [{}], expected [{}]", path.string(), name,
                                fmt::join(file.shape(name), ", "), fmt::join(expected, ", ")));
}

Matrix read_matrix(const Path& path, const data::SafetensorsFile& file, const std::string& name,
                   const std::vector<std::size_t>& shape) {
  check_tensor_shape(path, file, name, shape);
  Matrix values(shape.front(), shape.size() == 1 ? 1 : shape.back());
  file.read(name, values.flat());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values.data()[i]))
      throw DataError(fmt::format("{}: tensor {}: value {} is {}, expected a finite number", path.string(), name, i,
                                  values.data()[i]));
  return values;
}

void check_names(const Path& path, const data::SafetensorsFile& file, std::size_t num_layers) {
  std::set<std::string> expected = {"mean", "scale"};
  for (std::size_t l = 0; l < num_layers; ++l) expected.insert(tensor_name(l));
  for (const std::string& name : file.names())
    if (!expected.contains(name))
      throw DataError(
          fmt::format("{}: tensor {} does not belong to a codebook of {} layers", path.string(), name, num_layers));
}

std::string metadata_of(const Path& path, const data::SafetensorsFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end())
    throw DataError(fmt::format("{}: no \"{}\" in the metadata: not a codebook of neume", path.string(), key));
  return found->second;
}

std::vector<std::span<const float>> values_of(const std::vector<Matrix>& tensors) {
  std::vector<std::span<const float>> values(tensors.size());
  for (std::size_t t = 0; t < tensors.size(); ++t) values[t] = tensors[t].flat();
  return values;
}

CodebookLayer split_halves(const Matrix& both, std::size_t width) {
  CodebookLayer layer;
  layer.residual = Matrix(both.rows(), width);
  if (both.cols() > width) layer.prefix = Matrix(both.rows(), width);
  for (std::size_t j = 0; j < both.rows(); ++j) {
    std::ranges::copy(both.row(j).first(width), layer.residual.row(j).begin());
    if (!layer.prefix.empty()) std::ranges::copy(both.row(j).last(width), layer.prefix.row(j).begin());
  }
  return layer;
}

}  // namespace

void ResidualQuantizer::save(const Path& path) const {
  const std::string description = describe(*this).dump();
  std::vector<Matrix> centroids;
  std::vector<data::TensorView> tensors;
  std::vector<std::span<const float>> values;
  for (const CodebookLayer& layer : layers_) centroids.push_back(side_by_side(layer));
  for (std::size_t l = 0; l < centroids.size(); ++l) {
    values.push_back(std::as_const(centroids[l]).flat());
    tensors.push_back(data::tensor_of(tensor_name(l), {centroids[l].rows(), centroids[l].cols()}, values.back()));
  }
  values.insert(values.end(), {mean_, scale_});
  tensors.push_back(data::tensor_of("mean", {width()}, mean()));
  tensors.push_back(data::tensor_of("scale", {width()}, scale()));
  data::write_safetensors(path, tensors,
                          {{kDescriptionKey, description}, {kFingerprintKey, fingerprint_of(description, values)}});
}

ResidualQuantizer ResidualQuantizer::load(const Path& path) {
  const data::SafetensorsFile file(path);
  const std::string text = metadata_of(path, file, kDescriptionKey);
  Description description = parse_description(path, text);
  const std::size_t width = description.width, num_layers = description.sizes.size();
  const double prefix_weight = description.options.effective_prefix_weight();
  check_names(path, file, num_layers);

  std::vector<Matrix> tensors;
  for (std::size_t l = 0; l < num_layers; ++l) {
    const bool has_prefix = l > 0 && prefix_weight > 0.0;
    tensors.push_back(read_matrix(path, file, tensor_name(l), {description.sizes[l], has_prefix ? 2 * width : width}));
  }
  tensors.push_back(read_matrix(path, file, "mean", {width}));
  tensors.push_back(read_matrix(path, file, "scale", {width}));
  const std::vector<std::span<const float>> values = values_of(tensors);
  const std::string expected = metadata_of(path, file, kFingerprintKey), found = fingerprint_of(text, values);
  if (found != expected)
    throw DataError(fmt::format("{}: fingerprint {} expected, {} found: the file is damaged; fit again or copy it anew",
                                path.string(), expected, found));
  if (std::ranges::any_of(values.back(), [](float x) { return x <= 0.0f; }))
    throw DataError(fmt::format("{}: tensor scale has a value that is not positive", path.string()));

  ResidualQuantizer quantizer;
  quantizer.mean_.assign(values[num_layers].begin(), values[num_layers].end());
  quantizer.scale_.assign(values[num_layers + 1].begin(), values[num_layers + 1].end());
  quantizer.shape_ = std::move(description.shape);
  quantizer.options_ = std::move(description.options);
  quantizer.reports_ = std::move(description.reports);
  for (std::size_t l = 0; l < num_layers; ++l) {
    CodebookLayer layer = split_halves(tensors[l], width);
    try {
      quantize::prepare_codebook(layer, quantizer.layers_, prefix_weight);
    } catch (const InvalidArgument& problem) {
      throw DataError(fmt::format("{}: {}", path.string(), problem.what()));
    }
    quantizer.layers_.push_back(std::move(layer));
  }
  return quantizer;
}

}  // namespace neume
