#pragma once
// The floor that knows no listener: an item's score is how often it was liked in training.
//
//   s(i) = log(1 + n_i),  n_i = users with i among their training positives
//
// A training positive is scored without itself (n_i - 1). The logit is that of counting_model.hpp.

#include <cstdint>
#include <vector>

#include "data/histories.hpp"
#include "rank/counting_model.hpp"

namespace neume::rank {

/// Users that liked each of `num_items` items.
std::vector<std::uint32_t> count_listeners(const data::Histories& histories, std::size_t num_items);

class Popularity final : public CountingModel {
 public:
  /// `histories` must outlive the model.
  Popularity(const data::Histories& histories, std::size_t num_items, std::size_t max_batch);

 protected:
  float raw_score(const Batch& batch, std::size_t s, bool held_out) const override;

 private:
  const data::Histories& histories_;
  std::vector<std::uint32_t> listeners_;  // n_i
};

}  // namespace neume::rank
