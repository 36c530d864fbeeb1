#include "nn/mlp.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/matmul.hpp"

namespace neume::nn {

using kernels::Block;
using kernels::matmul;

template <class T>
DenseLayer<T>::DenseLayer(const std::string& name, std::size_t inputs, std::size_t outputs, base::Random& random,
                          kernels::Arithmetic arithmetic)
    : weights_(name + ".weight", outputs, inputs), bias_(name + ".bias", 1, outputs), arithmetic_(arithmetic) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(inputs));
  weights_.fill_uniform(bound, random);
  bias_.fill_uniform(bound, random);
}

template <class T>
void DenseLayer<T>::forward(std::size_t rows, Strided<const T> x, Strided<T> y, Activation activation) const {
  matmul<T>({rows, outputs(), inputs()}, {x.data, x.stride}, {weights_.values(), inputs(), true}, {y.data, y.stride},
            arithmetic_);
  const Block<T> block{y.data, rows, outputs(), y.stride};
  if (activation == Activation::relu) {
    kernels::add_bias_relu(block, bias_.values());
  } else {
    kernels::add_bias(block, bias_.values());
  }
}

template <class T>
void DenseLayer<T>::backward_input(std::size_t rows, Strided<const T> dy, Strided<T> dx) const {
  matmul<T>({rows, inputs(), outputs()}, {dy.data, dy.stride}, {weights_.values(), inputs()}, {dx.data, dx.stride},
            arithmetic_);
}

template <class T>
RowRange DenseLayer<T>::tile_rows(std::size_t tile) const {
  return {tile * kTile, std::min((tile + 1) * kTile, outputs())};
}

template <class T>
void DenseLayer<T>::weight_gradients(std::size_t tile, std::size_t batch, Strided<const T> x, Strided<const T> dy) {
  const RowRange rows = tile_rows(tile);
  matmul<T>({rows.size(), inputs(), batch}, {dy.data + rows.begin, dy.stride, true}, {x.data, x.stride},
            {weights_.gradients() + rows.begin * inputs(), inputs()}, arithmetic_);
  kernels::column_sums<T>({dy.data + rows.begin, batch, rows.size(), dy.stride}, bias_.gradients() + rows.begin);
}

template <class T>
void DenseLayer<T>::update(std::size_t tile, const kernels::AdamStep<T>& step) {
  const RowRange rows = tile_rows(tile);
  weights_.update(step, rows.begin * inputs(), rows.end * inputs());
  bias_.update(step, rows.begin, rows.end);
}

template <class T>
Mlp<T>::Mlp(const std::string& name, const MlpShape& shape, std::size_t max_batch, base::Random& random) {
  std::size_t width = shape.inputs;
  for (std::size_t l = 0; l <= shape.hidden.size(); ++l) {
    const std::size_t outputs = l < shape.hidden.size() ? shape.hidden[l] : shape.outputs;
    layers_.emplace_back(fmt::format("{}.{}", name, l), width, outputs, random, shape.arithmetic);
    for (std::size_t tile = 0; tile < layers_.back().num_tiles(); ++tile) tiles_.push_back({l, tile});
    if (l < shape.hidden.size()) {
      outputs_.emplace_back(max_batch * outputs);
      gradients_.emplace_back(max_batch * outputs);
    }
    width = outputs;
  }
}

template <class T>
void Mlp<T>::forward(RowRange range, Strided<const T> x, Strided<T> y) {
  const std::size_t last = layers_.size() - 1;
  Strided<const T> input{x.row(range.begin), x.stride};
  for (std::size_t l = 0; l < last; ++l) {
    const Strided<T> output{outputs_of(l).row(range.begin), layers_[l].outputs()};
    layers_[l].forward(range.size(), input, output, DenseLayer<T>::Activation::relu);
    input = {output.data, output.stride};
  }
  layers_[last].forward(range.size(), input, {y.row(range.begin), y.stride}, DenseLayer<T>::Activation::linear);
}

template <class T>
void Mlp<T>::backward(RowRange range, Strided<const T> dy, Strided<T> dx) {
  dy.data = dy.row(range.begin);
  for (std::size_t l = layers_.size() - 1; l > 0; --l) {
    const std::size_t width = layers_[l - 1].outputs();
    const Strided<T> below{gradients_of(l - 1).row(range.begin), width};
    layers_[l].backward_input(range.size(), dy, below);
    kernels::relu_backward<T>({below.data, range.size(), width, width}, outputs_of(l - 1).row(range.begin));
    dy = {below.data, width};
  }
  if (dx.data != nullptr) layers_[0].backward_input(range.size(), dy, {dx.row(range.begin), dx.stride});
}

template <class T>
void Mlp<T>::weight_gradients(std::size_t tile, std::size_t batch, Strided<const T> x, Strided<const T> dy) {
  const auto [l, part] = tiles_[tile];
  const auto read_only = [](Strided<T> s) { return Strided<const T>{s.data, s.stride}; };
  const Strided<const T> input = l == 0 ? x : read_only(outputs_of(l - 1));
  layers_[l].weight_gradients(part, batch, input, l + 1 == layers_.size() ? dy : read_only(gradients_of(l)));
}

template <class T>
void Mlp<T>::update(std::size_t tile, const kernels::AdamStep<T>& step) {
  layers_[tiles_[tile].layer].update(tiles_[tile].tile, step);
}

template <class T>
void Mlp<T>::collect(std::vector<ParameterView<T>>& views) {
  for (auto& layer : layers_) layer.collect(views);
}

template class DenseLayer<float>;
template class DenseLayer<double>;
template class Mlp<float>;
template class Mlp<double>;

}  // namespace neume::nn
