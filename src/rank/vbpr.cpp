// A training step: look-ups; forward and backward of blocks of samples; gradients and steps of the dense weights, then
// of the tables' rows.

#include "rank/vbpr.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "kernels/matmul.hpp"
#include "nn/loss.hpp"
#include "rank/dot.hpp"

namespace neume::rank {

namespace {

constexpr std::uint64_t kUserStream = 1;  // streams of random numbers for initial values
constexpr std::uint64_t kItemStream = 2;
constexpr std::uint64_t kFeatureStream = 3;
constexpr std::uint64_t kPartStreams = 100;

constexpr std::size_t kSampleBlock = 64;     // samples a task
constexpr std::size_t kProjectionTile = 16;  // rows of E_m a task

nn::RowRange chunk_of(std::size_t chunk, std::size_t size, std::size_t total) {
  return {chunk * size, std::min((chunk + 1) * size, total)};
}

/// to = factor * from.
template <class T>
void set_scaled(T* to, T factor, const T* from, std::size_t size) {
  for (std::size_t c = 0; c < size; ++c) to[c] = factor * from[c];
}

}  // namespace

template <class T>
Vbpr<T>::Part::Part(const ContentBlock& content, const VbprSpec& spec, base::Random& random)
    : block(content),
      projection(fmt::format("content.{}.projection", content.name), spec.width, content.rows.cols()),
      bias(fmt::format("content.{}.bias", content.name), 1, content.rows.cols()),
      rows(spec.max_batch * content.rows.cols()),
      projected(spec.max_batch * spec.width),
      projected_gradients(spec.max_batch * spec.width) {
  projection.fill_uniform(1.0 / std::sqrt(static_cast<double>(content.rows.cols())), random);
}

template <class T>
Vbpr<T>::Vbpr(const VbprSpec& spec, const NetworkInputs& inputs, std::uint64_t seed)
    : spec_(spec),
      users_("user", {inputs.num_users, (1 + inputs.content.blocks.size()) * spec.width + 1, spec.embedding_scale},
             base::derive_seed(seed, kUserStream)),
      items_("item", {inputs.codes.num_items(), spec.width + 1, spec.embedding_scale},
             base::derive_seed(seed, kItemStream)),
      features_(inputs.features, {1, 0.0}, base::derive_seed(seed, kFeatureStream)),
      bias_("bias", 1, 1),
      number_weights_("numbers.weight", 1, inputs.features.numbers.size()),
      user_rows_(spec.max_batch * users_.width()),
      item_rows_(spec.max_batch * items_.width()),
      user_gradients_(spec.max_batch * users_.width()),
      item_gradients_(spec.max_batch * items_.width()),
      feature_rows_(spec.max_batch * features_.columns()),
      feature_gradients_(spec.max_batch * features_.columns()),
      logits_(spec.max_batch),
      logit_gradients_(spec.max_batch),
      losses_(spec.max_batch) {
  if (inputs.content.empty()) throw InvalidArgument("vbpr reads content vectors: give --modality");
  parts_.reserve(inputs.content.blocks.size());
  for (std::size_t m = 0; m < inputs.content.blocks.size(); ++m) {
    base::Random random(base::derive_seed(seed, kPartStreams + m));
    parts_.emplace_back(inputs.content.blocks[m], spec_, random);
  }
  for (std::size_t u = 0; u < users_.rows(); ++u) users_.row(u)[user_width() - 1] = 0;
  for (std::size_t i = 0; i < items_.rows(); ++i) items_.row(i)[spec_.width] = 0;
}

template <class T>
void Vbpr<T>::build_index(const Batch& batch) {
  if (batch.size() > spec_.max_batch) {
    throw InternalError(fmt::format("a batch of {} samples exceeds the model's {}", batch.size(), spec_.max_batch));
  }
  batch_size_ = batch.size();
  base::parallel_for(2, [&](std::size_t table) {
    if (table == 1) return items_.look_up(batch.targets);
    std::vector<std::uint32_t> users(batch.users);
    for (std::uint32_t& user : users) {
      if (user >= users_.rows()) user = EmbeddingTable<T>::kNone;
    }
    users_.look_up(users);
  });
  features_.look_up(batch);
}

template <class T>
void Vbpr<T>::project_content(Part& part, nn::RowRange samples, const Batch& batch) {
  const std::size_t width = part.block.rows.cols();
  for (std::size_t s = samples.begin; s < samples.end; ++s) {
    const auto row = part.block.rows.row(batch.targets[s]);
    std::copy(row.begin(), row.end(), part.rows.data() + s * width);
  }
  kernels::matmul({samples.size(), spec_.width, width}, {part.rows.data() + samples.begin * width, width},
                  {part.projection.values(), width, true},
                  kernels::Product<T>{part.projected.data() + samples.begin * spec_.width, spec_.width});
}

template <class T>
T Vbpr<T>::logit_of(std::size_t s) const {
  const T* user = user_rows_.data() + s * user_width();
  const T* item = item_rows_.data() + s * item_width();
  T logit = bias_.values()[0] + user[user_width() - 1] + item[spec_.width] + dot(user, item, spec_.width);
  for (std::size_t m = 0; m < parts_.size(); ++m) {
    const Part& part = parts_[m];
    logit += dot(user + theta_column(m), part.projected.data() + s * spec_.width, spec_.width);
    logit += dot(part.bias.values(), part.rows.data() + s * part.bias.cols(), part.bias.cols());
  }
  const T* features = feature_rows_.data() + s * features_.columns();
  for (std::size_t c = 0; c < features_.num_categories(); ++c) logit += features[c];
  return logit + dot(number_weights_.values(), features + features_.num_categories(), features_.num_numbers());
}

template <class T>
void Vbpr<T>::forward_block(nn::RowRange samples, const Batch& batch) {
  users_.copy(samples, {user_rows_.data(), user_width()});
  items_.copy(samples, {item_rows_.data(), item_width()});
  features_.write(samples, {feature_rows_.data(), features_.columns()});
  for (Part& part : parts_) project_content(part, samples, batch);
  for (std::size_t s = samples.begin; s < samples.end; ++s) logits_[s] = logit_of(s);
}

template <class T>
void Vbpr<T>::backward_sample(std::size_t s) {
  const std::size_t width = spec_.width;
  const T g = logit_gradients_[s];
  const T* user = user_rows_.data() + s * user_width();
  const T* item = item_rows_.data() + s * item_width();
  T* user_gradient = user_gradients_.data() + s * user_width();
  T* item_gradient = item_gradients_.data() + s * item_width();
  set_scaled(user_gradient, g, item, width);
  set_scaled(item_gradient, g, user, width);
  for (std::size_t m = 0; m < parts_.size(); ++m) {
    set_scaled(user_gradient + theta_column(m), g, parts_[m].projected.data() + s * width, width);
    set_scaled(parts_[m].projected_gradients.data() + s * width, g, user + theta_column(m), width);
  }
  user_gradient[user_width() - 1] = g;
  item_gradient[width] = g;
  std::fill_n(feature_gradients_.data() + s * features_.columns(), features_.num_categories(), g);
}

template <class T>
void Vbpr<T>::backward_block(nn::RowRange samples, const Batch& batch) {
  for (std::size_t s = samples.begin; s < samples.end; ++s) {
    const T label = batch.labels[s];
    losses_[s] = static_cast<double>(nn::binary_cross_entropy(logits_[s], label));
    logit_gradients_[s] = nn::binary_cross_entropy_gradient(logits_[s], label, batch.size());
    backward_sample(s);
  }
}

template <class T>
void Vbpr<T>::score(const Batch& batch, std::span<T> logits) {
  build_index(batch);
  base::parallel_for(base::num_chunks(batch.size(), kSampleBlock),
                     [&](std::size_t block) { forward_block(chunk_of(block, kSampleBlock, batch.size()), batch); });
  std::copy_n(logits_.data(), batch.size(), logits.data());
}

template <class T>
double Vbpr<T>::run(const Batch& batch, Step step) {
  if (batch.size() == 0) return 0.0;
  build_index(batch);
  base::parallel_for(base::num_chunks(batch.size(), kSampleBlock), [&](std::size_t block) {
    const nn::RowRange samples = chunk_of(block, kSampleBlock, batch.size());
    forward_block(samples, batch);
    backward_block(samples, batch);
  });
  update_dense(step);
  users_.update({{user_gradients_.data(), user_width()}}, step);
  items_.update({{item_gradients_.data(), item_width()}}, step);
  features_.update({feature_gradients_.data(), features_.columns()}, step);
  return std::accumulate(losses_.begin(), losses_.begin() + static_cast<std::ptrdiff_t>(batch.size()), 0.0);
}

template <class T>
void Vbpr<T>::update_dense(Step step) {
  for (Part& part : parts_) add_part_tasks(part, step);
  tasks_.push_back([this, step] {
    kernels::column_sums<T>({logit_gradients_.data(), batch_size_, 1, 1}, bias_.gradients());
    if (step != nullptr) bias_.update(*step);
    const std::size_t numbers = features_.num_numbers();
    if (numbers == 0) return;
    const T* values = feature_rows_.data() + features_.num_categories();
    kernels::matmul({1, numbers, batch_size_}, {logit_gradients_.data(), 1, true}, {values, features_.columns()},
                    kernels::Product<T>{number_weights_.gradients(), numbers});
    if (step != nullptr) number_weights_.update(*step);
  });
  base::parallel_for(tasks_.size(), [&](std::size_t i) { tasks_[i](); });
  tasks_.clear();
}

template <class T>
void Vbpr<T>::add_part_tasks(Part& part, Step step) {
  const std::size_t content_width = part.bias.cols();
  for (std::size_t tile = 0; tile < base::num_chunks(spec_.width, kProjectionTile); ++tile) {
    const nn::RowRange rows = chunk_of(tile, kProjectionTile, spec_.width);
    tasks_.push_back([this, &part, rows, content_width, step] {
      kernels::matmul({rows.size(), content_width, batch_size_},
                      {part.projected_gradients.data() + rows.begin, spec_.width, true},
                      {part.rows.data(), content_width},
                      kernels::Product<T>{part.projection.gradients() + rows.begin * content_width, content_width});
      if (step != nullptr) part.projection.update(*step, rows.begin * content_width, rows.end * content_width);
    });
  }
  tasks_.push_back([this, &part, content_width, step] {
    kernels::matmul({1, content_width, batch_size_}, {logit_gradients_.data(), 1, true},
                    {part.rows.data(), content_width}, kernels::Product<T>{part.bias.gradients(), content_width});
    if (step != nullptr) part.bias.update(*step);
  });
}

template <class T>
std::vector<nn::ParameterView<T>> Vbpr<T>::parameters() {
  const std::size_t width = spec_.width;
  std::vector<nn::ParameterView<T>> views;
  views.push_back(bias_.view());
  for (Part& part : parts_) {
    views.push_back(part.projection.view());
    views.push_back(part.bias.view());
  }
  if (number_weights_.cols() > 0) views.push_back(number_weights_.view());
  features_.collect(views);
  users_.collect_columns("embedding.user", {0, width}, views);
  for (std::size_t m = 0; m < parts_.size(); ++m) {
    const std::size_t column = theta_column(m);
    users_.collect_columns(fmt::format("content.{}.user", parts_[m].block.name), {column, column + width}, views);
  }
  users_.collect_columns("bias.user", {user_width() - 1, user_width()}, views);
  items_.collect_columns("embedding.item", {0, width}, views);
  items_.collect_columns("bias.item", {width, width + 1}, views);
  return views;
}

template <class T>
std::vector<EmbeddingTable<T>*> Vbpr<T>::tables() {
  std::vector<EmbeddingTable<T>*> all{&users_, &items_};
  for (auto& table : features_.tables()) all.push_back(&table);
  return all;
}

template class Vbpr<float>;
template class Vbpr<double>;

}  // namespace neume::rank
