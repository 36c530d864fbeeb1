// The codebook file (docs/formats/codebook.md): codewords, mean and scale as tensors, everything else as JSON.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "base/file.hpp"
#include "data/safetensors.hpp"
#include "quantize/codec.hpp"
#include "quantize/product_codec.hpp"
#include "quantize/residual_codec.hpp"
#include "quantize/rqvae_codec.hpp"

namespace neume {

namespace {

using nlohmann::json;
using Path = std::filesystem::path;

constexpr int kFormatVersion = 3;  // 2 has no statistics
constexpr int kOldestVersion = 1;  // without balanced and rqvae; psrq, rq and vq alone
constexpr const char* kDescriptionKey = "neume";
constexpr const char* kFingerprintKey = "neume_fingerprint";

/// Hash of the description and of all values in their order: a damaged file is found before its codes are trusted.
std::string fingerprint_of(const std::string& description, std::span<const std::span<const float>> tensors) {
  std::vector<std::byte> bytes;
  const auto append = [&](std::span<const std::byte> more) { bytes.insert(bytes.end(), more.begin(), more.end()); };
  append(std::as_bytes(std::span(description)));
  for (const auto tensor : tensors) append(std::as_bytes(tensor));
  return base::fingerprint(bytes);
}

json describe(const RqVaeOptions& options) {
  return {
      {"hidden", options.hidden},         {"latent_width", options.latent_width},   {"epochs", options.epochs},
      {"batch_size", options.batch_size}, {"learning_rate", options.learning_rate}, {"commitment", options.commitment}};
}

void read_rqvae(const json& source, RqVaeOptions& options) {
  options.hidden = source.at("hidden").get<std::vector<std::size_t>>();
  options.latent_width = source.at("latent_width");
  options.epochs = source.at("epochs");
  options.batch_size = source.at("batch_size");
  options.learning_rate = source.at("learning_rate");
  options.commitment = source.at("commitment");
}

json describe(const FitStatistics& statistics) {
  json mean = json::array(), deviation = json::array();
  for (const LayerStatistics& layer : statistics.layers) {
    mean.push_back(layer.mean);
    deviation.push_back(layer.deviation);
  }
  return {{"rows", statistics.rows}, {"mean_distance", mean}, {"distance_deviation", deviation}};
}

/// Quantiles and usage of every layer as tensors, which stand behind mean and scale.
std::vector<quantize::NamedMatrix> tensors_of(const std::optional<FitStatistics>& statistics) {
  std::vector<quantize::NamedMatrix> tensors;
  for (std::size_t l = 0; statistics && l < statistics->layers.size(); ++l) {
    const LayerStatistics& layer = statistics->layers[l];
    tensors.push_back({fmt::format("layer{}.distance_quantiles", l), Matrix(1, layer.quantiles.size())});
    std::ranges::copy(layer.quantiles, tensors.back().values.flat().begin());
    tensors.push_back({fmt::format("layer{}.usage", l), Matrix(1, layer.usage.size())});
    std::ranges::transform(layer.usage, tensors.back().values.flat().begin(),
                           [](std::uint32_t rows) { return static_cast<float>(rows); });
  }
  return tensors;
}

json describe(const Quantizer& quantizer) {
  const QuantizerOptions& options = quantizer.options();
  json objective = json::array(), reseeded = json::array();
  for (const LayerReport& report : quantizer.reports()) {
    objective.push_back(report.objective);
    reseeded.push_back(report.reseeded);
  }
  json result{{"version", kFormatVersion},
              {"method", kQuantizerMethodNames[static_cast<std::size_t>(options.method)]},
              {"L", quantizer.num_layers()},
              {"d", quantizer.width()},
              {"k", quantizer.codebook_sizes()},
              {"prefix_weight", options.prefix_weight},
              {"balanced", options.balanced},
              {"iterations", options.iterations},
              {"tolerance", options.tolerance},
              {"seed", options.seed},
              {"scaling", kScalingNames[static_cast<std::size_t>(quantizer.shape().scaling)]},
              {"block_names", quantizer.shape().block_names},
              {"block_widths", quantizer.shape().block_widths},
              {"objective", objective},
              {"reseeded", reseeded}};
  if (options.method == QuantizerMethod::rqvae) result["rqvae"] = describe(options.rqvae);
  if (quantizer.statistics()) result["statistics"] = describe(*quantizer.statistics());
  return result;
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
  std::optional<FitStatistics> statistics;  ///< without quantiles and usage, which are tensors
};

FitStatistics read_statistics(const json& source, std::size_t layers) {
  FitStatistics result{source.at("rows"), std::vector<LayerStatistics>(layers)};
  for (std::size_t l = 0; l < layers; ++l) {
    result.layers[l].mean = source.at("mean_distance").at(l);
    result.layers[l].deviation = source.at("distance_deviation").at(l);
  }
  return result;
}

void check_description(const Path& path, const Description& description, std::size_t num_layers) {
  const InputShape& shape = description.shape;
  const std::size_t blocks = std::accumulate(shape.block_widths.begin(), shape.block_widths.end(), std::size_t{0});
  const auto is_inside = [&](std::size_t block) { return block <= description.width; };  // else the sum may overflow
  const bool consistent = description.width > 0 && blocks == description.width && num_layers > 0 &&
                          std::ranges::all_of(shape.block_widths, is_inside) &&
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
    const int version = source.at("version");
    if (version < kOldestVersion || version > kFormatVersion)
      throw DataError(fmt::format("{}: codebook format version {}; this neume reads versions {} to {}", path.string(),
                                  version, kOldestVersion, kFormatVersion));
    QuantizerOptions& options = result.options;
    options.method = enum_of<QuantizerMethod>(path, source.at("method"), kQuantizerMethodNames, "method");
    options.layers = source.at("L");
    options.codes = source.at("k").get<std::vector<std::size_t>>();
    options.prefix_weight = source.at("prefix_weight");
    options.iterations = source.at("iterations");
    options.tolerance = source.at("tolerance");
    options.seed = source.at("seed");
    if (version > 1) options.balanced = source.at("balanced");
    if (options.method == QuantizerMethod::rqvae) read_rqvae(source.at("rqvae"), options.rqvae);
    result.shape.scaling = enum_of<Scaling>(path, source.at("scaling"), kScalingNames, "scaling");
    result.shape.block_names = source.at("block_names").get<std::vector<std::string>>();
    result.shape.block_widths = source.at("block_widths").get<std::vector<std::size_t>>();
    result.width = source.at("d");
    if (version > 2 && source.contains("statistics"))
      result.statistics = read_statistics(source.at("statistics"), options.layers);
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

/// Reads tensors by name, and remembers which ones.
class FileTensors : public quantize::TensorReader {
 public:
  FileTensors(Path path, const data::SafetensorsFile& file) : path_(std::move(path)), file_(file) {}

  Matrix read(const std::string& name, std::size_t rows, std::size_t cols) override {
    return read_as(name, {rows, cols});
  }
  Matrix read_vector(const std::string& name, std::size_t size) { return read_as(name, {size}); }

  /// Throws DataError where the file holds a tensor that nobody asked for.
  void check_all_read() const {
    for (const std::string& name : file_.names())
      if (!read_.contains(name))
        throw DataError(
            fmt::format("{}: tensor {} does not belong to a codebook of this description", path_.string(), name));
  }

 private:
  Matrix read_as(const std::string& name, const std::vector<std::size_t>& shape) {
    if (file_.shape(name) != shape)
      throw DataError(fmt::format("{}: tensor {} has shape [{}], expected [{}]", path_.string(), name,
                                  fmt::join(file_.shape(name), ", "), fmt::join(shape, ", ")));
    Matrix values(shape.size() == 1 ? 1 : shape.front(), shape.back());
    file_.read(name, values.flat());
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!std::isfinite(values.data()[i]))
        throw DataError(fmt::format("{}: tensor {}: value {} is {}, expected a finite number", path_.string(), name, i,
                                    values.data()[i]));
    read_.insert(name);
    return values;
  }

  Path path_;
  const data::SafetensorsFile& file_;
  std::set<std::string> read_;
};

std::string metadata_of(const Path& path, const data::SafetensorsFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end())
    throw DataError(fmt::format("{}: no \"{}\" in the metadata: not a codebook of neume", path.string(), key));
  return found->second;
}

std::unique_ptr<const quantize::Codec> load_codec(const Description& description, FileTensors& tensors) {
  switch (description.options.method) {
    case QuantizerMethod::psrq:
    case QuantizerMethod::rq:
    case QuantizerMethod::vq:
      return quantize::ResidualCodec::load(description.options, description.width, tensors);
    case QuantizerMethod::pq:
    case QuantizerMethod::opq:
      return quantize::ProductCodec::load(description.options, description.width, tensors);
    case QuantizerMethod::rqvae:
      return quantize::RqVaeCodec::load(description.options, description.width, tensors);
  }
  throw InternalError("a quantizer method without a codec");
}

/// Usage is counted in floats, which hold whole numbers up to 2^24 exactly; far fewer rows are measured.
constexpr float kLargestUsage = 16'777'216.0f;

/// Fills quantiles and usage. Throws DataError where they are none.
void read_statistics_tensors(const Path& path, const std::vector<std::size_t>& sizes, FileTensors& tensors,
                             FitStatistics& statistics) {
  for (std::size_t l = 0; l < sizes.size(); ++l) {
    LayerStatistics& layer = statistics.layers[l];
    const Matrix quantiles = tensors.read(fmt::format("layer{}.distance_quantiles", l), 1, kNumQuantiles);
    const Matrix usage = tensors.read(fmt::format("layer{}.usage", l), 1, sizes[l]);
    layer.quantiles.assign(quantiles.flat().begin(), quantiles.flat().end());
    if (!std::ranges::is_sorted(layer.quantiles) || layer.quantiles.front() < 0.0f)
      throw DataError(fmt::format("{}: the quantiles of distances in layer {} do not rise from 0", path.string(), l));
    double rows = 0.0;
    for (const float count : usage.flat()) {
      if (count < 0.0f || count > kLargestUsage || count != std::floor(count))
        throw DataError(fmt::format("{}: layer {}: a code with {} rows", path.string(), l, count));
      layer.usage.push_back(static_cast<std::uint32_t>(count));
      rows += double{count};
    }
    if (rows != static_cast<double>(statistics.rows))
      throw DataError(fmt::format("{}: layer {}: the usage of codes adds up to {} rows, expected {}", path.string(), l,
                                  rows, statistics.rows));
  }
}

/// Values in the order of the file: the codec's, then mean and scale, then the statistics'.
std::vector<std::span<const float>> values_of(const std::vector<quantize::NamedMatrix>& tensors,
                                              std::span<const float> mean, std::span<const float> scale,
                                              const std::vector<quantize::NamedMatrix>& statistics) {
  std::vector<std::span<const float>> values;
  values.reserve(tensors.size() + 2 + statistics.size());
  for (const quantize::NamedMatrix& tensor : tensors) values.push_back(tensor.values.flat());
  values.insert(values.end(), {mean, scale});
  for (const quantize::NamedMatrix& tensor : statistics) values.push_back(tensor.values.flat());
  return values;
}

}  // namespace

