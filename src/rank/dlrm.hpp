#pragma once
// DLRM (Naumov et al. 2019, arXiv 1906.00091): embeddings of everything that is categorical, a network on the numbers,
// dot products of all pairs of the resulting vectors, and a network on top.
//
//   vectors  z_1 = item embedding of the target          z_2 = mean of the history's item embeddings
//            z_f = sum over layers of E_l[c_l] of the target, and the same averaged over the history, for every family
//            z_c = embedding of the value of every categorical feature
//            z_b = bottom(numbers), a network with one hidden layer of d' units, where there are numeric features
//   logit    = MLP([ z_b, or z_1 where there are no numbers ; z_i . z_j for every pair j < i ])
//
// All vectors are d' wide. There is no user embedding: the history is the user. The paper joins its dense vector to
// the products; where there is none, the target's item embedding takes its place. An item without codes in a family
// counts neither in the sum nor in the number that the mean divides by; an empty mean is the zero vector.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/buffer.hpp"
#include "nn/mlp.hpp"
#include "rank/embedding_table.hpp"
#include "rank/feature_inputs.hpp"
#include "rank/model_setup.hpp"
#include "rank/network.hpp"

namespace neume::rank {

struct DlrmSpec {
  std::size_t width = 64;  ///< d'
  std::vector<std::size_t> mlp = {256, 128};
  std::size_t max_batch = 512;
  double embedding_scale = 0.05;  ///< embeddings start uniform in +- this
};

/// All tables have lazy Adam, the codes' too: a code that no sample of a batch has stays as it is.
template <class T>
class Dlrm final : public Network<T> {
 public:
  /// `inputs.codes` must outlive the model.
  Dlrm(const DlrmSpec& spec, const NetworkInputs& inputs, std::uint64_t seed);
  ~Dlrm() override;

  std::size_t max_batch() const override { return spec_.max_batch; }
  void score(const Batch& batch, std::span<T> logits) override;
  double train(const Batch& batch, const kernels::AdamStep<T>& step) override { return run(batch, &step); }
  double compute_gradients(const Batch& batch) override { return run(batch, nullptr); }
  std::vector<nn::ParameterView<T>> parameters() override;

  /// The tables with lazy Adam; for checking gradients.
  std::vector<EmbeddingTable<T>*> tables();

 private:
  using Step = const kernels::AdamStep<T>*;
  struct Pool;

  void build_index(const Batch& batch);
  void forward_block(nn::RowRange samples);
  void fill_vectors(nn::RowRange samples);
  void interact(std::size_t sample);
  void backward_block(nn::RowRange samples, const Batch& batch);
  void interact_backward(std::size_t sample);
  double run(const Batch& batch, Step step);
  void update_networks(Step step);
  void allocate_batch_memory();

  bool has_numbers() const { return features_.num_numbers() > 0; }
  std::size_t first_category() const { return 2 * pools_.size(); }
  std::size_t num_vectors() const { return first_category() + features_.num_categories() + (has_numbers() ? 1 : 0); }
  /// The vector that goes to the top network as it is.
  std::size_t dense_vector() const { return has_numbers() ? num_vectors() - 1 : 0; }
  std::size_t num_pairs() const { return num_vectors() * (num_vectors() - 1) / 2; }
  std::size_t top_inputs() const { return spec_.width + num_pairs(); }
  std::size_t sample_size() const { return num_vectors() * spec_.width; }

  DlrmSpec spec_;
  const ItemCodes& codes_;
  std::size_t batch_size_ = 0;
  std::vector<std::unique_ptr<Pool>> pools_;  // items, then the families
  FeatureInputs<T> features_;
  std::unique_ptr<nn::Mlp<T>> bottom_;  // null where there are no numbers
  std::unique_ptr<nn::Mlp<T>> top_;
  base::Buffer<T> numbers_;           // batch x numbers
  base::Buffer<T> vectors_;           // batch x num_vectors() x width
  base::Buffer<T> vector_gradients_;  // the same
  base::Buffer<T> inputs_;            // batch x top_inputs()
  base::Buffer<T> input_gradients_;
  base::Buffer<T> logits_;
  base::Buffer<T> logit_gradients_;
  std::vector<double> losses_;
  std::vector<std::function<void()>> tasks_;
};

extern template class Dlrm<float>;
extern template class Dlrm<double>;

}  // namespace neume::rank
