#include "rank/feature_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"

namespace neume::rank {

template <class T>
FeatureInputs<T>::FeatureInputs(const data::FeatureLayout& layout, const Size& size, std::uint64_t seed)
    : width_(size.width), num_numbers_(layout.numbers.size()) {
  for (std::size_t c = 0; c < layout.categories.size(); ++c) {
    const auto& category = layout.categories[c];
    tables_.emplace_back("feature." + category.name,
                         typename EmbeddingTable<T>::Shape{category.rows, size.width, size.scale},
                         base::derive_seed(seed, c));
  }
}

template <class T>
void FeatureInputs<T>::look_up(const Batch& batch) {
  const std::size_t size = batch.size();
  const std::size_t num_tables = tables_.size();
  if (batch.categories.size() != size * num_tables || batch.numbers.size() != size * num_numbers_) {
    throw InternalError(fmt::format("a batch of {} samples has {} categories and {} numbers, expected {} and {} each",
                                    size, batch.categories.size(), batch.numbers.size(), num_tables, num_numbers_));
  }
  numbers_.assign(batch.numbers.begin(), batch.numbers.end());
  base::parallel_for(num_tables, [&](std::size_t c) {
    std::vector<std::uint32_t> rows(size);
    for (std::size_t s = 0; s < size; ++s) rows[s] = batch.categories[s * num_tables + c];
    tables_[c].look_up(rows);
  });
}

template <class T>
void FeatureInputs<T>::write(nn::RowRange range, nn::Strided<T> out) const {
  write_categories(range, out);
  write_numbers(range, {out.data + category_columns(), out.stride});
}

template <class T>
void FeatureInputs<T>::write_categories(nn::RowRange range, nn::Strided<T> out) const {
  for (std::size_t c = 0; c < tables_.size(); ++c) tables_[c].copy(range, {out.data + c * width_, out.stride});
}

template <class T>
void FeatureInputs<T>::write_numbers(nn::RowRange range, nn::Strided<T> out) const {
  if (num_numbers_ == 0) return;
  for (std::size_t s = range.begin; s < range.end; ++s) {
    std::copy_n(numbers_.data() + s * num_numbers_, num_numbers_, out.row(s));
  }
}

template <class T>
void FeatureInputs<T>::update(nn::Strided<const T> gradients, const kernels::AdamStep<T>* step) {
  for (std::size_t c = 0; c < tables_.size(); ++c) {
    tables_[c].update({{gradients.data + c * width_, gradients.stride}}, step);
  }
}

template <class T>
void FeatureInputs<T>::collect(std::vector<nn::ParameterView<T>>& views) {
  for (auto& table : tables_) table.collect(views);
}

template class FeatureInputs<float>;
template class FeatureInputs<double>;

}  // namespace neume::rank
