#include "quantize/rqvae_network.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "kernels/matmul.hpp"

namespace neume::quantize {

using nn::RowRange;
using nn::Strided;

namespace {

/// Averages of a code that fewer rows than this chose say nothing: it stays where it is until it is revived.
constexpr double kSmallestCount = 1e-6;

template <class T>
T squared_norm(const T* x, std::size_t width) {
  T sum = 0;
  for (std::size_t j = 0; j < width; ++j) sum += x[j] * x[j];
  return sum;
}

nn::MlpShape encoder_shape(const RqVaeShape& shape) {
  return {shape.width, shape.hidden, shape.latent_width};
}

nn::MlpShape decoder_shape(const RqVaeShape& shape) {
  return {shape.latent_width, {shape.hidden.rbegin(), shape.hidden.rend()}, shape.width};
}

}  // namespace

template <class T>
AveragedCodebook<T>::AveragedCodebook(std::size_t codes, std::size_t width)
    : width_(width),
      values_(codes * width),
      sums_(codes * width),
      batch_sums_(codes * width),
      counts_(codes),
      batch_counts_(codes),
      norms_(codes),
      uses_(codes) {}

template <class T>
void AveragedCodebook<T>::set_codeword(std::size_t code, const T* value, T count) {
  std::copy_n(value, width_, values_.data() + code * width_);
  for (std::size_t j = 0; j < width_; ++j) sums_[code * width_ + j] = count * value[j];
  counts_[code] = count;
  norms_[code] = squared_norm(value, width_);
}

template <class T>
void AveragedCodebook<T>::start_from(const float* values, const std::vector<double>& counts) {
  std::vector<T> value(width_);
  for (std::size_t code = 0; code < size(); ++code) {
    std::copy_n(values + code * width_, width_, value.begin());
    set_codeword(code, value.data(), static_cast<T>(counts[code]));
  }
}

template <class T>
void AveragedCodebook<T>::assign(std::size_t count, Strided<const T> rows, T* scores, Code* codes) const {
  kernels::matmul({count, size(), width_}, {rows.data, rows.stride}, {values_.data(), width_, true},
                  kernels::Product<T>{scores, size()});
  for (std::size_t i = 0; i < count; ++i) {
    const T* products = scores + i * size();
    std::size_t best = 0;
    T lowest = norms_[0] - 2 * products[0];
    for (std::size_t j = 1; j < size(); ++j) {
      const T score = norms_[j] - 2 * products[j];
      if (score < lowest) {
        lowest = score;
        best = j;
      }
    }
    codes[i] = static_cast<Code>(best);
  }
}

template <class T>
void AveragedCodebook<T>::learn(std::size_t batch, Strided<const T> rows, const Code* codes, T decay) {
  std::fill(batch_sums_.begin(), batch_sums_.end(), T{0});
  std::fill(batch_counts_.begin(), batch_counts_.end(), T{0});
  for (std::size_t i = 0; i < batch; ++i) {
    T* sum = batch_sums_.data() + codes[i] * width_;
    for (std::size_t j = 0; j < width_; ++j) sum[j] += rows.row(i)[j];
    batch_counts_[codes[i]] += 1;
    ++uses_[codes[i]];
  }
  for (std::size_t code = 0; code < size(); ++code) {
    counts_[code] = decay * counts_[code] + (1 - decay) * batch_counts_[code];
    T* sum = sums_.data() + code * width_;
    T* value = values_.data() + code * width_;
    const T share = counts_[code] > static_cast<T>(kSmallestCount) ? 1 / counts_[code] : T{0};
    for (std::size_t j = 0; j < width_; ++j) {
      sum[j] = decay * sum[j] + (1 - decay) * batch_sums_[code * width_ + j];
      if (share > 0) value[j] = share * sum[j];
    }
    norms_[code] = squared_norm(value, width_);
  }
}

template <class T>
std::size_t AveragedCodebook<T>::revive(std::size_t batch, Strided<const T> rows, const T* distances) {
  std::vector<std::size_t> far(batch);
  std::iota(far.begin(), far.end(), std::size_t{0});
  std::erase_if(far, [&](std::size_t i) { return !(distances[i] > 0); });
  std::sort(far.begin(), far.end(), [&](std::size_t a, std::size_t b) {
    return distances[a] != distances[b] ? distances[a] > distances[b] : a < b;
  });
  // Equal rows are equally far, so they stand side by side.
  far.erase(std::unique(far.begin(), far.end(),
                        [&](std::size_t a, std::size_t b) {
                          return std::equal(rows.row(a), rows.row(a) + width_, rows.row(b));
                        }),
            far.end());
  std::size_t moved = 0;
  for (std::size_t code = 0; code < size(); ++code) {
    if (uses_[code] == 0 && moved < far.size()) set_codeword(code, rows.row(far[moved++]), T{1});
  }
  std::fill(uses_.begin(), uses_.end(), 0);
  return moved;
}

template <class T>
typename AveragedCodebook<T>::State AveragedCodebook<T>::state() const {
  State state{{values_.begin(), values_.end()}, {sums_.begin(), sums_.end()}, counts_, {}};
  for (const std::uint32_t uses : uses_) state.used.push_back(uses > 0 ? T{1} : T{0});
  return state;
}

template <class T>
void AveragedCodebook<T>::restore(const State& state) {
  std::ranges::copy(state.values, values_.begin());
  std::ranges::copy(state.sums, sums_.begin());
  counts_ = state.counts;
  for (std::size_t code = 0; code < size(); ++code) {
    uses_[code] = state.used[code] > 0 ? 1 : 0;
    norms_[code] = squared_norm(codeword(code), width_);
  }
}

template <class T>
RqVaeNetwork<T>::RqVaeNetwork(const RqVaeShape& shape, base::Random& random)
    : shape_(shape),
      encoder_("encoder", encoder_shape(shape), shape.max_batch, random),
      decoder_("decoder", decoder_shape(shape), shape.max_batch, random),
      inputs_(shape.max_batch * shape.width),
      scores_(shape.max_batch * *std::max_element(shape.codes.begin(), shape.codes.end())),
      quantized_(shape.max_batch * shape.latent_width),
      outputs_(shape.max_batch * shape.width),
      output_gradients_(shape.max_batch * shape.width),
      latent_gradients_(shape.max_batch * shape.latent_width) {
  residuals_.emplace_back(shape.max_batch * shape.latent_width);
  for (const std::size_t codes : shape.codes) {
    codebooks_.emplace_back(codes, shape.latent_width);
    residuals_.emplace_back(shape.max_batch * shape.latent_width);
    codes_.emplace_back(shape.max_batch);
    distances_.emplace_back(shape.max_batch);
  }
}

template <class T>
void RqVaeNetwork<T>::encode(RowRange range) {
  encoder_.forward(range, {inputs_.data(), shape_.width}, latent(residuals_.front()));
}

template <class T>
void RqVaeNetwork<T>::quantize(RowRange range) {
  const std::size_t width = shape_.latent_width;
  if (!quantizing_) {
    const T* z = residuals_.front().data();
    std::copy(z + range.begin * width, z + range.end * width, quantized_.data() + range.begin * width);
    return;
  }
  const std::size_t largest = scores_.size() / shape_.max_batch;
  const Strided<T> q = latent(quantized_);
  std::fill(q.row(range.begin), q.row(range.end), T{0});
  for (std::size_t l = 0; l < codebooks_.size(); ++l) {
    const Strided<const T> before{residuals_[l].data(), width};
    codebooks_[l].assign(range.size(), {before.row(range.begin), width}, scores_.data() + range.begin * largest,
                         codes_[l].data() + range.begin);
    for (std::size_t i = range.begin; i < range.end; ++i) {
      const T* codeword = codebooks_[l].codeword(codes_[l][i]);
      T* after = latent(residuals_[l + 1]).row(i);
      for (std::size_t j = 0; j < width; ++j) {
        after[j] = before.row(i)[j] - codeword[j];
        q.row(i)[j] += codeword[j];
      }
      distances_[l][i] = squared_norm(after, width);
    }
  }
}

template <class T>
void RqVaeNetwork<T>::decode(RowRange range) {
  decoder_.forward(range, {quantized_.data(), shape_.latent_width}, {outputs_.data(), shape_.width});
}

template <class T>
void RqVaeNetwork<T>::backward(RowRange range, std::size_t batch, double commitment) {
  const T scale = 2 / static_cast<T>(batch);
  for (std::size_t i = range.begin * shape_.width; i < range.end * shape_.width; ++i)
    output_gradients_[i] = scale * (outputs_[i] - inputs_[i]);
  decoder_.backward(range, {output_gradients_.data(), shape_.width}, latent(latent_gradients_));
  if (quantizing_) {
    // d |r_l - e_l|^2 / d z = 2 r_{l+1}
    const T weight = scale * static_cast<T>(commitment);
    for (std::size_t l = 1; l < residuals_.size(); ++l) {
      for (std::size_t i = range.begin * shape_.latent_width; i < range.end * shape_.latent_width; ++i)
        latent_gradients_[i] += weight * residuals_[l][i];
    }
  }
  encoder_.backward(range, {latent_gradients_.data(), shape_.latent_width}, {});
}

template <class T>
RqVaeLoss RqVaeNetwork<T>::loss(RowRange range) const {
  RqVaeLoss sums{0.0, std::vector<double>(codebooks_.size())};
  for (std::size_t i = range.begin * shape_.width; i < range.end * shape_.width; ++i) {
    const auto error = static_cast<double>(outputs_[i] - inputs_[i]);
    sums.reconstruction += error * error;
  }
  if (!quantizing_) return sums;
  for (std::size_t l = 0; l < codebooks_.size(); ++l) {
    for (std::size_t i = range.begin; i < range.end; ++i) sums.distances[l] += static_cast<double>(distances_[l][i]);
  }
  return sums;
}

template <class T>
void RqVaeNetwork<T>::weight_gradients(std::size_t tile, std::size_t batch) {
  if (tile < encoder_.num_tiles()) {
    encoder_.weight_gradients(tile, batch, {inputs_.data(), shape_.width},
                              {latent_gradients_.data(), shape_.latent_width});
  } else {
    decoder_.weight_gradients(tile - encoder_.num_tiles(), batch, {quantized_.data(), shape_.latent_width},
                              {output_gradients_.data(), shape_.width});
  }
}

template <class T>
void RqVaeNetwork<T>::update(std::size_t tile, const kernels::AdamStep<T>& step) {
  if (tile < encoder_.num_tiles()) {
    encoder_.update(tile, step);
  } else {
    decoder_.update(tile - encoder_.num_tiles(), step);
  }
}

template <class T>
void RqVaeNetwork<T>::learn_codebook(std::size_t layer, std::size_t batch, double decay) {
  codebooks_[layer].learn(batch, latent(std::as_const(residuals_[layer])), codes_[layer].data(), static_cast<T>(decay));
}

template <class T>
std::size_t RqVaeNetwork<T>::revive_codes(std::size_t layer, std::size_t batch) {
  return codebooks_[layer].revive(batch, latent(std::as_const(residuals_[layer])), distances_[layer].data());
}

template <class T>
std::vector<nn::ParameterView<T>> RqVaeNetwork<T>::parameters() {
  std::vector<nn::ParameterView<T>> views;
  encoder_.collect(views);
  decoder_.collect(views);
  return views;
}

template class AveragedCodebook<float>;
template class AveragedCodebook<double>;
template class RqVaeNetwork<float>;
template class RqVaeNetwork<double>;

}  // namespace neume::quantize
