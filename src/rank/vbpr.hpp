#pragma once
// VBPR (He & McAuley, AAAI 2016, arXiv 1510.01784, equation 4): matrix factorisation whose items also have factors made
// of their content.
//
//   logit(u, i) = alpha + beta_u + beta_i + gamma_u . gamma_i
//                 + sum over modalities m of [ theta_u^m . (E_m f_i^m) + beta'_m . f_i^m ]
//                 + sum over categorical features of a bias of the value + w . numbers
//
// f_i^m is the item's content vector, zeros where it lacks the modality. What differs from the paper: trained on the
// mean binary cross-entropy of single samples as the other rankers are, not on pairs (BPR) and without its L2 penalty;
// several modalities, each with its own E, theta and beta'; the features. The history is not read: the user's rows
// stand for it, so a user that training has not seen has beta_u = 0 and zero vectors, and items are then ordered by
// beta_i and beta'_m . f_i^m.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/buffer.hpp"
#include "nn/mlp.hpp"
#include "nn/parameter.hpp"
#include "rank/content.hpp"
#include "rank/embedding_table.hpp"
#include "rank/feature_inputs.hpp"
#include "rank/model_setup.hpp"
#include "rank/network.hpp"

namespace neume::rank {

struct VbprSpec {
  std::size_t width = 64;  ///< d', of gamma and of theta
  std::size_t max_batch = 512;
  double embedding_scale = 0.05;  ///< factors start uniform in +- this; biases start at 0
};

template <class T>
class Vbpr final : public Network<T> {
 public:
  /// `inputs.content` must outlive the model. Throws InvalidArgument where it is empty.
  Vbpr(const VbprSpec& spec, const NetworkInputs& inputs, std::uint64_t seed);

  std::size_t max_batch() const override { return spec_.max_batch; }
  void score(const Batch& batch, std::span<T> logits) override;
  double train(const Batch& batch, const kernels::AdamStep<T>& step) override { return run(batch, &step); }
  double compute_gradients(const Batch& batch) override { return run(batch, nullptr); }
  std::vector<nn::ParameterView<T>> parameters() override;

  /// The tables with lazy Adam; for checking gradients.
  std::vector<EmbeddingTable<T>*> tables();

 private:
  using Step = const kernels::AdamStep<T>*;

  /// What the model has of one modality.
  struct Part {
    Part(const ContentBlock& content, const VbprSpec& spec, base::Random& random);

    const ContentBlock& block;
    nn::Parameter<T> projection;          // E_m, width x content width
    nn::Parameter<T> bias;                // beta'_m, 1 x content width
    base::Buffer<T> rows;                 // batch x content width: f_i
    base::Buffer<T> projected;            // batch x width: E_m f_i
    base::Buffer<T> projected_gradients;  // batch x width
  };

  void build_index(const Batch& batch);
  void forward_block(nn::RowRange samples, const Batch& batch);
  void project_content(Part& part, nn::RowRange samples, const Batch& batch);
  T logit_of(std::size_t sample) const;
  void backward_block(nn::RowRange samples, const Batch& batch);
  void backward_sample(std::size_t sample);
  double run(const Batch& batch, Step step);
  void update_dense(Step step);
  void add_part_tasks(Part& part, Step step);

  // Columns of a user's row [gamma | theta of each modality | beta] and of an item's row [gamma | beta].
  std::size_t user_width() const { return (1 + parts_.size()) * spec_.width + 1; }
  std::size_t item_width() const { return spec_.width + 1; }
  std::size_t theta_column(std::size_t part) const { return (1 + part) * spec_.width; }

  VbprSpec spec_;
  std::size_t batch_size_ = 0;
  std::vector<Part> parts_;
  EmbeddingTable<T> users_;
  EmbeddingTable<T> items_;
  FeatureInputs<T> features_;
  nn::Parameter<T> bias_;            // alpha
  nn::Parameter<T> number_weights_;  // w
  base::Buffer<T> user_rows_;        // batch x user_width()
  base::Buffer<T> item_rows_;        // batch x item_width()
  base::Buffer<T> user_gradients_;
  base::Buffer<T> item_gradients_;
  base::Buffer<T> feature_rows_;  // batch x feature columns
  base::Buffer<T> feature_gradients_;
  base::Buffer<T> logits_;
  base::Buffer<T> logit_gradients_;
  std::vector<double> losses_;
  std::vector<std::function<void()>> tasks_;
};

extern template class Vbpr<float>;
extern template class Vbpr<double>;

}  // namespace neume::rank
