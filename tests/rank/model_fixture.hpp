#pragma once
// Small semantic IDs, batches and models for the ranker's tests.

#include <vector>

#include "base/random.hpp"
#include "rank/sequence_model.hpp"

namespace neume::rank {

/// Three families (text, audio, joint) with different codebook sizes; every fifth item lacks audio and so joint.
inline SemanticIds make_sids(std::size_t num_items, std::uint64_t seed) {
  base::Random random(seed);
  SemanticIds sids;
  sids.items = ItemIds::row_numbers(num_items);
  const std::vector<std::vector<std::size_t>> sizes = {{6, 5, 4}, {7}, {5, 6}};
  const std::vector<std::string> names = {"text", "audio", "joint"};
  for (std::size_t f = 0; f < 3; ++f) {
    CodeFamily family{names[f], sizes[f], {}};
    for (std::size_t item = 0; item < num_items; ++item) {
      const bool missing = f > 0 && item % 5 == 4;
      for (const std::size_t k : sizes[f])
        family.codes.push_back(missing ? kNoCode : static_cast<Code>(random.index(k)));
    }
    sids.families.push_back(std::move(family));
  }
  return sids;
}

/// Histories of 0 to max_history items, repeats included.
inline Batch make_batch(std::size_t size, std::size_t num_items, std::size_t max_history, std::uint64_t seed) {
  base::Random random(seed);
  Batch batch;
  batch.clear();
  for (std::size_t s = 0; s < size; ++s) {
    const std::size_t length = random.index(max_history + 1);
    for (std::size_t j = 0; j < length; ++j)
      batch.history.push_back(static_cast<std::uint32_t>(random.index(num_items)));
    batch.add(static_cast<std::uint32_t>(random.index(num_items)), random.uniform() < 0.4 ? 1.0f : 0.0f);
  }
  return batch;
}

inline ModelSpec small_spec(std::vector<ModelSpec::Unit> units) {
  ModelSpec spec;
  spec.units = std::move(units);
  spec.width = 16;
  spec.attention_hidden = 32;
  spec.mlp = {24, 12};
  spec.max_batch = 70;
  spec.max_history = 5;
  spec.embedding_scale = 0.7;  // large enough that every term of the gradients is far from rounding
  return spec;
}

}  // namespace neume::rank
