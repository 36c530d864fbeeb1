#pragma once
// Code families: which modalities of a catalogue make one, how it is fitted, and how its codes are made and proved.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <neume/progress.hpp>
#include <neume/quantizer.hpp>
#include <neume/semantic_ids.hpp>

#include "data/catalogue.hpp"

namespace neume::quantize {

/// One family of codes: a modality on its own, or several side by side.
struct FamilyPlan {
  std::string name;
  std::vector<std::string> modalities;
  FitCheckpoint checkpoint = {};  ///< of Quantizer::fit

  static FamilyPlan of_modality(const std::string& modality) { return {modality, {modality}}; }
  /// The modal-joint family: all modalities of the catalogue, in its order.
  static FamilyPlan joint(const data::Catalogue& catalogue);
};

/// none for a single modality (the paper to the letter), rms for several, whose norms may differ a thousandfold.
Scaling default_scaling(const FamilyPlan& plan);

struct FamilyFit {
  Quantizer quantizer;
  CodeFamily codes;  ///< of all items of the catalogue; kNoCode where an item lacks one of the modalities
  std::optional<PrefixWeightChoice> prefix_weight_choice;
};

/// Fits a quantizer to the items that have all modalities of `plan`. Throws InvalidArgument for an unknown modality or
/// no modality at all, DataError where no item has them all or the quantizer refuses the rows (item names in messages).
FamilyFit fit_family(const data::Catalogue& catalogue, const FamilyPlan& plan, Scaling scaling,
                     const QuantizerOptions& options, const ProgressFn& progress = {});

/// The same from `before`, codebooks of the same family, whose names codes keep (Quantizer::refit). Throws besides what
/// Quantizer::refit throws.
FamilyFit refit_family(const data::Catalogue& catalogue, const Quantizer& before, const FamilyPlan& plan,
                       const QuantizerOptions& options, const ProgressFn& progress = {});

/// Throws InvalidArgument unless the modality of the shape's block `block` is given (it has a width) and as wide as it
/// was fitted.
void check_modality(const InputShape& shape, std::size_t block, std::optional<std::size_t> width);

/// Throws InvalidArgument unless the catalogue has the quantizer's modalities with their widths.
void check_modalities(const data::Catalogue& catalogue, const Quantizer& quantizer);

/// Codes of all items of `catalogue` in the family `name`, from a fitted quantizer whose block names are the
/// modalities. Rows are gathered block by block: memory stays at a few thousand rows a thread. Throws InvalidArgument
/// for a modality that is missing or of another width, DataError for rows that cannot be quantized.
CodeFamily encode_family(const data::Catalogue& catalogue, const Quantizer& quantizer, const std::string& name,
                         const EncodeOptions& options = {});

/// What the codes of `family` keep of the items that have one. A family may have a layer more than the quantizer, the
/// suffix of with_suffix, which stands for nothing. Gathers all of these items' rows at once. Throws InvalidArgument as
/// check_modalities, and what Quantizer::reconstruction throws.
Reconstruction reconstruct_family(const data::Catalogue& catalogue, const Quantizer& quantizer,
                                  const CodeFamily& family);

/// Mean squared distance (Reconstruction::mse of all layers) of the items that have an ID to what it stands for, with
/// no more than some thousand rows in memory. Throws as reconstruct_family.
double mean_squared_error(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& family);

/// What verify_family tries. A batch below 128 rows costs as much as 128, so such batches cover an even spread of rows,
/// as many as cost about one pass over all of them.
struct VerifyOptions {
  std::vector<std::size_t> batch_sizes = {1, 7, 128, 1000};
  std::vector<std::size_t> thread_counts = {1, 2, 3};
  EncodeOptions encode = {};  ///< as the stored codes were made
};

struct VerifyReport {
  std::size_t num_rows = 0;                   ///< items that were checked (all of the catalogue)
  std::size_t num_comparisons = 0;            ///< codes recomputed, over all batch sizes and thread counts
  std::size_t mismatches = 0;                 ///< comparisons that differ from the stored codes
  std::size_t within_rounding = 0;            ///< mismatches whose two distances differ by less than 1e-5 of themselves
  std::optional<std::size_t> first_mismatch;  ///< lowest item with a mismatch

  bool holds() const { return mismatches == 0; }
};

/// Recomputes the codes of the catalogue with every batch size and thread count and compares them with `stored`. Throws
/// InvalidArgument where `stored` has another number of items or other codebook sizes. Sets the number of threads while
/// it runs, so nothing else should compute at the same time.
VerifyReport verify_family(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& stored,
                           const VerifyOptions& options = {});

}  // namespace neume::quantize
