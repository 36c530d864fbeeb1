#pragma once
// A trained ranker as it lies in its folder (docs/formats/ranker.md): parameters, the semantic IDs and histories that
// it was trained with, its options. Enough to judge it and to rank with it.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <neume/progress.hpp>
#include <neume/ranker.hpp>
#include <neume/semantic_ids.hpp>

#include "data/features.hpp"
#include "data/histories.hpp"
#include "data/id_index.hpp"
#include "data/interactions.hpp"
#include "eval/ranking_metrics.hpp"
#include "rank/content.hpp"
#include "rank/evaluation.hpp"
#include "rank/item_codes.hpp"
#include "rank/network.hpp"

namespace neume::rank {

struct ScoredItem {
  std::uint32_t item = 0;  ///< row of items()
  float logit = 0.0f;
};

class RankerBundle {
 public:
  /// Throws DataError for a folder without a manifest (training did not finish), a missing or broken file, or files
  /// that do not belong together.
  static RankerBundle load(const std::filesystem::path& folder);

  RankerBundle(RankerBundle&&) noexcept;
  ~RankerBundle();

  const RankerOptions& options() const { return options_; }
  const data::IdIndex& items() const { return items_; }
  /// Users of the training log; reading a test log adds its new users here (they have empty histories).
  data::IdIndex& users() { return users_; }
  const data::IdIndex& users() const { return users_; }

  /// The network, for export; its item rows are items()'s.
  Network<float>& network() { return *network_; }
  /// Its parameters, to be read.
  std::vector<nn::ParameterView<float>> parameters() const { return network_->parameters(); }
  /// The semantic IDs as the network reads them.
  const ItemCodes& codes() const { return *codes_; }
  /// Training interactions of each item.
  std::span<const std::uint32_t> item_interactions() const { return item_counts_; }

  /// The features that it was trained with; a test log must be read with them (data::LogReading).
  data::FeatureSet& features() { return features_; }

  /// Metrics over the rows of a log (its users and items indexed by users() and items(), its features read with
  /// features(); InvalidArgument where they were not). A log without labels gets sampled negatives. Scored in the
  /// training's batches, so that a validation log gets the training's figures.
  RankerMetrics evaluate(const data::Interactions& log, const JudgingOptions& judging, const ProgressFn& progress = {});

  /// Ranks the whole catalogue, less the user's training positives, for every user with a positive in `log`, and
  /// averages over users. Ties are counted against the positive.
  eval::RankingSummary rank_catalogue(const data::Interactions& log, const std::vector<std::size_t>& cutoffs,
                                      const ProgressFn& progress = {});

  /// The `top` items of the catalogue for a user, best first, less those in `exclude` (ascending).
  std::vector<ScoredItem> rank(std::uint32_t user, std::size_t top, std::span<const std::uint32_t> exclude);

  /// The user's last T training positives, oldest first.
  std::vector<std::uint32_t> history(std::uint32_t user) const;
  /// The last `limit` of them.
  std::vector<std::uint32_t> history(std::uint32_t user, std::size_t limit) const;
  std::span<const std::uint32_t> positives(std::uint32_t user) const { return histories_->positives(user); }
  /// When the last training positive was; nothing where the log has no time.
  std::optional<std::int64_t> last_time() const { return last_time_; }

 private:
  /// Distinct items by user, both ascending, so that sums over users have one order.
  using RelevantItems = std::map<std::uint32_t, std::vector<std::uint32_t>>;

  RankerBundle() = default;
  /// What full rankings look for: the positives of a log that are none of training's.
  RelevantItems relevant_items(const data::Interactions& log) const;
  std::vector<float> score_catalogue(std::uint32_t user);
  /// Logits of all items for each of `users`: users x items, row-major.
  std::vector<float> score_catalogues(std::span<const std::uint32_t> users);

  RankerOptions options_;
  data::IdIndex items_;
  data::IdIndex users_;
  std::unique_ptr<data::Histories> histories_;  // these have one place: the network refers to them
  std::optional<std::int64_t> last_time_;
  std::vector<std::uint32_t> item_counts_;  // training interactions of an item
  std::unique_ptr<ItemCodes> codes_;
  std::unique_ptr<Content> content_;
  data::FeatureSet features_;
  std::unique_ptr<Network<float>> network_;
};

}  // namespace neume::rank
