#pragma once
// Requests to the models that attend over histories (mcca, din, qarm). A model of these is a function of few distinct
// IDs, so that a request needs far less work than its samples one by one (docs/decisions/0014):
//
//   history     collapsed to distinct IDs with counts and projected, once
//   candidates  in groups of equal IDs: one attention a group and unit
//   MLP         its first layer is cut by query source: a group's inputs (what its units pool, its embedding) are
//               multiplied once, and a candidate adds the parts of its groups

#include <memory>
#include <mutex>
#include <vector>

#include "data/features.hpp"
#include "rank/request_model.hpp"
#include "rank/request_tables.hpp"

namespace neume::rank {

class RequestSequence final : public RequestModel {
 public:
  /// All must outlive it, and the model's parameters must stay as they are.
  RequestSequence(SequenceModel<float>& model, const ItemCodes& codes, const data::FeatureSet& features,
                  bool scores_new_items);
  ~RequestSequence() override;

  bool scores_new_items() const override { return scores_new_items_; }
  void score(const ScoreRequest& request, std::span<float> logits) const override;
  std::vector<Explanation::Source> source_contributions(const ScoreRequest& request,
                                                        std::size_t candidate) const override;
  std::vector<double> history_contributions(const ScoreRequest& request, std::size_t candidate) const override;

 private:
  struct Work;
  class Borrowed;

  bool in_order(const ScoreRequest& request) const;
  void look_up(std::span<const RequestItem> candidates, Work& work) const;
  void group(std::span<const RequestItem> candidates, std::size_t q, Work& work) const;
  void fill_item_inputs(std::span<const RequestItem> candidates, Work& work) const;
  void fill_features(const RequestItem& item, float* out, Work& work) const;
  void attend(std::size_t u, bool in_network_order, Work& work) const;
  const float* thresholds(std::size_t u, Work& work) const;
  void fill_groups(std::span<const RequestItem> candidates, bool in_network_order, Work& work) const;
  float* network_inputs(std::size_t count, Work& work) const;
  void first_part(std::size_t q, nn::RowRange groups, kernels::Product<float> sums, const Work& work) const;
  void shared_parts(std::size_t num_candidates, Work& work) const;
  void first_layer(nn::RowRange candidates, Work& work) const;
  void run_network(std::size_t count, const float* inputs, Work& work, std::span<float> logits) const;
  void run_layers(std::size_t first, std::size_t count, Work& work, std::span<float> logits) const;
  std::vector<double> contributions_in_order(const ScoreRequest& request, std::size_t candidate) const;

  RequestTables tables_;
  const data::FeatureSet& features_;
  bool scores_new_items_;
  std::size_t network_stride_;  // of the MLP's whole input: whole vectors
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Work>> idle_;  // working memory, one a request that runs
};

}  // namespace neume::rank
