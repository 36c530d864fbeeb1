#pragma once
// From options and semantic IDs to a network: the one place that training and loading share.

#include <neume/ranker.hpp>
#include <neume/semantic_ids.hpp>

#include "rank/item_codes.hpp"
#include "rank/sequence_model.hpp"

namespace neume::rank {

/// The families that the options name or imply, permuted over the items where the options ask for the control. Throws
/// InvalidArgument for a family that is not there, or where mcca has no family "joint".
ItemCodes select_codes(const SemanticIds& sids, const RankerOptions& options);

/// The network of `options` on `codes`.
ModelSpec model_spec(const ItemCodes& codes, const RankerOptions& options);

}  // namespace neume::rank
