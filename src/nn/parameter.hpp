#pragma once
// Trained numbers: values, gradients and Adam's two moments, and a view that saving, loading and checking walk.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/buffer.hpp"
#include "base/random.hpp"
#include "kernels/elementwise.hpp"

namespace neume::nn {

/// A rows x cols array inside a larger one.
template <class T>
struct Strided {
  T* data = nullptr;
  std::size_t stride = 0;

  T* row(std::size_t i) const { return data + i * stride; }
};

/// A named parameter wherever it is stored: element (i, j) is values.row(i)[j]; likewise the rest.
template <class T>
struct ParameterView {
  std::string name;
  std::size_t rows = 0;
  std::size_t cols = 0;
  Strided<T> values;
  Strided<T> gradients;  ///< data is null for the item table, whose gradients exist for the rows of a batch only
  Strided<T> first_moments;
  Strided<T> second_moments;
};

/// A dense parameter in memory of its own, contiguous, zero at construction.
template <class T>
class Parameter {
 public:
  Parameter(std::string name, std::size_t rows, std::size_t cols)
      : name_(std::move(name)),
        rows_(rows),
        cols_(cols),
        values_(rows * cols),
        gradients_(rows * cols),
        first_(rows * cols),
        second_(rows * cols) {}

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  T* values() { return values_.data(); }
  const T* values() const { return values_.data(); }
  T* gradients() { return gradients_.data(); }

  /// Uniform in [-bound, bound].
  void fill_uniform(double bound, base::Random& random) {
    for (auto& x : values_) x = static_cast<T>(bound * (2.0 * random.uniform() - 1.0));
  }

  /// One Adam step on elements [begin, end).
  void update(const kernels::AdamStep<T>& step, std::size_t begin, std::size_t end) {
    kernels::adam_update<T>(step, {values_.data() + begin, first_.data() + begin, second_.data() + begin,
                                   gradients_.data() + begin, end - begin});
  }
  void update(const kernels::AdamStep<T>& step) { update(step, 0, values_.size()); }

  ParameterView<T> view() {
    return {name_,
            rows_,
            cols_,
            {values_.data(), cols_},
            {gradients_.data(), cols_},
            {first_.data(), cols_},
            {second_.data(), cols_}};
  }

 private:
  std::string name_;
  std::size_t rows_;
  std::size_t cols_;
  base::Buffer<T> values_;
  base::Buffer<T> gradients_;
  base::Buffer<T> first_;
  base::Buffer<T> second_;
};

/// Options of Adam (Kingma & Ba 2015).
struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

/// The constants of step number `t`, t = 1, 2, ...
template <class T>
kernels::AdamStep<T> adam_step(const AdamOptions& options, std::uint64_t t) {
  const double first = 1.0 - std::pow(options.beta1, static_cast<double>(t));
  const double second = 1.0 - std::pow(options.beta2, static_cast<double>(t));
  return {static_cast<T>(options.learning_rate / first), static_cast<T>(1.0 / std::sqrt(second)),
          static_cast<T>(options.beta1), static_cast<T>(options.beta2), static_cast<T>(options.epsilon)};
}

}  // namespace neume::nn
