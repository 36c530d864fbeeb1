#include "data/synth_exposure.hpp"

#include <algorithm>

namespace neume::data {

namespace {

// How exposures come about; the rest is popularity.
constexpr double kTasteShare = 0.5;
constexpr double kNewReleaseShare = 0.1;

// New releases are the last 1/50 of what is out, and at least a shelf of 8.
constexpr std::size_t kNewReleaseFraction = 50;
constexpr std::size_t kNewReleaseShelf = 8;

// Draws before giving up on chance: a user who met nearly all of a pool would draw for ever.
constexpr int kMaxDraws = 32;

template <class Key>
WeightedPools pools_of(const SynthCatalogue& catalogue, std::size_t num_pools, const Key& key) {
  std::vector<std::uint32_t> pool_of(catalogue.size());
  std::vector<double> weights(catalogue.size());
  for (std::size_t item = 0; item < catalogue.size(); ++item) {
    pool_of[item] = static_cast<std::uint32_t>(key(item));
    weights[item] = catalogue.popularity(item);
  }
  return {pool_of, weights, num_pools};
}

}  // namespace

WeightedPools::WeightedPools(std::span<const std::uint32_t> pool_of, std::span<const double> weights,
                             std::size_t num_pools)
    : begin_(num_pools + 1, 0), items_(pool_of.size()), cumulative_(pool_of.size()) {
  for (const std::uint32_t pool : pool_of) ++begin_[pool + 1];
  for (std::size_t pool = 0; pool < num_pools; ++pool) begin_[pool + 1] += begin_[pool];
  std::vector<std::size_t> next(begin_.begin(), begin_.end() - 1);
  for (std::uint32_t item = 0; item < pool_of.size(); ++item) {
    const std::size_t pool = pool_of[item];
    const std::size_t place = next[pool]++;
    items_[place] = item;
    cumulative_[place] = weights[item] + (place == begin_[pool] ? 0.0 : cumulative_[place - 1]);
  }
}

std::optional<std::uint32_t> WeightedPools::draw(std::size_t pool, base::Random& random) const {
  const auto first = cumulative_.begin() + static_cast<std::ptrdiff_t>(begin_[pool]);
  const auto last = cumulative_.begin() + static_cast<std::ptrdiff_t>(begin_[pool + 1]);
  if (first == last) return std::nullopt;
  const double target = random.uniform() * *(last - 1);
  // target < total up to rounding, so the search may end one past the last.
  const auto found = std::min(std::upper_bound(first, last, target), last - 1);
  return items_[static_cast<std::size_t>(found - cumulative_.begin())];
}

SynthExposure::SynthExposure(const SynthCatalogue& catalogue)
    : catalogue_(catalogue),
      everything_(pools_of(catalogue, 1, [](std::size_t) { return 0; })),
      by_style_(pools_of(catalogue, catalogue.num_styles(), [&](std::size_t item) { return catalogue.style(item); })),
      by_sound_(
          pools_of(catalogue, catalogue.options().sounds, [&](std::size_t item) { return catalogue.sound(item); })) {
  release_times_.reserve(catalogue.size());
  for (const std::uint32_t item : catalogue.by_release()) release_times_.push_back(catalogue.released(item));
}

std::uint32_t SynthExposure::draw(const SynthListener& listener, std::int64_t time,
                                  const std::unordered_set<std::uint32_t>& seen, base::Random& random) const {
  const auto num_released = static_cast<std::size_t>(
      std::upper_bound(release_times_.begin(), release_times_.end(), time) - release_times_.begin());
  for (int i = 0; i < kMaxDraws; ++i) {
    const auto item = draw_candidate(listener, num_released, random);
    if (item && catalogue_.released(*item) <= time && !seen.contains(*item)) return *item;
  }
  return first_unseen(num_released, seen, random);
}

std::optional<std::uint32_t> SynthExposure::draw_candidate(const SynthListener& listener, std::size_t num_released,
                                                           base::Random& random) const {
  const double kind = random.uniform();
  if (kind < kTasteShare) {
    const SynthTaste& taste = listener.tastes[random.index(listener.num_tastes)];
    const bool by_text = random.uniform() < listener.text_weight;
    return by_text ? by_style_.draw(taste.style, random) : by_sound_.draw(taste.sound, random);
  }
  if (kind < kTasteShare + kNewReleaseShare) {
    const std::size_t shelf =
        std::min(num_released, std::max(kNewReleaseShelf, catalogue_.size() / kNewReleaseFraction));
    return catalogue_.by_release()[num_released - 1 - random.index(shelf)];
  }
  return everything_.draw(0, random);
}

std::uint32_t SynthExposure::first_unseen(std::size_t num_released, const std::unordered_set<std::uint32_t>& seen,
                                          base::Random& random) const {
  std::size_t place = random.index(num_released);
  // Everything in `seen` is out, so equal sizes mean that nothing is left.
  if (seen.size() < num_released) {
    while (seen.contains(catalogue_.by_release()[place])) place = (place + 1) % num_released;
  }
  return catalogue_.by_release()[place];
}

}  // namespace neume::data
