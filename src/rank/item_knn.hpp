#pragma once
// The floor that knows who listened to what: item-based nearest neighbours by the cosine of co-listening.
//
//   s(u, i) = sum over j in P(u), j != i, of co(i, j) / sqrt(n_i n_j)
//
// P(u): all training positives of the user, whatever their time and number (T is not read); n_i: users that have i
// among theirs; co(i, j): users that have both. A training positive must not see itself: for a sample with label 1
// whose target is in P(u), the user's liking of the target is taken out, so n_i - 1 and co(i, j) - 1 stand in the sum.
// n_j stays: the user likes j all the same, as the user of a test sample does. The logit is that of
// counting_model.hpp.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/histories.hpp"
#include "rank/counting_model.hpp"

namespace neume::rank {

/// co(i, j) for every pair of items that some user has both of: row i in ascending j. Where sum over users of |P(u)|^2
/// (which bounds the pairs) exceeds `max_pairs`, a row keeps only the `max_neighbours` items of the largest cosine
/// (ties: the smaller item), and what it leaves out counts as 0.
class CoListening {
 public:
  struct Limits {
    std::size_t max_pairs = 100'000'000;  ///< 8 bytes each, twice that while they are counted
    std::size_t max_neighbours = 1000;
  };

  /// Cost: sum over users of |P(u)|^2 additions, in parallel over items.
  CoListening(const data::Histories& histories, std::size_t num_items, const Limits& limits);

  struct Neighbour {
    std::uint32_t item = 0;
    std::uint32_t users = 0;  ///< co(i, item)
  };
  std::span<const Neighbour> neighbours(std::size_t item) const {
    return {neighbours_.data() + offsets_[item], offsets_[item + 1] - offsets_[item]};
  }
  /// n_i.
  std::uint32_t listeners(std::size_t item) const { return listeners_[item]; }

 private:
  std::vector<std::uint32_t> listeners_;
  std::vector<std::size_t> offsets_;  // num_items + 1
  std::vector<Neighbour> neighbours_;
};

class ItemKnn final : public CountingModel {
 public:
  /// `histories` must outlive the model.
  ItemKnn(const data::Histories& histories, std::size_t num_items, std::size_t max_batch,
          const CoListening::Limits& limits = {});

 protected:
  float raw_score(const Batch& batch, std::size_t s, bool held_out) const override;

 private:
  const data::Histories& histories_;
  CoListening co_listening_;
};

}  // namespace neume::rank
