// A training step: look-ups of every table; forward and backward of blocks of samples; weights of the two networks; the
// tables' rows.

#include "rank/dlrm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "nn/loss.hpp"
#include "rank/dot.hpp"

namespace neume::rank {

namespace {

constexpr std::uint64_t kTopStream = 1;  // streams of random numbers for initial values
constexpr std::uint64_t kBottomStream = 2;
constexpr std::uint64_t kFeatureStream = 3;
constexpr std::uint64_t kPoolStreams = 100;

constexpr std::size_t kSampleBlock = 64;    // samples a task
constexpr std::size_t kPrefetchAhead = 12;  // look-ups

nn::RowRange chunk_of(std::size_t chunk, std::size_t size, std::size_t total) {
  return {chunk * size, std::min((chunk + 1) * size, total)};
}

}  // namespace

/// The table of the items or of a family, and what a batch sums from it: look-up n adds weights[n] times its row to
/// vector vectors[n] (sample * num_vectors() + number of the vector). Sample s owns look-ups [offsets[s],
/// offsets[s+1]).
template <class T>
struct Dlrm<T>::Pool {
  Pool(EmbeddingTable<T> embeddings, Source from, std::size_t first)
      : table(std::move(embeddings)), source(from), vector(first) {}

  EmbeddingTable<T> table;
  Source source;
  std::size_t vector;  // the target's; the history's comes next
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> vectors;
  std::vector<T> weights;
  std::vector<std::size_t> offsets;

  void build(const Batch& batch, const ItemCodes& codes, std::size_t num_vectors);

 private:
  /// Appends the rows of an item, unless it has none.
  bool add(std::uint32_t item, const ItemCodes& codes, std::size_t to);

