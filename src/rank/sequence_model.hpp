#pragma once
// The network of MCCA and DIN (arXiv 2508.20359, section 3.3): attention units over histories in several sources (code
// families and item IDs), each queried by the target's embedding in some source, then an MLP.
//
//   h^u   = sum_j a_u([e_j^u ; e_t^q(u)]) e_j^u          for every unit u with source u and query source q(u)
//   logit = MLP([ h^u for every unit ; e_t^q for every distinct query source q ; declared features ])
//
// MCCA: units text, audio, ..., joint with the joint family as the query, and item IDs queried by item IDs. Without
// modal-specific codes (w/o MSC): joint and item IDs. Without modal-joint codes (w/o MJC): as DIN + every other family.
// DIN: item IDs only. DIN + family: item IDs, and that family queried by itself.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <neume/ranker.hpp>

#include "data/features.hpp"
#include "kernels/embedding_rows.hpp"
#include "nn/attention_unit.hpp"
#include "nn/mlp.hpp"
#include "rank/batch.hpp"
#include "rank/batch_index.hpp"
#include "rank/feature_inputs.hpp"
#include "rank/initial_tables.hpp"
#include "rank/network.hpp"

namespace neume::rank {

/// What the network looks like.
struct ModelSpec {
  struct Unit {
    Source source;
    Source query;
  };
  std::vector<Unit> units;
  std::size_t width = 64;             ///< d'
  std::size_t attention_hidden = 64;  ///< hidden width of a(.)
  bool attention_softmax = false;     ///< nn/attention_unit.hpp says what these two do
  bool attention_product = false;
  LayerPooling layer_pooling = LayerPooling::sum;
  std::vector<std::size_t> mlp = {256, 128};
  data::FeatureLayout features;  ///< categories and numbers that batches carry; columns of the MLP's input
  kernels::Arithmetic arithmetic = kernels::Arithmetic::f32;
  std::size_t max_batch = 512;
  std::size_t max_history = 20;   ///< T
  double embedding_scale = 0.05;  ///< embeddings start uniform in +- this
};

/// MCCA on all families of `codes`, or without a part; `joint` is the number of the joint family. DIN on all families
/// (none: plain DIN).
std::vector<ModelSpec::Unit> mcca_units(const ItemCodes& codes, std::size_t joint, Ablation without = Ablation::none);
std::vector<ModelSpec::Unit> din_units(const ItemCodes& codes);

/// Scores and trains. T = float in use; T = double for gradient checks. One batch at a time; parallel inside, with the
/// same bytes for any number of threads.
template <class T>
class SequenceModel final : public Network<T> {
 public:
  /// `codes` must outlive the model. Tables of codes start from `tables` where they are given, else from random
  /// numbers.
  SequenceModel(const ModelSpec& spec, const ItemCodes& codes, std::uint64_t seed,
                const InitialTables* tables = nullptr);
  ~SequenceModel() override;

  const ModelSpec& spec() const { return spec_; }

  std::size_t max_batch() const override { return spec_.max_batch; }
  void score(const Batch& batch, std::span<T> logits) override;
  double train(const Batch& batch, const kernels::AdamStep<T>& step) override { return train(batch, step, {}); }
  double train(const Batch& batch, const kernels::AdamStep<T>& step, const NextBatch& next) override;
  double compute_gradients(const Batch& batch) override;
  std::vector<nn::ParameterView<T>> parameters() override;
  void parameters_changed() override;

  /// The items of the last batch, and d loss / d embedding of the i-th of them (width values).
  const std::vector<std::uint32_t>& batch_items() const { return index_.slots().items(); }
  std::span<const T> item_gradient(std::size_t i) const;

  /// Wall time of the phases of all training steps so far, in seconds.
  struct PhaseTimes {
    double index = 0.0;    ///< look-ups of batches that no earlier step has prepared
    double project = 0.0;  ///< first layer of the attention nets on the rows of tables and of items in several blocks
    double blocks = 0.0;   ///< forward and backward of the samples; all work on items in one block
    double rows = 0.0;     ///< gradients and Adam of the other table rows and of all weights
  };
  const PhaseTimes& phase_times() const { return phase_times_; }

