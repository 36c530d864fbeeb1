#pragma once
// Unique addresses: what to do where several items share a semantic ID. Ranking features need none of it; generative
// retrieval does.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <neume/options.hpp>
#include <neume/quantizer.hpp>
#include <neume/semantic_ids.hpp>

#include "data/catalogue.hpp"

namespace neume::quantize {

enum class CollisionRule {
  none,     ///< items may share an ID
  suffix,   ///< one more code, 0, 1, 2, ... among the items that share an ID
  reassign  ///< items move to the nearest free ID
};
inline constexpr ChoiceNames<3> kCollisionRuleNames{"none", "suffix", "reassign"};

/// The family with a layer more: 0, 1, 2, ... in the order of the items among those that share an ID (TIGER, Rajput et
/// al. 2023, section 3.1). The new layer's codebook size is the largest group; no item loses or changes a code. Throws
/// DataError where a group passes 65,535 items.
CodeFamily with_suffix(const CodeFamily& family);

struct Reassignment {
  CodeFamily family;               ///< every ID once
  std::size_t moved = 0;           ///< items that got another ID
  std::size_t moved_in_layer = 0;  ///< of these, items that kept all codes but the last
  std::size_t rounds = 0;          ///< searches, each with a wider beam than the one before
};

/// Gives every item an ID of its own. In each shared ID the item nearest to it stays (ties: the first); the others ask
/// for IDs in the order of their distance, which a beam search finds, and a free ID goes to the nearest of those
/// that ask for it, until nobody is left (deferred acceptance: Gale & Shapley 1962). Items that were alone keep their
/// IDs. Greedy: not the assignment of least total distance, but no two moved items would both gain by swapping. Throws
/// InvalidArgument where there are more items than IDs. Depends on the whole catalogue, unlike plain encoding.
///
/// `held`: IDs (of other items, each once) that nobody may get; an item whose own ID is held moves.
Reassignment reassign(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& family,
                      const CodeFamily& held = {});

}  // namespace neume::quantize
