#include "rank/popularity.hpp"

#include <cmath>

namespace neume::rank {

std::vector<std::uint32_t> count_listeners(const data::Histories& histories, std::size_t num_items) {
  std::vector<std::uint32_t> counts(num_items, 0);
  for (std::uint32_t user = 0; user < histories.num_users(); ++user) {
    for (const std::uint32_t item : histories.positives(user)) ++counts[item];
  }
  return counts;
}

Popularity::Popularity(const data::Histories& histories, std::size_t num_items, std::size_t max_batch)
    : CountingModel(max_batch), histories_(histories), listeners_(count_listeners(histories, num_items)) {}

float Popularity::raw_score(const Batch& batch, std::size_t s, bool held_out) const {
  const std::uint32_t item = batch.targets[s];
  const bool takes_out = held_out && histories_.is_positive(batch.users[s], item);
  return std::log1p(static_cast<float>(listeners_[item] - (takes_out ? 1 : 0)));
}

}  // namespace neume::rank
