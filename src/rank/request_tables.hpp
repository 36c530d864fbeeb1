#pragma once
// A SequenceModel as requests read it: what depends on the parameters alone, computed once a model. It holds about
// (hidden + width) floats for every row of a family's table; of a family that queries, hidden more for each unit that
// it queries and as many as the MLP's first layer has outputs.

#include <cstddef>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "kernels/attention.hpp"
#include "kernels/matmul.hpp"
#include "nn/parameter.hpp"
#include "rank/sequence_model.hpp"

namespace neume::rank {

/// An attention unit (nn/attention_unit.hpp). Pointers are into the network's parameters.
struct RequestUnit {
  std::string name;  ///< the family's, or "item"
  Source source;
  std::size_t query = 0;         ///< place in RequestTables::queries
  std::size_t input_column = 0;  ///< of what it pools, in the MLP's input
  std::size_t query_column = 0;  ///< the same in its query's inputs
  kernels::AttentionShape shape{};
  base::Buffer<float> table;               ///< of a family: rows x [W_e e | e]
  base::Buffer<float> query_thresholds;    ///< queried by a family: its rows x hidden, -W_q e
  base::Buffer<float> item_weights;        ///< W_e, width x hidden
  base::Buffer<float> query_weights;       ///< W_q, width x hidden
  const float* product_weights = nullptr;  ///< W_p, hidden x width; null: the net reads no product
  const float* hidden_bias = nullptr;
  const float* output_weights = nullptr;
  float output_bias = 0.0f;
};

/// A source of target embeddings. Candidates with equal rows in it share its inputs: what the units that it queries
/// pool, and the embedding; and for items the features after these.
struct RequestQuery {
  Source source;
  std::size_t unit = 0;  ///< whose table holds its embeddings
  std::vector<std::size_t> units;
  std::size_t input_column = 0;      ///< of its embedding, in the MLP's input
  std::size_t embedding_column = 0;  ///< the same in its own inputs
  std::size_t num_inputs = 0;
  std::size_t stride = 0;               ///< num_inputs, rounded up to whole vectors
  base::Buffer<float> first_layer;      ///< num_inputs x outputs of the MLP's first layer: its part of the weights
  base::Buffer<float> embedding_parts;  ///< of a family: its rows x outputs, what their embeddings add to that layer
};

struct RequestLayer {
  std::size_t inputs = 0;
  std::size_t outputs = 0;
  const float* weights = nullptr;  ///< outputs x inputs
  const float* bias = nullptr;
};

struct RequestFeature {
  std::size_t width = 0;
  nn::Strided<const float> rows;
};

struct RequestTables {
  /// Throws InternalError where the model lacks a parameter. `model` and `codes` must outlive it.
  RequestTables(SequenceModel<float>& model, const ItemCodes& item_codes);

  const ItemCodes& codes;
  const ModelSpec& spec;
  std::vector<RequestUnit> units;
  std::vector<RequestQuery> queries;  ///< that of items is the last
  std::vector<RequestLayer> layers;   ///< of the MLP
  std::vector<RequestFeature> features;
  nn::Strided<float> items;
  std::size_t feature_column = 0;  ///< of the MLP's input

 private:
  using Views = std::vector<nn::ParameterView<float>>;
  void add_unit(const Views& views, const ModelSpec::Unit& unit);
  void fill_table(const Views& views, RequestUnit& unit) const;
  void add_query(std::size_t number);
  void project_queries();
  void cut_first_layer();
  void project_embeddings();
};

}  // namespace neume::rank
