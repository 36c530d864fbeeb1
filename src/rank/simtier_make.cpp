#include "rank/simtier_make.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/parallel.hpp"
#include "base/random.hpp"

namespace neume::rank {

namespace {

constexpr std::uint64_t kMakeStream = 2407;  // apart from the streams of the main model, which has the seed itself

constexpr std::size_t kSampleBlock = 64;  // samples a task

MakeSpec make_spec_of(const ModelSpec& main) {
  MakeSpec spec;
  spec.width = main.width;
  spec.attention_hidden = main.attention_hidden;
  spec.attention_softmax = main.attention_softmax;
  spec.attention_product = main.attention_product;
  spec.mlp = main.mlp;
  spec.arithmetic = main.arithmetic;
  spec.max_batch = main.max_batch;
  spec.max_history = main.max_history;
  return spec;
}

/// The main model with the further numbers that its batches carry.
ModelSpec with_numbers(ModelSpec spec, const SimilarityTiers& tiers, std::size_t knowledge_width) {
  for (std::size_t i = 0; i < tiers.columns(); ++i) spec.features.numbers.push_back(fmt::format("tier.{}", i));
  for (std::size_t i = 0; i < knowledge_width; ++i) spec.features.numbers.push_back(fmt::format("knowledge.{}", i));
  return spec;
}

}  // namespace

SimTierMake::SimTierMake(const SimTierMakeSpec& spec, const NetworkInputs& inputs, std::uint64_t seed)
    : num_features_(spec.main.features.numbers.size()),
      make_epochs_(spec.make_epochs),
      make_(make_spec_of(spec.main), inputs.content, base::derive_seed(seed, kMakeStream)),
      tiers_(inputs.content, {spec.tiers, spec.main.max_history}),
      main_(with_numbers(spec.main, tiers_, make_.knowledge_width()), inputs.codes, seed),
      trains_make_(spec.make_epochs > 0) {}

/// Row s: the features' numbers, the tiers, the knowledge vector.
void SimTierMake::write_numbers(const Batch& batch, std::vector<float>& numbers) {
  const nn::Strided<const float> knowledge = make_.extract(batch);
  const std::size_t knowledge_column = num_features_ + tiers_.columns();
  const std::size_t columns = knowledge_column + make_.knowledge_width();
  numbers.resize(batch.size() * columns);
  base::parallel_for(base::num_chunks(batch.size(), kSampleBlock), [&](std::size_t block) {
    const nn::RowRange samples{block * kSampleBlock, std::min((block + 1) * kSampleBlock, batch.size())};
    tiers_.write(batch, samples, {numbers.data() + num_features_, columns});
    for (std::size_t s = samples.begin; s < samples.end; ++s) {
      float* row = numbers.data() + s * columns;
      std::copy_n(batch.numbers.data() + s * num_features_, num_features_, row);
      std::copy_n(knowledge.row(s), make_.knowledge_width(), row + knowledge_column);
    }
  });
}

/// The batch that comes after the present one, as far as its index needs it: the numbers need MAKE, which has threads
/// of its own and so waits until the batch's turn.
const Batch* SimTierMake::copy_ahead(const Batch* batch) {
  if (batch == nullptr) return nullptr;
  Extended& coming = batches_[1 - current_];
  coming.batch = *batch;
  coming.source = batch;
  return &coming.batch;
}

const Batch& SimTierMake::extended(const Batch& batch) {
  if (batches_[1 - current_].source == &batch) {
    current_ = 1 - current_;
  } else {
    batches_[current_].batch = batch;
  }
  for (Extended& any : batches_) any.source = nullptr;
  write_numbers(batch, batches_[current_].batch.numbers);
  return batches_[current_].batch;
}

void SimTierMake::score(const Batch& batch, std::span<float> logits) {
  if (trains_make_) return make_.score(batch, logits);
  main_.score(extended(batch), logits);
}

double SimTierMake::train(const Batch& batch, const kernels::AdamStep<float>& step, const NextBatch& next) {
  if (trains_make_) return static_cast<Network<float>&>(make_).train(batch, step, next);
  const Batch& whole = extended(batch);
  if (!next) return main_.train(whole, step);
  return main_.train(whole, step, [&] { return copy_ahead(next()); });
}

double SimTierMake::compute_gradients(const Batch& batch) {
  return trains_make_ ? make_.compute_gradients(batch) : main_.compute_gradients(extended(batch));
}

std::vector<nn::ParameterView<float>> SimTierMake::parameters() {
  auto views = make_.parameters();
  if (!trains_make_) {
    for (auto& view : views) view.gradients = {};  // those of its last step, which say nothing of the present one
  }
  const auto main = main_.parameters();
  views.insert(views.end(), main.begin(), main.end());
  return views;
}

void SimTierMake::parameters_changed() {
  make_.parameters_changed();
  main_.parameters_changed();
}

}  // namespace neume::rank