  std::vector<std::uint32_t> item_rows_;
};

template <class T>
bool Dlrm<T>::Pool::add(std::uint32_t item, const ItemCodes& codes, std::size_t to) {
  if (source.is_items()) {
    rows.push_back(item);
    vectors.push_back(static_cast<std::uint32_t>(to));
    return true;
  }
  codes.rows_of(item, item_rows_.data());
  const FamilyLayout& family = codes.families()[source.family];
  if (item_rows_[family.first_column] == ItemCodes::kNoRow) return false;
  for (std::size_t l = 0; l < family.num_layers(); ++l) {
    rows.push_back(item_rows_[family.first_column + l]);
    vectors.push_back(static_cast<std::uint32_t>(to));
  }
  return true;
}

template <class T>
void Dlrm<T>::Pool::build(const Batch& batch, const ItemCodes& codes, std::size_t num_vectors) {
  rows.clear();
  vectors.clear();
  weights.clear();
  offsets.assign(1, 0);
  item_rows_.resize(codes.stride());
  for (std::size_t s = 0; s < batch.size(); ++s) {
    const std::size_t target = s * num_vectors + vector;
    add(batch.targets[s], codes, target);
    weights.resize(rows.size(), T{1});
    std::size_t counted = 0;
    for (std::size_t j = batch.history_offsets[s]; j < batch.history_offsets[s + 1]; ++j) {
      if (add(batch.history[j], codes, target + 1)) ++counted;
    }
    if (counted > 0) weights.resize(rows.size(), T{1} / static_cast<T>(counted));
    offsets.push_back(rows.size());
  }
  table.look_up(rows);
}

template <class T>
Dlrm<T>::Dlrm(const DlrmSpec& spec, const NetworkInputs& inputs, std::uint64_t seed)
    : spec_(spec),
      codes_(inputs.codes),
      features_(inputs.features, {spec.width, spec.embedding_scale}, base::derive_seed(seed, kFeatureStream)) {
  const auto add_pool = [&](const std::string& name, std::size_t rows, Source source) {
    const typename EmbeddingTable<T>::Shape shape{rows, spec_.width, spec_.embedding_scale};
    const std::uint64_t stream = kPoolStreams + pools_.size();
    pools_.push_back(std::make_unique<Pool>(
        EmbeddingTable<T>("embedding." + name, shape, base::derive_seed(seed, stream)), source, 2 * pools_.size()));
  };
  add_pool("item", codes_.num_items(), {});
  for (std::size_t f = 0; f < codes_.families().size(); ++f) {
    add_pool(codes_.families()[f].name, codes_.families()[f].num_rows(), {f});
  }
  allocate_batch_memory();
  if (has_numbers()) {
    base::Random random(base::derive_seed(seed, kBottomStream));
    bottom_ = std::make_unique<nn::Mlp<T>>("bottom", nn::MlpShape{features_.num_numbers(), {spec_.width}, spec_.width},
                                           spec_.max_batch, random);
  }
  base::Random random(base::derive_seed(seed, kTopStream));
  top_ = std::make_unique<nn::Mlp<T>>("mlp", nn::MlpShape{top_inputs(), spec_.mlp, 1}, spec_.max_batch, random);
}

template <class T>
Dlrm<T>::~Dlrm() = default;

template <class T>
void Dlrm<T>::allocate_batch_memory() {
  numbers_ = base::Buffer<T>(spec_.max_batch * features_.num_numbers());
  vectors_ = base::Buffer<T>(spec_.max_batch * sample_size());
  vector_gradients_ = base::Buffer<T>(spec_.max_batch * sample_size());
  inputs_ = base::Buffer<T>(spec_.max_batch * top_inputs());
  input_gradients_ = base::Buffer<T>(spec_.max_batch * top_inputs());
  logits_ = base::Buffer<T>(spec_.max_batch);
  logit_gradients_ = base::Buffer<T>(spec_.max_batch);
  losses_.resize(spec_.max_batch);
}

template <class T>
void Dlrm<T>::build_index(const Batch& batch) {
  if (batch.size() > spec_.max_batch) {
    throw InternalError(fmt::format("a batch of {} samples exceeds the model's {}", batch.size(), spec_.max_batch));
  }
  batch_size_ = batch.size();
  base::parallel_for(pools_.size(), [&](std::size_t p) { pools_[p]->build(batch, codes_, num_vectors()); });
  features_.look_up(batch);
}

template <class T>
void Dlrm<T>::fill_vectors(nn::RowRange samples) {
  const std::size_t width = spec_.width;
  for (std::size_t s = samples.begin; s < samples.end; ++s) {
    std::fill_n(vectors_.data() + s * sample_size(), first_category() * width, T{0});
  }
  for (const auto& pool : pools_) {
    for (std::size_t n = pool->offsets[samples.begin]; n < pool->offsets[samples.end]; ++n) {
      pool->table.prefetch(n + kPrefetchAhead);
      const T* row = pool->table.value(n);
      T* vector = vectors_.data() + pool->vectors[n] * width;
      const T weight = pool->weights[n];
      for (std::size_t c = 0; c < width; ++c) vector[c] += weight * row[c];
    }
  }
  features_.write_categories(samples, {vectors_.data() + first_category() * width, sample_size()});
  if (!has_numbers()) return;
  features_.write_numbers(samples, {numbers_.data(), features_.num_numbers()});
  bottom_->forward(samples, {numbers_.data(), features_.num_numbers()},
                   {vectors_.data() + dense_vector() * width, sample_size()});
}

/// The top network's input of a sample from its vectors.
template <class T>
void Dlrm<T>::interact(std::size_t sample) {
  const std::size_t width = spec_.width;
  const T* vectors = vectors_.data() + sample * sample_size();
  T* input = std::copy_n(vectors + dense_vector() * width, width, inputs_.data() + sample * top_inputs());
  for (std::size_t i = 1; i < num_vectors(); ++i) {
    for (std::size_t j = 0; j < i; ++j) *input++ = dot(vectors + i * width, vectors + j * width, width);
  }
}

/// d loss / d vectors from d loss / d input: z_i . z_j hands its gradient times z_j to z_i and the other way round.
template <class T>
void Dlrm<T>::interact_backward(std::size_t sample) {
  const std::size_t width = spec_.width;
  const T* vectors = vectors_.data() + sample * sample_size();
  const T* gradient = input_gradients_.data() + sample * top_inputs();
  T* to = vector_gradients_.data() + sample * sample_size();
  std::fill_n(to, sample_size(), T{0});
  std::copy_n(gradient, width, to + dense_vector() * width);
  gradient += width;
  for (std::size_t i = 1; i < num_vectors(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const T g = *gradient++;
      for (std::size_t c = 0; c < width; ++c) {
        to[i * width + c] += g * vectors[j * width + c];
        to[j * width + c] += g * vectors[i * width + c];
      }
    }
  }
}

template <class T>
void Dlrm<T>::forward_block(nn::RowRange samples) {
  fill_vectors(samples);
  for (std::size_t s = samples.begin; s < samples.end; ++s) interact(s);
  top_->forward(samples, {inputs_.data(), top_inputs()}, {logits_.data(), 1});
}

template <class T>
void Dlrm<T>::backward_block(nn::RowRange samples, const Batch& batch) {
  for (std::size_t s = samples.begin; s < samples.end; ++s) {
    const T label = batch.labels[s];
    losses_[s] = static_cast<double>(nn::binary_cross_entropy(logits_[s], label));
    logit_gradients_[s] = nn::binary_cross_entropy_gradient(logits_[s], label, batch.size());
  }
  top_->backward(samples, {logit_gradients_.data(), 1}, {input_gradients_.data(), top_inputs()});
  for (std::size_t s = samples.begin; s < samples.end; ++s) interact_backward(s);
  if (has_numbers()) {
    bottom_->backward(samples, {vector_gradients_.data() + dense_vector() * spec_.width, sample_size()}, {});
  }
}

template <class T>
void Dlrm<T>::score(const Batch& batch, std::span<T> logits) {
  build_index(batch);
  base::parallel_for(base::num_chunks(batch.size(), kSampleBlock),
                     [&](std::size_t block) { forward_block(chunk_of(block, kSampleBlock, batch.size())); });
  std::copy_n(logits_.data(), batch.size(), logits.data());
}

template <class T>
double Dlrm<T>::run(const Batch& batch, Step step) {
  if (batch.size() == 0) return 0.0;
  build_index(batch);
  base::parallel_for(base::num_chunks(batch.size(), kSampleBlock), [&](std::size_t block) {
    const nn::RowRange samples = chunk_of(block, kSampleBlock, batch.size());
    forward_block(samples);
    backward_block(samples, batch);
  });
  update_networks(step);
  for (auto& pool : pools_) {
    pool->table.update({{vector_gradients_.data(), spec_.width}, pool->vectors, pool->weights}, step);
  }
  features_.update({vector_gradients_.data() + first_category() * spec_.width, sample_size()}, step);
  return std::accumulate(losses_.begin(), losses_.begin() + static_cast<std::ptrdiff_t>(batch.size()), 0.0);
}

template <class T>
void Dlrm<T>::update_networks(Step step) {
  for (std::size_t tile = 0; tile < top_->num_tiles(); ++tile) {
    tasks_.push_back([this, tile, step] {
      top_->weight_gradients(tile, batch_size_, {inputs_.data(), top_inputs()}, {logit_gradients_.data(), 1});
      if (step != nullptr) top_->update(tile, *step);
    });
  }
  for (std::size_t tile = 0; has_numbers() && tile < bottom_->num_tiles(); ++tile) {
    tasks_.push_back([this, tile, step] {
      bottom_->weight_gradients(tile, batch_size_, {numbers_.data(), features_.num_numbers()},
                                {vector_gradients_.data() + dense_vector() * spec_.width, sample_size()});
      if (step != nullptr) bottom_->update(tile, *step);
    });
  }
  base::parallel_for(tasks_.size(), [&](std::size_t i) { tasks_[i](); });
  tasks_.clear();
}

template <class T>
std::vector<nn::ParameterView<T>> Dlrm<T>::parameters() {
  std::vector<nn::ParameterView<T>> views;
  for (auto& pool : pools_) {
    if (pool->source.is_items()) {
      pool->table.collect(views);
      continue;
    }
    const FamilyLayout& family = codes_.families()[pool->source.family];
    std::size_t row = 0;
    for (std::size_t l = 0; l < family.num_layers(); ++l) {
      pool->table.collect_rows(fmt::format("{}.layer{}", pool->table.name(), l), {row, row + family.codebook_sizes[l]},
                               views);
      row += family.codebook_sizes[l];
    }
  }
  features_.collect(views);
  if (bottom_) bottom_->collect(views);
  top_->collect(views);
  return views;
}

template <class T>
std::vector<EmbeddingTable<T>*> Dlrm<T>::tables() {
  std::vector<EmbeddingTable<T>*> all;
  for (auto& pool : pools_) all.push_back(&pool->table);
  for (auto& table : features_.tables()) all.push_back(&table);
  return all;
}

template class Dlrm<float>;
template class Dlrm<double>;

}  // namespace neume::rank
