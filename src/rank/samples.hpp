#pragma once
// From a log to training and test samples: (target, label, history), with sampled negatives where the log has none.

#include <cstddef>
#include <cstdint>

#include "data/features.hpp"
#include "data/histories.hpp"
#include "data/interactions.hpp"
#include "rank/batch.hpp"

namespace neume::rank {

struct SamplingOptions {
  std::size_t num_items = 0;
  std::size_t history = 20;   ///< T
  std::size_t negatives = 4;  ///< a positive, where the log has no labels
  std::uint64_t seed = 1;
  bool training = true;  ///< the log is the one that the histories come from
  /// What the log was read with; must outlive the samples. nullptr: no features.
  const data::FeatureSet* features = nullptr;
};

/// Samples 0 .. size() - 1 of a log. With labels: its rows. Without: each row, followed by `negatives` items that the
/// user never liked, drawn uniformly by a hash of (seed, epoch, row, number), with the same history as the row's.
/// Stateless, so any sample of any epoch can be made at any time: a resumed training sees the same ones.
class Samples {
 public:
  /// Both referents must outlive this. Throws InvalidArgument where the log was read without the features.
  Samples(const data::Interactions& log, const data::Histories& histories, const SamplingOptions& options);

  std::size_t size() const { return log_.size() * per_row(); }

  /// Appends sample `index` to `batch`, with its features in the order of FeatureLayout: those of the log from its row
  /// (a sampled negative has those of its positive: the occasion is the same), those of the items from its target.
  /// Throws DataError for a user who likes every item (no negative exists).
  void append(std::size_t index, std::uint64_t epoch, Batch& batch) const;

  std::uint32_t user(std::size_t index) const { return log_.users[index / per_row()]; }

 private:
  std::size_t per_row() const { return log_.has_labels() ? 1 : 1 + options_.negatives; }
  std::uint32_t sample_negative(std::size_t index, std::uint64_t epoch) const;
  void append_features(std::size_t row, std::uint32_t target, Batch& batch) const;

  const data::Interactions& log_;
  const data::Histories& histories_;
  SamplingOptions options_;
};

}  // namespace neume::rank
