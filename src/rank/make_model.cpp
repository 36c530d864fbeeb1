// A training step: the batch's distinct items projected in every modality; forward and backward of blocks of samples;
// gradients of the items' projections, and from them those of W_m; steps. The content of the batch's items is gathered
// in pieces that stay in cache, forward and again backward: kept, it would take a batch's items times the content's
// width, hundreds of megabytes where a large batch is scored.

#include "rank/make_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "nn/loss.hpp"

namespace neume::rank {

namespace {

constexpr std::uint64_t kMlpStream = 99;  // streams of random numbers for initial values
constexpr std::uint64_t kPartStreams = 100;

constexpr std::size_t kSampleBlock = 64;     // samples a task
constexpr std::size_t kSlotChunk = 256;      // distinct items a task, so that their rows stay in cache
constexpr std::size_t kContentColumns = 64;  // columns of W_m a task

nn::RowRange chunk_of(std::size_t chunk, std::size_t size, std::size_t total) {
  return {chunk * size, std::min((chunk + 1) * size, total)};
}

}  // namespace

template <class T>
struct MakeModel<T>::Part {
  Part(const ContentBlock& content, const MakeSpec& spec, std::size_t max_slots, std::uint64_t seed)
      : block(content),
        projection(fmt::format("make.content.{}.projection", content.name), spec.width, content.rows.cols()),
        rows(max_slots * (spec.attention_hidden + spec.width)),
        gradients(max_slots * (spec.attention_hidden + spec.width)) {
    base::Random random(seed);
    projection.fill_uniform(1.0 / std::sqrt(static_cast<double>(content.rows.cols())), random);
    const typename nn::AttentionUnit<T>::Size size{{spec.attention_hidden, spec.width, 1, spec.attention_softmax},
                                                   spec.max_batch,
                                                   spec.max_batch * spec.max_history,
                                                   spec.attention_product,
                                                   spec.arithmetic};
    const double output_bias = 1.0 / static_cast<double>(spec.max_history);  // untrained, it averages a full history
    attention = std::make_unique<nn::AttentionUnit<T>>("make.attention." + content.name, size, output_bias, random);
  }

  /// Copies columns of the content of `items` into `out`, items x columns, without gaps.
  void gather(std::span<const std::uint32_t> items, nn::RowRange columns, T* out) const {
    for (const std::uint32_t item : items) {
      const auto row = block.rows.row(item).subspan(columns.begin, columns.size());
      out = std::copy(row.begin(), row.end(), out);
    }
  }

