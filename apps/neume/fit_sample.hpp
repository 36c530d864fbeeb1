#pragma once
// How many rows neume fit looks at: all of them, or a sample that fits its memory.

#include <cstddef>
#include <string>
#include <vector>

#include <neume/options.hpp>

#include "codebooks.hpp"
#include "data/catalogue.hpp"

namespace neume::app {

struct SampleSettings {
  double sample = 0;
  bool choose_sample = true;
  std::string memory = "4GiB";

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.number_or_auto("sample", sample, choose_sample, {0, 4e9},
                         "fit to so many embeddings of each modality, drawn with the seed; 0: to all; auto: to all, or "
                         "where --memory does not hold them to as many as it does, at least 256 a code");
    visit.text("memory", memory, "the most memory to take, such as 500MB or 16GiB");
  }
};

/// Opens the sources with as many embeddings as `settings` asks for. Throws InvalidArgument where they would not fit
/// the memory, with the memory that they need, and what data::open_catalogue throws.
data::Catalogue open_for_fit(const std::vector<data::ModalitySource>& sources, data::CatalogueOptions options,
                             const CodebookOptions& codebooks, const SampleSettings& settings);

/// "1000 of 52311 embeddings of text, ..." of the modalities that are a sample; empty where all embeddings are there.
std::string sample_text(const data::Catalogue& catalogue);

/// A line for each modality of which the sample, and not the source, is small for so many codes; empty where none is.
std::string sample_warning(const data::Catalogue& catalogue, const QuantizerOptions& quantizer);

}  // namespace neume::app
