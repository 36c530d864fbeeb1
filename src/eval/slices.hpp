#pragma once
// Parts of the catalogue that are judged apart: by the number of interactions that training has of an item.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <neume/ranker.hpp>

namespace neume::eval {

/// How much training has of an item.
enum class Popularity : std::uint8_t { head, torso, tail, unseen };
inline constexpr ChoiceNames<4> kPopularityNames{"head", "torso", "tail", "unseen"};

/// The class of every item, from its interactions in training. In order of falling counts (items of one count by
/// number), with all the interactions n and those of the items before it m: head while m < n/2, torso while m < 9n/10,
/// then tail; unseen without any. So the head is the shortest list of most played items that has half of n or more.
std::vector<Popularity> popularity_classes(std::span<const std::uint32_t> counts);

/// Samples as judges see them: logit, label and target item of each.
struct JudgedSamples {
  std::span<const float> logits;
  std::span<const std::uint8_t> labels;
  std::span<const std::uint32_t> targets;
};

/// Metrics of the samples whose target belongs to the slice; `items`, the slice's share of a catalogue of `num_items`,
/// counts items whether a sample has them or not. Throws InvalidArgument as the functions of ranking_metrics.hpp do.
SliceMetrics judge_slice(const std::string& name, const JudgedSamples& samples, std::size_t num_items,
                         const std::function<bool(std::uint32_t item)>& belongs);

}  // namespace neume::eval