  const ContentBlock& block;
  nn::Parameter<T> projection;  // W_m, width x content width
  std::unique_ptr<nn::AttentionUnit<T>> attention;
  base::Buffer<T> rows;       // a slot: [W_e p | p]
  base::Buffer<T> gradients;  // a slot: [scratch | d loss / d p]
  nn::Lookups history;        // slots of the items that have the modality
  nn::Lookups targets;
};

template <class T>
MakeModel<T>::MakeModel(const MakeSpec& spec, const Content& content, std::uint64_t seed)
    : spec_(spec), no_codes_(content.empty() ? 0 : content.blocks[0].rows.rows()) {
  if (content.empty()) throw InvalidArgument("simtier-make reads content vectors: give --modality");
  if (spec.mlp.empty()) throw InvalidArgument("mlp: simtier-make hands on a hidden layer, so give at least one width");
  const std::size_t max_slots = std::min(no_codes_.num_items(), spec.max_batch * (spec.max_history + 1));
  for (std::size_t m = 0; m < content.blocks.size(); ++m) {
    parts_.push_back(
        std::make_unique<Part>(content.blocks[m], spec_, max_slots, base::derive_seed(seed, kPartStreams + m)));
  }
  base::Random random(base::derive_seed(seed, kMlpStream));
  mlp_ = std::make_unique<nn::Mlp<T>>("make.mlp", nn::MlpShape{input_width(), spec_.mlp, 1, spec_.arithmetic},
                                      spec_.max_batch, random);
  inputs_ = base::Buffer<T>(spec_.max_batch * input_width());
  input_gradients_ = base::Buffer<T>(spec_.max_batch * input_width());
  logits_ = base::Buffer<T>(spec_.max_batch);
  logit_gradients_ = base::Buffer<T>(spec_.max_batch);
  losses_.resize(spec_.max_batch);
}

template <class T>
MakeModel<T>::~MakeModel() = default;

template <class T>
void MakeModel<T>::run_tasks() {
  base::parallel_for(tasks_.size(), [&](std::size_t i) { tasks_[i](); });
  tasks_.clear();
}

template <class T>
std::size_t MakeModel<T>::num_blocks() const {
  return base::num_chunks(batch_size_, kSampleBlock);
}

template <class T>
void MakeModel<T>::build_index(const Batch& batch) {
  if (batch.size() > spec_.max_batch || batch.history.size() > spec_.max_batch * spec_.max_history) {
    throw InternalError(fmt::format("a batch of {} samples with {} history items exceeds the model's {} x {}",
                                    batch.size(), batch.history.size(), spec_.max_batch, spec_.max_history));
  }
  batch_size_ = batch.size();
  slots_.build(batch, no_codes_, batch.size());
  base::parallel_for(parts_.size(), [&](std::size_t m) { build_lookups(*parts_[m], batch); });
}

template <class T>
void MakeModel<T>::build_lookups(Part& part, const Batch& batch) const {
  const auto add = [&](nn::Lookups& lookups, std::size_t sample, std::uint32_t slot) {
    if (part.block.present[slots_.items()[slot]] == 0) return;
    lookups.rows.push_back(slot);
    lookups.samples.push_back(static_cast<std::uint32_t>(sample));
  };
  for (nn::Lookups* lookups : {&part.history, &part.targets}) lookups->clear(1);
  for (std::size_t s = 0; s < batch.size(); ++s) {
    for (std::size_t j = batch.history_offsets[s]; j < batch.history_offsets[s + 1]; ++j) {
      add(part.history, s, slots_.history_slots()[j]);
    }
    add(part.targets, s, slots_.target_slots()[s]);
    for (nn::Lookups* lookups : {&part.history, &part.targets}) {
      lookups->offsets.push_back(static_cast<std::uint32_t>(lookups->size()));
    }
  }
  for (nn::Lookups* lookups : {&part.history, &part.targets}) lookups->group_by_row(num_slots());
}

template <class T>
void MakeModel<T>::project_rows(Part& part, nn::RowRange slots) {
  const std::size_t content_width = part.projection.cols();
  thread_local std::vector<T> content;
  content.resize(kSlotChunk * content_width);
  part.gather(std::span(slots_.items()).subspan(slots.begin, slots.size()), {0, content_width}, content.data());
  kernels::matmul<T>({slots.size(), spec_.width, content_width}, {content.data(), content_width},
                     {part.projection.values(), content_width, true},
                     {part.rows.data() + slots.begin * wide() + spec_.attention_hidden, wide()}, spec_.arithmetic);
  part.attention->project(part.rows.data(), slots);
}

template <class T>
void MakeModel<T>::forward_block(nn::RowRange samples) {
  for (std::size_t m = 0; m < parts_.size(); ++m) {
    Part& part = *parts_[m];
    T* targets = inputs_.data() + target_column(m);
    for (std::size_t s = samples.begin; s < samples.end; ++s) {
      const T* from = part.rows.data() + slots_.target_slots()[s] * wide() + spec_.attention_hidden;
      std::copy_n(from, spec_.width, targets + s * input_width());  // zeros where the content is missing
    }
    part.attention->forward(part.history, part.rows.data(), samples, {targets, input_width()},
                            {inputs_.data() + m * spec_.width, input_width()});
  }
  mlp_->forward(samples, {inputs_.data(), input_width()}, {logits_.data(), 1});
}

template <class T>
void MakeModel<T>::backward_block(nn::RowRange samples, std::size_t block, const Batch& batch) {
  for (std::size_t s = samples.begin; s < samples.end; ++s) {
    const T label = batch.labels[s];
    losses_[s] = static_cast<double>(nn::binary_cross_entropy(logits_[s], label));
    logit_gradients_[s] = nn::binary_cross_entropy_gradient(logits_[s], label, batch.size());
  }
  mlp_->backward(samples, {logit_gradients_.data(), 1}, {input_gradients_.data(), input_width()});
  for (std::size_t m = 0; m < parts_.size(); ++m) {
    Part& part = *parts_[m];
    part.attention->backward({part.history,
                              part.rows.data(),
                              {input_gradients_.data() + m * spec_.width, input_width()},
                              {input_gradients_.data() + target_column(m), input_width()},
                              {inputs_.data() + target_column(m), input_width()}},
                             samples, block);
  }
}

/// Index and projections; the blocks of samples may follow.
template <class T>
void MakeModel<T>::forward(const Batch& batch) {
  build_index(batch);
  for (auto& owned : parts_) {
    for (std::size_t chunk = 0; chunk < base::num_chunks(num_slots(), kSlotChunk); ++chunk) {
      tasks_.push_back(
          [this, part = owned.get(), slots = chunk_of(chunk, kSlotChunk, num_slots())] { project_rows(*part, slots); });
    }
  }
  run_tasks();
}

template <class T>
nn::Strided<const T> MakeModel<T>::extract(const Batch& batch) {
  forward(batch);
  base::parallel_for(num_blocks(), [&](std::size_t b) { forward_block(chunk_of(b, kSampleBlock, batch_size_)); });
  return mlp_->last_hidden();
}

template <class T>
void MakeModel<T>::score(const Batch& batch, std::span<T> logits) {
  extract(batch);
  std::copy_n(logits_.data(), batch.size(), logits.data());
}

template <class T>
double MakeModel<T>::run(const Batch& batch, Step step) {
  if (batch.size() == 0) return 0.0;
  forward(batch);
  for (auto& part : parts_) {
    part->attention->reserve_partials(num_blocks(), base::num_chunks(num_slots(), kSlotChunk));
  }
  base::parallel_for(num_blocks(), [&](std::size_t block) {
    const nn::RowRange samples = chunk_of(block, kSampleBlock, batch_size_);
    forward_block(samples);
    backward_block(samples, block, batch);
  });
  for (std::size_t tile = 0; tile < mlp_->num_tiles(); ++tile) {
    tasks_.push_back([this, tile] {
      mlp_->weight_gradients(tile, batch_size_, {inputs_.data(), input_width()}, {logit_gradients_.data(), 1});
    });
  }
  for (std::size_t m = 0; m < parts_.size(); ++m) add_part_gradients(m);
  run_tasks();
  finish_batch(step);
  return std::accumulate(losses_.begin(), losses_.begin() + static_cast<std::ptrdiff_t>(batch.size()), 0.0);
}

/// Tasks: gradients of the slots' projections, and of the attention's query weights.
template <class T>
void MakeModel<T>::add_part_gradients(std::size_t m) {
  Part* part = parts_[m].get();
  const nn::Strided<const T> pooled{input_gradients_.data() + m * spec_.width, input_width()};
  const nn::Strided<const T> targets{input_gradients_.data() + target_column(m), input_width()};
  for (std::size_t chunk = 0; chunk < base::num_chunks(num_slots(), kSlotChunk); ++chunk) {
    const nn::RowRange slots = chunk_of(chunk, kSlotChunk, num_slots());
    tasks_.push_back([this, part, chunk, slots, pooled, targets] {
      part->attention->backward_rows({part->history, &part->targets, pooled, targets, part->rows.data(),
                                      part->gradients.data() + slots.begin * wide()},
                                     slots, chunk);
    });
  }
  tasks_.push_back([this, part, m] {
    part->attention->query_weight_gradients(batch_size_, {inputs_.data() + target_column(m), input_width()});
  });
}

/// Columns of d loss / d W_m: the sum over slots of (d loss / d p) f^T, slots in order.
template <class T>
void MakeModel<T>::projection_gradients(Part& part, nn::RowRange columns) {
  thread_local std::vector<T> content;
  content.resize(kSlotChunk * kContentColumns);
  const std::size_t content_width = part.projection.cols();
  for (std::size_t chunk = 0; chunk < base::num_chunks(num_slots(), kSlotChunk); ++chunk) {
    const nn::RowRange slots = chunk_of(chunk, kSlotChunk, num_slots());
    part.gather(std::span(slots_.items()).subspan(slots.begin, slots.size()), columns, content.data());
    const T* gradients = part.gradients.data() + slots.begin * wide() + spec_.attention_hidden;
    kernels::matmul<T>(
        {spec_.width, columns.size(), slots.size()}, {gradients, wide(), true}, {content.data(), columns.size()},
        {part.projection.gradients() + columns.begin, content_width, chunk == 0 ? T{0} : T{1}}, spec_.arithmetic);
  }
}

/// What needs all rows or all blocks: gradients of W_m and of the attention's weights; then the steps.
template <class T>
void MakeModel<T>::finish_batch(Step step) {
  for (auto& owned : parts_) {
    Part* part = owned.get();
    const std::size_t content_width = part->projection.cols();
    for (std::size_t tile = 0; tile < base::num_chunks(content_width, kContentColumns); ++tile) {
      tasks_.push_back([this, part, columns = chunk_of(tile, kContentColumns, content_width)] {
        projection_gradients(*part, columns);
      });
    }
    tasks_.push_back([this, part, step] {
      part->attention->sum_partials(num_blocks(), base::num_chunks(num_slots(), kSlotChunk));
      if (step != nullptr) part->attention->update(*step);
    });
  }
  run_tasks();
  if (step == nullptr) return;
  for (auto& part : parts_) {
    tasks_.push_back([&projection = part->projection, step] { projection.update(*step); });
  }
  for (std::size_t tile = 0; tile < mlp_->num_tiles(); ++tile) {
    tasks_.push_back([this, tile, step] { mlp_->update(tile, *step); });
  }
  run_tasks();
}

template <class T>
std::vector<nn::ParameterView<T>> MakeModel<T>::parameters() {
  std::vector<nn::ParameterView<T>> views;
  for (auto& part : parts_) {
    views.push_back(part->projection.view());
    part->attention->collect(views);
  }
  mlp_->collect(views);
  return views;
}

template <class T>
void MakeModel<T>::parameters_changed() {
  for (auto& part : parts_) part->attention->parameters_changed();
}

template class MakeModel<float>;
template class MakeModel<double>;

}  // namespace neume::rank
