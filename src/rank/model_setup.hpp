#pragma once
// From options and semantic IDs to a network: the one place that training and loading share.

#include <neume/ranker.hpp>
#include <neume/semantic_ids.hpp>

#include <memory>

#include "data/features.hpp"
#include "data/histories.hpp"
#include "rank/content.hpp"
#include "rank/initial_tables.hpp"
#include "rank/item_codes.hpp"
#include "rank/network.hpp"

namespace neume::rank {

/// The families that the options name or imply, permuted over the items where the options ask for the control. Throws
/// InvalidArgument for a family that is not there, where mcca has no family "joint", or where families are named for a
/// model that reads no codes, or (qarm) its own alone.
ItemCodes select_codes(const SemanticIds& sids, const RankerOptions& options);

/// What a network reads besides its batches. Codes, content and histories must outlive the network; the layout is
/// copied.
struct NetworkInputs {
  const ItemCodes& codes;
  const Content& content;
  const data::FeatureLayout& features;
  const data::Histories& histories;  ///< of the training log
  std::size_t num_users = 0;         ///< of the training log; users from here on are unknown to it
  /// What tables of codes start from: centroids of every family of `codes`; nullptr: random values. Read by the
  /// constructor alone.
  const InitialTables* tables = nullptr;
};

/// The network of `options`, untrained. Throws InvalidArgument where the inputs lack what it reads.
std::unique_ptr<Network<float>> make_network(const RankerOptions& options, const NetworkInputs& inputs);

}  // namespace neume::rank
