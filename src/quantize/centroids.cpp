#include "quantize/centroids.hpp"

#include <fmt/format.h>

#include <neume/error.hpp>

#include "quantize/residual_codec.hpp"

namespace neume::quantize {

std::vector<Matrix> centroids_of(const Quantizer& quantizer) {
  const auto* codec = dynamic_cast<const ResidualCodec*>(&quantizer.codec());
  if (codec == nullptr) {
    throw InvalidArgument(
        fmt::format("codes of method {} have no centroids in the space of the rows; vq, rq and psrq have them",
                    kQuantizerMethodNames[static_cast<std::size_t>(quantizer.options().method)]));
  }
  std::vector<Matrix> centroids;
  for (const CodebookLayer& layer : codec->layers()) centroids.push_back(layer.residual.clone());
  return centroids;
}

}  // namespace neume::quantize
