#include "rank/embedding_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"

namespace neume::rank {

namespace {

constexpr std::size_t kInitialChunk = 4096;  // rows a stream of random numbers
constexpr std::size_t kUpdateChunk = 256;    // distinct rows a task
constexpr std::size_t kPrefetchAhead = 12;   // a random row of a large table is a miss in every cache

}  // namespace

template <class T>
EmbeddingTable<T>::EmbeddingTable(std::string name, const Shape& shape, std::uint64_t seed)
    : name_(std::move(name)),
      rows_(shape.rows),
      width_(shape.width),
      memory_(shape.rows * 3 * shape.width),
      slot_of_(shape.rows, kNone) {
  base::parallel_for(base::num_chunks(rows_, kInitialChunk), [&](std::size_t chunk) {
    base::Random random(base::derive_seed(seed, chunk));
    const std::size_t end = std::min(rows_, (chunk + 1) * kInitialChunk);
    for (std::size_t r = chunk * kInitialChunk; r < end; ++r) {
      T* values = row(r);
      for (std::size_t c = 0; c < width_; ++c) {
        values[c] = static_cast<T>(shape.scale * (2.0 * random.uniform() - 1.0));
      }
    }
  });
}

template <class T>
void EmbeddingTable<T>::look_up(std::span<const std::uint32_t> rows) {
  for (const std::uint32_t row : distinct_) slot_of_[row] = kNone;
  distinct_.clear();
  lookups_.assign(rows.begin(), rows.end());
  by_slot_.clear(1);
  for (std::uint32_t i = 0; i < lookups_.size(); ++i) {
    const std::uint32_t row = lookups_[i];
    if (row == kNone) continue;
    if (row >= rows_) throw InternalError(fmt::format("{}: look-up of row {} of {}", name_, row, rows_));
    std::uint32_t& slot = slot_of_[row];
    if (slot == kNone) {
      slot = static_cast<std::uint32_t>(distinct_.size());
      distinct_.push_back(row);
    }
    by_slot_.rows.push_back(slot);
    by_slot_.samples.push_back(i);
  }
}

template <class T>
void EmbeddingTable<T>::prefetch(std::size_t lookup) const {
  if (lookup >= lookups_.size() || !has(lookup)) return;
  const T* values = value(lookup);
  for (std::size_t c = 0; c < width_; c += 64 / sizeof(T)) __builtin_prefetch(values + c);
}

template <class T>
void EmbeddingTable<T>::copy(nn::RowRange lookups, nn::Strided<T> out) const {
  for (std::size_t i = lookups.begin; i < lookups.end; ++i) {
    prefetch(i + kPrefetchAhead);
    if (has(i)) {
      std::copy_n(value(i), width_, out.row(i));
    } else {
      std::fill_n(out.row(i), width_, T{0});
    }
  }
}

template <class T>
void EmbeddingTable<T>::sum_gradient(std::size_t slot, const Gradients& from) {
  T* sum = gradients_.data() + slot * width_;
  std::fill_n(sum, width_, T{0});
  for (std::size_t n = by_slot_.first[slot]; n < by_slot_.first[slot + 1]; ++n) {
    const std::size_t lookup = by_slot_.samples[by_slot_.order[n]];
    const T* gradient = from.vectors.row(from.sources.empty() ? lookup : from.sources[lookup]);
    const T weight = from.weights.empty() ? T{1} : from.weights[lookup];
    for (std::size_t c = 0; c < width_; ++c) sum[c] += weight * gradient[c];
  }
}

template <class T>
void EmbeddingTable<T>::update(const Gradients& gradients, const kernels::AdamStep<T>* step) {
  by_slot_.group_by_row(distinct_.size());
  if (gradients_.size() < distinct_.size() * width_) gradients_ = base::Buffer<T>(2 * distinct_.size() * width_);
  base::parallel_for(base::num_chunks(distinct_.size(), kUpdateChunk), [&](std::size_t chunk) {
    const std::size_t end = std::min(distinct_.size(), (chunk + 1) * kUpdateChunk);
    for (std::size_t slot = chunk * kUpdateChunk; slot < end; ++slot) {
      sum_gradient(slot, gradients);
      if (step == nullptr) continue;
      T* values = row(distinct_[slot]);
      kernels::adam_update<T>(
          *step, {values, values + width_, values + 2 * width_, gradients_.data() + slot * width_, width_});
    }
  });
}

template <class T>
void EmbeddingTable<T>::collect(std::vector<nn::ParameterView<T>>& views) {
  collect_rows(name_, {0, rows_}, views);
}

template <class T>
void EmbeddingTable<T>::collect_rows(const std::string& name, nn::RowRange rows,
                                     std::vector<nn::ParameterView<T>>& views) {
  T* values = row(rows.begin);
  views.push_back({name,
                   rows.size(),
                   width_,
                   {values, 3 * width_},
                   {},
                   {values + width_, 3 * width_},
                   {values + 2 * width_, 3 * width_}});
}

template <class T>
void EmbeddingTable<T>::collect_columns(const std::string& name, nn::RowRange columns,
                                        std::vector<nn::ParameterView<T>>& views) {
  T* values = memory_.data() + columns.begin;
  views.push_back({name,
                   rows_,
                   columns.size(),
                   {values, 3 * width_},
                   {},
                   {values + width_, 3 * width_},
                   {values + 2 * width_, 3 * width_}});
}

template class EmbeddingTable<float>;
template class EmbeddingTable<double>;

}  // namespace neume::rank