void Quantizer::save(const Path& path) const {
  const std::string description = describe(*this).dump();
  const std::vector<quantize::NamedMatrix> named = codec_->tensors();
  std::vector<data::TensorView> tensors;
  const std::vector<quantize::NamedMatrix> statistics = tensors_of(statistics_);
  tensors.reserve(named.size() + 2 + statistics.size());
  for (const auto& [name, values] : named)
    tensors.push_back(data::tensor_of(name, {values.rows(), values.cols()}, values.flat()));
  tensors.push_back(data::tensor_of("mean", {width()}, mean()));
  tensors.push_back(data::tensor_of("scale", {width()}, scale()));
  for (const auto& [name, values] : statistics)
    tensors.push_back(data::tensor_of(name, {values.rows(), values.cols()}, values.flat()));
  const std::string fingerprint = fingerprint_of(description, values_of(named, mean_, scale_, statistics));
  data::write_safetensors(path, tensors, {{kDescriptionKey, description}, {kFingerprintKey, fingerprint}});
}

Quantizer Quantizer::load(const Path& path) {
  const data::SafetensorsFile file(path);
  const std::string text = metadata_of(path, file, kDescriptionKey);
  Description description = parse_description(path, text);
  FileTensors tensors(path, file);

  Quantizer quantizer;
  try {
    quantizer.codec_ = load_codec(description, tensors);
  } catch (const InvalidArgument& problem) {
    throw DataError(fmt::format("{}: {}", path.string(), problem.what()));
  }
  const Matrix mean = tensors.read_vector("mean", description.width);
  const Matrix scale = tensors.read_vector("scale", description.width);
  if (description.statistics) read_statistics_tensors(path, description.sizes, tensors, *description.statistics);
  tensors.check_all_read();
  const std::string expected = metadata_of(path, file, kFingerprintKey);
  const std::string found = fingerprint_of(
      text, values_of(quantizer.codec_->tensors(), mean.flat(), scale.flat(), tensors_of(description.statistics)));
  if (found != expected)
    throw DataError(fmt::format("{}: fingerprint {} expected, {} found: the file is damaged; fit again or copy it anew",
                                path.string(), expected, found));
  if (std::ranges::any_of(scale.flat(), [](float x) { return x <= 0.0f; }))
    throw DataError(fmt::format("{}: tensor scale has a value that is not positive", path.string()));
  quantizer.mean_.assign(mean.flat().begin(), mean.flat().end());
  quantizer.scale_.assign(scale.flat().begin(), scale.flat().end());
  quantizer.shape_ = std::move(description.shape);
  quantizer.options_ = std::move(description.options);
  quantizer.reports_ = std::move(description.reports);
  quantizer.statistics_ = std::move(description.statistics);
  return quantizer;
}

}  // namespace neume
