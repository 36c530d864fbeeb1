#pragma once
// MAKE, the multimodal knowledge extractor (Sheng et al., CIKM 2024, arXiv 2407.19467): a network that reads content
// alone, trained for several passes before the main model. Content wants more passes than item IDs, which overfit in
// the second one; hence a training of its own.
//
//   p_i^m = W_m f_i^m                               of every item i in every modality m
//   h^m   = sum_j a_m([p_j^m ; p_t^m]) p_j^m         over the history, t the target (nn/attention_unit.hpp)
//   logit = MLP([ h^m for every m ; p_t^m for every m ])
//
// trained on the mean binary cross-entropy. What it hands on is the knowledge vector: the MLP's last hidden layer,
// after relu. A history item without the modality is left out of h^m; a target without it has the zero vector.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/buffer.hpp"
#include "kernels/matmul.hpp"
#include "nn/attention_unit.hpp"
#include "nn/mlp.hpp"
#include "rank/content.hpp"
#include "rank/item_codes.hpp"
#include "rank/network.hpp"

namespace neume::rank {

struct MakeSpec {
  std::size_t width = 64;  ///< d', of the projections
  std::size_t attention_hidden = 64;
  bool attention_softmax = false;  ///< nn/attention_unit.hpp says what these two do
  bool attention_product = false;
  std::vector<std::size_t> mlp = {256, 128};  ///< the last one is the width of the knowledge vector
  kernels::Arithmetic arithmetic = kernels::Arithmetic::f32;
  std::size_t max_batch = 512;
  std::size_t max_history = 20;  ///< T
};

/// T = float in use; T = double for gradient checks.
template <class T>
class MakeModel final : public Network<T> {
 public:
  /// `content` must outlive the model. Throws InvalidArgument where it is empty, or the MLP has no hidden layer.
  MakeModel(const MakeSpec& spec, const Content& content, std::uint64_t seed);
  ~MakeModel() override;

  std::size_t max_batch() const override { return spec_.max_batch; }
  void score(const Batch& batch, std::span<T> logits) override;
  double train(const Batch& batch, const kernels::AdamStep<T>& step) override { return run(batch, &step); }
  double compute_gradients(const Batch& batch) override { return run(batch, nullptr); }

  /// All names begin with "make.".
  std::vector<nn::ParameterView<T>> parameters() override;
  void parameters_changed() override;

  /// Forward alone; the knowledge vectors of the batch, batch x knowledge_width(), until the next call.
  nn::Strided<const T> extract(const Batch& batch);
  std::size_t knowledge_width() const { return spec_.mlp.back(); }

 private:
  using Step = const kernels::AdamStep<T>*;
  struct Part;  // one modality: its projection, its attention unit and their batch memory

  void build_index(const Batch& batch);
  void build_lookups(Part& part, const Batch& batch) const;
  void project_rows(Part& part, nn::RowRange slots);
  void forward(const Batch& batch);
  void forward_block(nn::RowRange samples);
  void backward_block(nn::RowRange samples, std::size_t block, const Batch& batch);
  double run(const Batch& batch, Step step);
  void add_part_gradients(std::size_t m);
  void projection_gradients(Part& part, nn::RowRange columns);
  void finish_batch(Step step);
  void run_tasks();

  std::size_t wide() const { return spec_.attention_hidden + spec_.width; }
  std::size_t input_width() const { return 2 * parts_.size() * spec_.width; }
  std::size_t target_column(std::size_t m) const { return (parts_.size() + m) * spec_.width; }
  std::size_t num_slots() const { return slots_.items().size(); }
  std::size_t num_blocks() const;

  MakeSpec spec_;
  ItemCodes no_codes_;  // the batch's distinct items are found by BatchSlots, which reads codes as well
  std::size_t batch_size_ = 0;
  BatchSlots slots_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::unique_ptr<nn::Mlp<T>> mlp_;
  base::Buffer<T> inputs_;  // batch x input_width()
  base::Buffer<T> input_gradients_;
  base::Buffer<T> logits_;
  base::Buffer<T> logit_gradients_;
  std::vector<double> losses_;
  std::vector<std::function<void()>> tasks_;
};

extern template class MakeModel<float>;
extern template class MakeModel<double>;

}  // namespace neume::rank