 private:
  struct Unit;  // an attention unit: what it reads, its parameters
  struct Query;
  using Step = const kernels::AdamStep<T>*;

  void add_unit(const ModelSpec::Unit& spec, std::uint64_t seed, const InitialTables* tables);
  void start_from_centroids(Unit& unit, const std::vector<Matrix>& centroids, base::Random& random);
  void link_query(std::size_t query);
  void fill_items(std::uint64_t seed);
  void allocate_batch_memory();
  T initial_value(base::Random& random) const;

  /// Rows of a unit's table, and their number among its chunks.
  struct RowChunk {
    kernels::TableRows<T> table;
    nn::RowRange rows;
    std::size_t number;
  };
  struct Columns {
    std::size_t begin;
    std::size_t size;
  };
  Columns columns_of_layer(std::size_t layer, std::size_t num_layers) const;
  static BatchIndex::Sources sources_of(const ModelSpec& spec);
  void build_index(const Batch& batch);
  void add_next_index_tasks();
  void cut_item_chunks();
  void add_projections();
  void project_items(nn::RowRange slots, T* rows);
  kernels::EmbeddingRows<T> item_rows(nn::RowRange slots);
  std::span<const nn::RowRange> chunks_of(std::size_t block) const;
  T* own_rows(std::size_t block);
  void forward_block(std::size_t block, T* own_rows);
  void backward_block(std::size_t block, T* own_rows, const Batch& batch, Step step);
  double run(const Batch& batch, Step step, const NextBatch& next);
  void add_blocks(const Batch& batch, Step step);
  void add_row_tasks(std::size_t u, Step step);
  void end_row_task(Unit& unit, Step step);
  void backward_rows(std::size_t u, const RowChunk& chunk, Step step);
  void update_code_rows(Unit& unit, nn::RowRange rows, Step step);
  void update_items(nn::RowRange slots, const T* gradients, Step step);
  void run_tasks();

  nn::RowRange samples_of(std::size_t block) const;
  std::size_t num_row_chunks(const Unit& unit) const;
  std::size_t query_of(const ModelSpec::Unit& unit) const;
  kernels::TableRows<T> table_rows(const Unit& unit) const;
  kernels::TableRows<T> table_rows(const Unit& unit, std::size_t block, const T* own_rows) const;
  T* table_gradients(Unit& unit);

  ModelSpec spec_;
  const ItemCodes& codes_;
  std::size_t wide_;            // row size of the wide tables
  std::size_t feature_column_;  // of the MLP's input: where the features begin
  std::size_t input_width_;     // of the MLP
  std::size_t input_stride_;    // of its rows: they start where vectors are aligned
  std::vector<std::unique_ptr<Unit>> units_;
  std::vector<std::unique_ptr<Query>> queries_;
  std::unique_ptr<nn::Mlp<T>> mlp_;
  FeatureInputs<T> features_;
  base::Buffer<T> items_;      // num_items x [value | first moment | second moment] (width each)
  base::Buffer<T> slot_rows_;  // wide rows of the batch's items that several blocks read
  base::Buffer<T> slot_gradients_;
  base::Buffer<T> inputs_;  // batch x input_width
  base::Buffer<T> input_gradients_;
  base::Buffer<T> logits_;
  base::Buffer<T> logit_gradients_;
  std::vector<double> losses_;
  BatchIndex index_;
  BatchIndex next_index_;              // of the batch after this one, built during this one's phases
  const Batch* next_batch_ = nullptr;  // what next_index_ is built from
  std::size_t batch_size_ = 0;
  std::vector<nn::RowRange> item_chunks_;          // slots: shared ones, of block 0, of block 1, ...
  std::vector<std::size_t> first_chunk_of_block_;  // num_blocks + 1
  PhaseTimes phase_times_;
  bool tables_projected_ = false;
  struct Task {
    double place;  // in the batch, 0 to 1: what belongs to the same samples runs on the same thread, where it can
    std::function<void()> work;
  };
  std::vector<Task> tasks_;
};

extern template class SequenceModel<float>;
extern template class SequenceModel<double>;

}  // namespace neume::rank
