#pragma once
// A table of embeddings of which a batch looks up few rows (items, users, values of a feature): its look-ups, their
// gradients by distinct row, and lazy Adam, which moves the rows of the batch alone.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "kernels/elementwise.hpp"
#include "nn/lookups.hpp"
#include "nn/mlp.hpp"
#include "nn/parameter.hpp"

namespace neume::rank {

/// T = float in use; T = double for gradient checks. One batch at a time: look_up(), then copy() or value(), then
/// update(). Same bytes for any number of threads: a row's gradient is summed by one owner, in the order of its
/// look-ups.
template <class T>
class EmbeddingTable {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;  ///< a look-up of nothing: zeros, and no gradient

  struct Shape {
    std::size_t rows = 0;
    std::size_t width = 0;
    double scale = 0.05;  ///< initial values are uniform in +- this
  };
  EmbeddingTable(std::string name, const Shape& shape, std::uint64_t seed);

  const std::string& name() const { return name_; }
  std::size_t rows() const { return rows_; }
  std::size_t width() const { return width_; }

  /// The values of a row (width() of them).
  T* row(std::size_t r) { return memory_.data() + r * 3 * width_; }
  const T* row(std::size_t r) const { return memory_.data() + r * 3 * width_; }

  /// Takes the rows (or kNone) that a batch looks up, one a look-up, and finds the distinct ones. O(look-ups), on the
  /// calling thread alone; tables may do it side by side. Throws InternalError for a row outside the table.
  void look_up(std::span<const std::uint32_t> rows);

  std::size_t num_lookups() const { return lookups_.size(); }
  bool has(std::size_t lookup) const { return lookups_[lookup] != kNone; }
  /// The values that a look-up found; only where has(lookup).
  const T* value(std::size_t lookup) const { return row(lookups_[lookup]); }
  /// Asks for a look-up's values ahead of their use.
  void prefetch(std::size_t lookup) const;

  /// Row i of `out` (width() values) = the values of look-up i, zeros for kNone, for `lookups` of them.
  void copy(nn::RowRange lookups, nn::Strided<T> out) const;

  /// Where the gradients of the look-ups stand: look-up i has weights[i] * vectors.row(sources[i]), width() values.
  struct Gradients {
    nn::Strided<const T> vectors;
    std::span<const std::uint32_t> sources = {};  ///< empty: look-up i has row i
    std::span<const T> weights = {};              ///< empty: 1
  };

  /// Sums the gradients of every distinct row of the batch and, unless `step` is null, moves these rows by one step of
  /// Adam. Their moments move in the steps that touch them alone, with the step count of the whole run (as PyTorch's
  /// SparseAdam does). Parallel.
  void update(const Gradients& gradients, const kernels::AdamStep<T>* step);

  /// The distinct rows of the batch, in order of first look-up, and after update() the gradient of the i-th of them.
  const std::vector<std::uint32_t>& distinct_rows() const { return distinct_; }
  std::span<const T> gradient(std::size_t i) const { return {gradients_.data() + i * width_, width_}; }

  /// Adds a view of the whole table, called name(); of some rows; of some columns. None has a gradient view.
  void collect(std::vector<nn::ParameterView<T>>& views);
  void collect_rows(const std::string& name, nn::RowRange rows, std::vector<nn::ParameterView<T>>& views);
  void collect_columns(const std::string& name, nn::RowRange columns, std::vector<nn::ParameterView<T>>& views);

 private:
  void sum_gradient(std::size_t slot, const Gradients& from);

  std::string name_;
  std::size_t rows_;
  std::size_t width_;
  base::Buffer<T> memory_;               // rows x [value | first moment | second moment] (width each)
  std::vector<std::uint32_t> slot_of_;   // rows: place in distinct_, or kNone
  std::vector<std::uint32_t> lookups_;   // the batch's rows, one a look-up
  std::vector<std::uint32_t> distinct_;  // rows of the batch
  nn::Lookups by_slot_;                  // the look-ups that are not kNone, grouped by slot; samples = their numbers
  base::Buffer<T> gradients_;            // distinct rows x width
};

extern template class EmbeddingTable<float>;
extern template class EmbeddingTable<double>;

}  // namespace neume::rank
