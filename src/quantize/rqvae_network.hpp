#pragma once
// The RQ-VAE while it is trained: the phases of a step, each over row blocks or tiles that threads share, so that its
// sums have one order whatever the number of threads. A template for the sake of gradient checks in double.
//
//   z = encoder(x);  r_1 = z;  e_l = nearest(r_l, C_l);  r_{l+1} = r_l - e_l;  q = e_1 + ... + e_L;  y = decoder(q)
//   loss = mean over the batch of |x - y|^2 + sum over l of |sg(r_l) - e_l|^2 + commitment |r_l - sg(e_l)|^2
//
// sg(.) stops gradients; in r_l the earlier codewords are constants. The decoder's gradient reaches z as it leaves q
// (straight through: van den Oord et al. 2017). The middle term, which only codewords feel, is not descended: they are
// moving averages of the residuals that chose them, its minimum (the same paper, appendix A.1).

#include <cstddef>
#include <cstdint>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "base/buffer.hpp"
#include "base/random.hpp"
#include "kernels/elementwise.hpp"
#include "nn/mlp.hpp"
#include "nn/parameter.hpp"

namespace neume::quantize {

struct RqVaeShape {
  std::size_t width;                ///< d
  std::vector<std::size_t> hidden;  ///< of the encoder, from the rows to the latent; the decoder mirrors them
  std::size_t latent_width;
  std::vector<std::size_t> codes;  ///< k of each layer
  std::size_t max_batch;
};

/// A codebook of vectors of one width that are moving averages: with n_j the rows of a batch that chose code j and s_j
/// their sum, N_j = decay N_j + (1 - decay) n_j, S_j = decay S_j + (1 - decay) s_j, e_j = S_j / N_j.
template <class T>
class AveragedCodebook {
 public:
  AveragedCodebook(std::size_t codes, std::size_t width);

  std::size_t size() const { return counts_.size(); }
  const T* codeword(std::size_t code) const { return values_.data() + code * width_; }

  /// Codewords become `values` (k x width), their averages as if each had been chosen `counts[j]` times a batch.
  void start_from(const float* values, const std::vector<double>& counts);

  /// Codes of the nearest codewords of `rows` (count x width), the lowest among equals. `scores` holds count x k.
  void assign(std::size_t count, nn::Strided<const T> rows, T* scores, Code* codes) const;

  /// Moves the codewords towards the rows of a batch that chose them.
  void learn(std::size_t batch, nn::Strided<const T> rows, const Code* codes, T decay);

  /// Codes that no batch chose since the last call go to those of `rows` whose `distances` are largest (farthest first,
  /// distinct rows, none at distance 0). Returns how many moved.
  std::size_t revive(std::size_t batch, nn::Strided<const T> rows, const T* distances);

  /// All of its state but for how often, beyond whether at all, codes were used since the last revival: one number a
  /// code and column in `values` and `sums` (k x width each), one a code in `counts` and `used`.
  struct State {
    std::vector<T> values;
    std::vector<T> sums;
    std::vector<T> counts;
    std::vector<T> used;  ///< 1 or 0
  };
  State state() const;
  void restore(const State& state);

 private:
  void set_codeword(std::size_t code, const T* value, T count);

  std::size_t width_;
  base::Buffer<T> values_;           // k x width
  base::Buffer<T> sums_;             // k x width
  base::Buffer<T> batch_sums_;       // k x width, of one batch
  std::vector<T> counts_;            // k
  std::vector<T> batch_counts_;      // k, of one batch
  std::vector<T> norms_;             // k
  std::vector<std::uint32_t> uses_;  // k, since the last revival
};

/// Sums over rows of a batch.
struct RqVaeLoss {
  double reconstruction = 0.0;    ///< |x - y|^2
  std::vector<double> distances;  ///< |r_l - e_l|^2 of each layer; zero where nothing is quantized
};

template <class T>
class RqVaeNetwork {
 public:
  RqVaeNetwork(const RqVaeShape& shape, base::Random& random);

  /// Where the rows of a batch are put before a step: max_batch x d.
  nn::Strided<T> inputs() { return {inputs_.data(), shape_.width}; }
  nn::Strided<const T> latents() const { return {residuals_.front().data(), shape_.latent_width}; }
  /// q, batch x latent, from which decode starts.
  nn::Strided<T> quantized() { return {quantized_.data(), shape_.latent_width}; }
  nn::Strided<const T> approximations() const { return {outputs_.data(), shape_.width}; }
  /// Codes of layer l of the batch.
  const Code* codes(std::size_t l) const { return codes_[l].data(); }
  std::vector<AveragedCodebook<T>>& codebooks() { return codebooks_; }

  /// Whether q is quantized, or z itself (at first).
  void set_quantizing(bool quantizing) { quantizing_ = quantizing; }

  /// Phases for the rows `range` of a batch, in this order.
  void encode(nn::RowRange range);
  void quantize(nn::RowRange range);
  void decode(nn::RowRange range);
  /// Gradients with respect to activations, for the mean over `batch` rows.
  void backward(nn::RowRange range, std::size_t batch, double commitment);
  RqVaeLoss loss(nn::RowRange range) const;

  /// Then, tile by tile: the weights' gradients, and their update.
  std::size_t num_tiles() const { return encoder_.num_tiles() + decoder_.num_tiles(); }
  void weight_gradients(std::size_t tile, std::size_t batch);
  void update(std::size_t tile, const kernels::AdamStep<T>& step);

  /// Then, layer by layer, its codebook.
  void learn_codebook(std::size_t layer, std::size_t batch, double decay);
  std::size_t revive_codes(std::size_t layer, std::size_t batch);

  /// Parameters encoder.0.weight, encoder.0.bias, ..., decoder.0.weight, ...
  std::vector<nn::ParameterView<T>> parameters();

 private:
  nn::Strided<T> latent(base::Buffer<T>& buffer) { return {buffer.data(), shape_.latent_width}; }
  nn::Strided<const T> latent(const base::Buffer<T>& buffer) const { return {buffer.data(), shape_.latent_width}; }

  RqVaeShape shape_;
  nn::Mlp<T> encoder_;
  nn::Mlp<T> decoder_;
  std::vector<AveragedCodebook<T>> codebooks_;
  base::Buffer<T> inputs_;                  // x: batch x d
  std::vector<base::Buffer<T>> residuals_;  // r_1 = z, ..., r_{L+1}: batch x latent
  std::vector<std::vector<Code>> codes_;    // a layer: batch
  std::vector<base::Buffer<T>> distances_;  // a layer: batch, |r_{l+1}|^2
  base::Buffer<T> scores_;                  // batch x largest codebook
  base::Buffer<T> quantized_;               // q: batch x latent
  base::Buffer<T> outputs_;                 // y: batch x d
  base::Buffer<T> output_gradients_;        // d loss / d y
  base::Buffer<T> latent_gradients_;        // d loss / d z
  bool quantizing_ = false;
};

extern template class AveragedCodebook<float>;
extern template class AveragedCodebook<double>;
extern template class RqVaeNetwork<float>;
extern template class RqVaeNetwork<double>;

}  // namespace neume::quantize
