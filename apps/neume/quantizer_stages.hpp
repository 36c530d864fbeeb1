#pragma once
// The first stages of a run and of a comparison: the synthetic data, and codebooks with everybody's semantic IDs.

#include <optional>
#include <string>

#include "console.hpp"
#include "data/catalogue.hpp"
#include "json_file.hpp"
#include "run_plan.hpp"

namespace neume::app {

/// Both must outlive it.
class QuantizerStages {
 public:
  QuantizerStages(const RunPlan& plan, Console& console) : plan_(plan), console_(console) {}

  /// Writes the synthetic set where the plan has one and it is not there yet.
  void make_data();

  /// Fits codebooks and writes the IDs of all items where they are not up to date. Throws what fitting throws, with the
  /// quantizer's name.
  void fit(const QuantizerPlan& quantizer);

  /// The plan's embeddings; opened when they are first asked for.
  const data::Catalogue& catalogue();
  /// Lets go of them.
  void close_catalogue() { catalogue_.reset(); }

  /// Names and contents of the modalities, in the plan's order, as stages depend on them.
  Json modality_inputs();

  /// A line about a stage.
  void say(const std::string& stage, const std::string& outcome);

 private:
  const RunPlan& plan_;
  Console& console_;
  std::optional<data::Catalogue> catalogue_;
  Json modality_inputs_;
};

}  // namespace neume::app
