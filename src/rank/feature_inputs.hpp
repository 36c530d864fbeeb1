#pragma once
// The declared features (data/features.hpp) as columns of a network's input: an embedding a category, numbers as they
// are.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/features.hpp"
#include "nn/mlp.hpp"
#include "nn/parameter.hpp"
#include "rank/batch.hpp"
#include "rank/embedding_table.hpp"

namespace neume::rank {

/// One table a categorical feature, called `feature.<name>`. Columns of a sample: the categories' embeddings (width
/// each), then the numbers. An empty layout has no columns and every call returns at once.
template <class T>
class FeatureInputs {
 public:
  static constexpr std::size_t kWidth = 16;  ///< of a category's embedding in a network of wider embeddings

  struct Size {
    std::size_t width = kWidth;
    double scale = 0.05;  ///< initial values are uniform in +- this
  };
  FeatureInputs(const data::FeatureLayout& layout, const Size& size, std::uint64_t seed);

  std::size_t num_categories() const { return tables_.size(); }
  std::size_t num_numbers() const { return num_numbers_; }
  std::size_t category_columns() const { return tables_.size() * width_; }
  std::size_t columns() const { return category_columns() + num_numbers_; }

  /// Takes a batch's values. Throws InternalError where the batch has not size() x C categories and size() x N numbers,
  /// or a category lies outside its table.
  void look_up(const Batch& batch);

  /// Samples `range` of the batch: row s of `out` gets columns() values; or its parts, category_columns() values and
  /// num_numbers() values. Ranges may be written by different threads.
  void write(nn::RowRange range, nn::Strided<T> out) const;
  void write_categories(nn::RowRange range, nn::Strided<T> out) const;
  void write_numbers(nn::RowRange range, nn::Strided<T> out) const;

  /// From d loss / d (what write_categories wrote) of the whole batch to the tables' gradients and, unless `step` is
  /// null, their step. The numbers' columns are not read. Parallel.
  void update(nn::Strided<const T> gradients, const kernels::AdamStep<T>* step);

  void collect(std::vector<nn::ParameterView<T>>& views);

  /// One a categorical feature; for checking gradients.
  std::vector<EmbeddingTable<T>>& tables() { return tables_; }

 private:
  std::size_t width_;
  std::size_t num_numbers_;
  std::vector<EmbeddingTable<T>> tables_;
  std::vector<T> numbers_;  // batch x num_numbers
};

extern template class FeatureInputs<float>;
extern template class FeatureInputs<double>;

}  // namespace neume::rank
