#pragma once
// The codebooks of a catalogue as one unit: fitted together, saved in one folder, loaded
// together.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <neume/options.hpp>
#include <neume/quantizer.hpp>
#include <neume/semantic_ids.hpp>

#include "console.hpp"
#include "data/catalogue.hpp"
#include "json_file.hpp"
#include "quantize/codebook_folder.hpp"
#include "text_table.hpp"

namespace neume::app {

/// How modalities are scaled; by default as the family asks for it.
enum class ScaleChoice { by_family, none, rms, l2 };
inline constexpr ChoiceNames<4> kScaleChoiceNames{"auto", "none", "rms", "l2"};

/// Which families are fitted, and how.
struct CodebookOptions {
  QuantizerOptions quantizer;
  bool joint = false;
  ScaleChoice scale = ScaleChoice::by_family;

  template <class Visitor>
  void describe(Visitor&& visit) {
    quantizer.describe(visit);
    visit.flag("joint", joint, "also fit the modal-joint family, on all modalities side by side");
    visit.choice("scale", scale, kScaleChoiceNames,
                 "scaling of each modality; auto: none for a modality alone, rms for joint");
  }
};

using quantize::Codebook;
using quantize::codebook_fingerprints;
using quantize::load_codebooks;

struct FittedCodebooks {
  std::vector<Codebook> codebooks;
  SemanticIds sids;                                               ///< of all items of the catalogue
  std::vector<std::optional<PrefixWeightChoice>> prefix_weights;  ///< by codebook, where one was chosen
};

/// Fits one family a modality, and the joint one where it is asked for. Checkpoints lie in folder/checkpoint until
/// save_codebooks: a fit that was killed goes on there. `before`: codebooks of the same families to continue from,
/// without checkpoints. Throws what quantize::fit_family and refit_family throw.
FittedCodebooks fit_codebooks(const data::Catalogue& catalogue, const CodebookOptions& options,
                              const std::filesystem::path& folder, Console& console,
                              const std::vector<Codebook>* before = nullptr);

/// What the fit did: family, layer, k, iterations, objective, variance explained, codes used, rows, seconds.
TextTable fit_table(const FittedCodebooks& fitted, const data::Catalogue& catalogue);

/// What --prefix-weight auto tried and chose, and why, family by family; empty where it was not asked for.
std::string prefix_weight_text(const FittedCodebooks& fitted);

/// Writes folder/<family>.safetensors and, last, folder/manifest.json with `config`, how many embeddings of `catalogue`
/// were fitted to, and the files' fingerprints. Then removes folder/checkpoint.
void save_codebooks(const FittedCodebooks& fitted, const data::Catalogue& catalogue, const Json& config,
                    const std::filesystem::path& folder);

/// The centroids of all families in a folder, for rank::InitialTables. Throws what load_codebooks throws, and
/// InvalidArgument for a method whose codes have none.
std::map<std::string, std::vector<Matrix>> load_centroids(const std::filesystem::path& folder);

/// Assigns semantic IDs in every family. Throws what quantize::encode_family throws.
SemanticIds encode_catalogue(const data::Catalogue& catalogue, const std::vector<Codebook>& codebooks,
                             const EncodeOptions& options = {});

}  // namespace neume::app
