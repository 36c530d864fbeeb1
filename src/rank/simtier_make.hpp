#pragma once
// SimTier and MAKE (Sheng et al., CIKM 2024, arXiv 2407.19467): a network of item IDs that also reads what content
// says, in two forms that keep the training of the two apart.
//
//   logit = MLP([ DIN's inputs ; declared features ; tiers of every modality ; knowledge vector ])
//
// The tiers are rank/similarity_tiers.hpp's, the knowledge vector rank/make_model.hpp's. The first epochs train MAKE;
// then it stays as it is, and the others train the rest. DIN (rank/sequence_model.hpp) reads item IDs and any code
// families that are named.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "rank/make_model.hpp"
#include "rank/model_setup.hpp"
#include "rank/network.hpp"
#include "rank/sequence_model.hpp"
#include "rank/similarity_tiers.hpp"

namespace neume::rank {

struct SimTierMakeSpec {
  ModelSpec main;          ///< DIN; MAKE takes its sizes from it
  std::size_t tiers = 20;  ///< a modality
  std::size_t make_epochs = 3;
};

class SimTierMake final : public Network<float> {
 public:
  /// `inputs.codes` and `inputs.content` must outlive the model. Throws InvalidArgument where the content is empty, or
  /// the MLP has no hidden layer.
  SimTierMake(const SimTierMakeSpec& spec, const NetworkInputs& inputs, std::uint64_t seed);

  std::size_t max_batch() const override { return main_.max_batch(); }
  std::size_t extra_epochs() const override { return make_epochs_; }
  void begin_epoch(std::size_t epoch) override { trains_make_ = epoch <= make_epochs_; }

  /// In MAKE's epochs MAKE's own logits.
  void score(const Batch& batch, std::span<float> logits) override;
  double train(const Batch& batch, const kernels::AdamStep<float>& step) override { return train(batch, step, {}); }
  double train(const Batch& batch, const kernels::AdamStep<float>& step, const NextBatch& next) override;
  double compute_gradients(const Batch& batch) override;

  /// MAKE's, under "make.", without gradients once it stays as it is; then DIN's.
  std::vector<nn::ParameterView<float>> parameters() override;
  void parameters_changed() override;

 private:
  /// A batch with the numbers that the main model reads.
  struct Extended {
    const Batch* source = nullptr;  // what `batch` was copied from ahead of its turn; its numbers are not extended yet
    Batch batch;
  };

  const Batch* copy_ahead(const Batch* batch);
  const Batch& extended(const Batch& batch);
  void write_numbers(const Batch& batch, std::vector<float>& numbers);

  std::size_t num_features_;  // numbers of the declared features
  std::size_t make_epochs_;
  MakeModel<float> make_;
  SimilarityTiers tiers_;
  SequenceModel<float> main_;
  bool trains_make_ = true;
  std::array<Extended, 2> batches_;  // the one in use, and the one that comes after it
  std::size_t current_ = 0;
};

}  // namespace neume::rank
