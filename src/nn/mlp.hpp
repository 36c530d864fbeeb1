#pragma once
// A multi-layer perceptron: dense layers with relu between them, the last one linear. Forward and backward work on row
// blocks of a batch (one thread a block); weight gradients are taken over the whole batch, in tiles of output rows, so
// that their sums have one order whatever the number of threads.

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/matmul.hpp"
#include "nn/parameter.hpp"
#include "nn/row_range.hpp"

namespace neume::nn {

/// y = x W^T + b, W is outputs x inputs.
template <class T>
class DenseLayer {
 public:
  /// Weights and bias uniform in +-1/sqrt(inputs).
  DenseLayer(const std::string& name, std::size_t inputs, std::size_t outputs, base::Random& random,
             kernels::Arithmetic arithmetic = kernels::Arithmetic::f32);

  std::size_t inputs() const { return weights_.cols(); }
  std::size_t outputs() const { return weights_.rows(); }

  enum class Activation { relu, linear };
  /// `x` rows x inputs, `y` rows x outputs.
  void forward(std::size_t rows, Strided<const T> x, Strided<T> y, Activation activation) const;

  /// dx = dy W, rows x inputs.
  void backward_input(std::size_t rows, Strided<const T> dy, Strided<T> dx) const;

  /// Weight gradients are computed tile by tile: tile i covers kTile output rows.
  static constexpr std::size_t kTile = 64;
  std::size_t num_tiles() const { return (outputs() + kTile - 1) / kTile; }
  void weight_gradients(std::size_t tile, std::size_t batch, Strided<const T> x, Strided<const T> dy);

  void update(std::size_t tile, const kernels::AdamStep<T>& step);
  void collect(std::vector<ParameterView<T>>& views) {
    views.push_back(weights_.view());
    views.push_back(bias_.view());
  }

 private:
  RowRange tile_rows(std::size_t tile) const;

  Parameter<T> weights_;
  Parameter<T> bias_;
  kernels::Arithmetic arithmetic_;
};

/// Widths of a perceptron, from its input to its output.
struct MlpShape {
  std::size_t inputs = 1;
  std::vector<std::size_t> hidden;
  std::size_t outputs = 1;
  kernels::Arithmetic arithmetic = kernels::Arithmetic::f32;
};

template <class T>
class Mlp {
 public:
  /// Keeps activations for up to `max_batch` rows. Parameters are called `name`.0.weight, `name`.0.bias, ...
  Mlp(const std::string& name, const MlpShape& shape, std::size_t max_batch, base::Random& random);

  /// Rows `range` of `x` (batch x inputs) to the same rows of `y` (batch x outputs).
  void forward(RowRange range, Strided<const T> x, Strided<T> y);

  /// From `dy` = d loss / d y to `dx` (batch x inputs; not wanted where its data is null) for rows `range`; forward of
  /// the same rows came before.
  void backward(RowRange range, Strided<const T> dy, Strided<T> dx);

  /// Tiles of weight-gradient work over all layers.
  std::size_t num_tiles() const { return tiles_.size(); }
  void weight_gradients(std::size_t tile, std::size_t batch, Strided<const T> x, Strided<const T> dy);
  void update(std::size_t tile, const kernels::AdamStep<T>& step);
  void collect(std::vector<ParameterView<T>>& views);

  /// What forward() left of the last hidden layer, after relu: batch x its width. Only where there is a hidden layer.
  Strided<const T> last_hidden() const { return {outputs_.back().data(), layers_.back().inputs()}; }

 private:
  struct Tile {
    std::size_t layer;
    std::size_t tile;
  };

  Strided<T> outputs_of(std::size_t layer) { return {outputs_[layer].data(), layers_[layer].outputs()}; }
  Strided<T> gradients_of(std::size_t layer) { return {gradients_[layer].data(), layers_[layer].outputs()}; }

  std::vector<DenseLayer<T>> layers_;
  std::vector<base::Buffer<T>> outputs_;    // hidden layer l: batch x outputs, after relu
  std::vector<base::Buffer<T>> gradients_;  // d loss / d (x W^T + b) of hidden layer l
  std::vector<Tile> tiles_;
};

extern template class DenseLayer<float>;
extern template class DenseLayer<double>;
extern template class Mlp<float>;
extern template class Mlp<double>;

}  // namespace neume::nn
