#pragma once
// Requests to models of any kind, as batches of the network that training has.

#include <mutex>
#include <vector>

#include "rank/request_model.hpp"

namespace neume::rank {

/// One request at a time: networks keep what they compute. Reads the last T items of a history, as evaluation does.
class RequestBatches final : public RequestModel {
 public:
  explicit RequestBatches(RankerBundle& bundle) : bundle_(bundle) {}

  bool scores_new_items() const override { return false; }
  void score(const ScoreRequest& request, std::span<float> logits) const override;
  std::vector<Explanation::Source> source_contributions(const ScoreRequest&, std::size_t) const override { return {}; }
  std::vector<double> history_contributions(const ScoreRequest& request, std::size_t candidate) const override;

 private:
  /// Ends a sample of `batch_` whose history was just appended.
  void add_sample(std::uint32_t user, std::uint32_t item) const;

  RankerBundle& bundle_;
  mutable std::mutex mutex_;
  mutable Batch batch_;
};

}  // namespace neume::rank
