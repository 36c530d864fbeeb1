#include "settings.hpp"

#include <fmt/format.h>

#include <neume/error.hpp>

#include "base/byte_size.hpp"

namespace neume::app {

void require_flag(const std::string& value, std::string_view flag) {
  if (value.empty()) throw InvalidArgument(fmt::format("{} is required; --help shows how", flag));
}

std::size_t parse_memory(const std::string& text) {
  try {
    return base::parse_bytes(text);
  } catch (const InvalidArgument& problem) {
    throw InvalidArgument(fmt::format("--memory: {}", problem.what()));
  }
}

std::vector<data::ModalitySource> CatalogueSettings::sources() const {
  std::vector<data::ModalitySource> sources;
  for (const std::string& text : modalities) sources.push_back(data::ModalitySource::parse(text));
  return sources;
}

std::vector<data::ModalitySource> CatalogueSettings::required_sources() const {
  if (modalities.empty())
    throw InvalidArgument("--modality NAME=SOURCE is required, once a modality; --help shows how");
  return sources();
}

data::Catalogue CatalogueSettings::open() const {
  return data::open_catalogue(required_sources(), options);
}

}  // namespace neume::app
