// A training step in parallel phases:
//   1. index    distinct items; look-ups of every unit and query, grouped by table row. The index of the batch after
//               this one is built during the phases below, so that this phase is skipped from the second step on
//   2. project  W_e times every code table, and times the items that several blocks read, gathered from the item table
//   3. blocks   forward and backward of a block of samples while it is in cache. Items that no other block reads are
//               gathered, projected and updated here: their rows are far apart in a large table, and finding each one
//               (the walk through the page tables) costs more than reading it, so it is done once
//   4. rows     gradients of the other table rows (a gather, one owner a row), weight gradients of the MLP, and Adam on
//               both; who ends the last rows of an attention unit adds up its weights' partial sums and updates them

#include "rank/sequence_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "nn/loss.hpp"

namespace neume::rank {

namespace {

constexpr std::uint64_t kMlpStream = 99;  // streams of random numbers for initial values
constexpr std::uint64_t kFeatureStream = 98;
constexpr std::uint64_t kUnitStreams = 100;
constexpr std::uint64_t kItemStreams = 1000;
constexpr std::size_t kInitialChunk = 4096;  // item rows a stream

constexpr std::size_t kRowChunk = 256;    // table rows a task, so that rows and gradients fit in L2
constexpr std::size_t kSampleBlock = 64;  // samples a task

/// Seconds since the last lap.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Where part `i` of `count` lies.
double place_of(std::size_t i, std::size_t count) {
  return static_cast<double>(i) / static_cast<double>(count);
}

nn::RowRange chunk_of(std::size_t chunk, std::size_t size, std::size_t total) {
  return {chunk * size, std::min((chunk + 1) * size, total)};
}

/// Samples of a block, in a batch of `batch_size`: enough blocks for several threads.
std::size_t block_size(std::size_t batch_size) {
  return std::clamp<std::size_t>(batch_size / 4, 16, kSampleBlock);
}

}  // namespace

/// An attention unit and its table (code families only; item rows are gathered per batch).
template <class T>
struct SequenceModel<T>::Unit {
  Unit(const ModelSpec::Unit& unit_spec, std::size_t query_index, std::size_t column_index, std::size_t table_rows)
      : spec(unit_spec), query(query_index), column(column_index), num_table_rows(table_rows) {}

  ModelSpec::Unit spec;
  std::size_t query;                              // number of the query source
  std::size_t column;                             // first column of h^u in the MLP's input
  std::size_t num_table_rows;                     // 0 for items
  std::size_t query_as_target = ~std::size_t{0};  // the query that reads this unit's source, if one does
  std::unique_ptr<nn::AttentionUnit<T>> attention;
  base::Buffer<T> table;
  base::Buffer<T> gradients;
  base::Buffer<T> first_moments;  // rows x width
  base::Buffer<T> second_moments;
  std::atomic<std::size_t> open_tasks = 0;  // of the rows phase
};

/// A target embedding that units are queried by and that the MLP sees.
template <class T>
struct SequenceModel<T>::Query {
  Source source;
  std::size_t column;  // first column in the MLP's input
  std::size_t unit;    // the unit whose table holds its rows
};

std::vector<ModelSpec::Unit> mcca_units(const ItemCodes& codes, std::size_t joint, Ablation without) {
  std::vector<ModelSpec::Unit> units;
  for (std::size_t f = 0; f < codes.families().size(); ++f) {
    if (f != joint && without == Ablation::msc) continue;
    if (f == joint && without == Ablation::mjc) continue;
    units.push_back({{f}, {without == Ablation::mjc ? f : joint}});
  }
  units.push_back({{}, {}});
  return units;
}

std::vector<ModelSpec::Unit> din_units(const ItemCodes& codes) {
  std::vector<ModelSpec::Unit> units;
  for (std::size_t f = 0; f < codes.families().size(); ++f) units.push_back({{f}, {f}});
  units.push_back({{}, {}});
  return units;
}

template <class T>
SequenceModel<T>::SequenceModel(const ModelSpec& spec, const ItemCodes& codes, std::uint64_t seed,
                                const InitialTables* tables)
    : spec_(spec),
      codes_(codes),
      wide_(spec.width + spec.attention_hidden),
      features_(spec.features, {FeatureInputs<T>::kWidth, spec.embedding_scale},
                base::derive_seed(seed, kFeatureStream)),
      index_(codes, sources_of(spec)),
      next_index_(codes, sources_of(spec)) {
  for (const Source& source : sources_of(spec).targets)
    queries_.push_back(std::make_unique<Query>(Query{source, 0, 0}));
  for (std::size_t u = 0; u < spec_.units.size(); ++u) {
    add_unit(spec_.units[u], base::derive_seed(seed, kUnitStreams + u), tables);
  }
  for (std::size_t q = 0; q < queries_.size(); ++q) link_query(q);
  fill_items(seed);
  allocate_batch_memory();
  base::Random random(base::derive_seed(seed, kMlpStream));
  mlp_ = std::make_unique<nn::Mlp<T>>("mlp", nn::MlpShape{input_width_, spec_.mlp, 1, spec_.arithmetic},
                                      spec_.max_batch, random);
}

template <class T>
BatchIndex::Sources SequenceModel<T>::sources_of(const ModelSpec& spec) {
  BatchIndex::Sources sources;
  for (const auto& unit : spec.units) {
    sources.histories.push_back(unit.source);
    if (std::ranges::count(sources.targets, unit.query) == 0) sources.targets.push_back(unit.query);
  }
  return sources;
}

template <class T>
void SequenceModel<T>::add_unit(const ModelSpec::Unit& spec, std::uint64_t seed, const InitialTables* tables) {
  const bool items = spec.source.is_items();
  const std::size_t rows = items ? 0 : codes_.families()[spec.source.family].num_rows();
  const std::size_t layers = items ? 1 : codes_.families()[spec.source.family].num_layers();
  const std::string name = "attention." + (items ? "item" : codes_.families()[spec.source.family].name);
  const typename nn::AttentionUnit<T>::Size size{{spec_.attention_hidden, spec_.width, layers, spec_.attention_softmax},
                                                 spec_.max_batch,
                                                 spec_.max_batch * spec_.max_history,
                                                 spec_.attention_product,
                                                 spec_.arithmetic};
  const double output_bias = 1.0 / static_cast<double>(spec_.max_history);  // untrained, it averages a full history
  base::Random random(seed);
  auto unit = std::make_unique<Unit>(spec, query_of(spec), units_.size() * spec_.width, rows);
  unit->attention = std::make_unique<nn::AttentionUnit<T>>(name, size, output_bias, random);
  unit->table = base::Buffer<T>(rows * wide_);
  unit->gradients = base::Buffer<T>(rows * wide_);
  unit->first_moments = base::Buffer<T>(rows * spec_.width);
  unit->second_moments = base::Buffer<T>(rows * spec_.width);
  std::size_t row = 0;
  for (std::size_t l = 0; rows > 0 && l < layers; ++l) {
    const Columns columns = columns_of_layer(l, layers);
    const std::size_t end = row + codes_.families()[spec.source.family].codebook_sizes[l];
    for (; row < end; ++row) {
      T* raw = unit->table.data() + row * wide_ + spec_.attention_hidden + columns.begin;
      for (std::size_t c = 0; c < columns.size; ++c) raw[c] = initial_value(random);
    }
  }
  if (tables != nullptr && !items) {
    start_from_centroids(*unit, tables->centroids.at(codes_.families()[spec.source.family].name), random);
  }
  units_.push_back(std::move(unit));
}

// A random projection from the embeddings' width to d', the same for all layers of a family, keeps distances up to a
// factor (Johnson & Lindenstrauss); one factor for all layers then gives the values the size of random ones.
template <class T>
void SequenceModel<T>::start_from_centroids(Unit& unit, const std::vector<Matrix>& centroids, base::Random& random) {
  const std::size_t source_width = centroids[0].cols();
  std::vector<double> projection(source_width * spec_.width);
  for (double& x : projection) x = random.normal();
  double squares = 0.0;
  std::size_t count = 0, row = 0;
  for (std::size_t l = 0; l < centroids.size(); ++l) {
    const Columns columns = columns_of_layer(l, centroids.size());
    for (std::size_t r = 0; r < centroids[l].rows(); ++r, ++row) {
      T* raw = unit.table.data() + row * wide_ + spec_.attention_hidden;
      for (std::size_t c = columns.begin; c < columns.begin + columns.size; ++c) {
        double sum = 0.0;
        for (std::size_t i = 0; i < source_width; ++i) sum += centroids[l].row(r)[i] * projection[i * spec_.width + c];
        raw[c] = static_cast<T>(sum);
        squares += sum * sum;
        ++count;
      }
    }
  }
  const double size = std::sqrt(squares / static_cast<double>(count));
  const double factor = size > 0 ? spec_.embedding_scale / std::sqrt(3.0) / size : 0.0;
  for (std::size_t r = 0; r < row; ++r) {
    T* raw = unit.table.data() + r * wide_ + spec_.attention_hidden;
    for (std::size_t c = 0; c < spec_.width; ++c) raw[c] = static_cast<T>(factor * static_cast<double>(raw[c]));
  }
}

// Layers side by side are a sum, too: of rows that are zero, and stay so, outside their layer's columns.
template <class T>
typename SequenceModel<T>::Columns SequenceModel<T>::columns_of_layer(std::size_t layer, std::size_t num_layers) const {
  if (spec_.layer_pooling == LayerPooling::sum) return {0, spec_.width};
  const std::size_t begin = layer * spec_.width / num_layers;
  return {begin, (layer + 1) * spec_.width / num_layers - begin};
}

template <class T>
void SequenceModel<T>::link_query(std::size_t q) {
  Query& query = *queries_[q];
  query.column = (units_.size() + q) * spec_.width;
  const auto unit = std::ranges::find_if(units_, [&](const auto& u) { return u->spec.source == query.source; });
  if (unit == units_.end()) throw InternalError("a query source must be a unit's source");
  query.unit = static_cast<std::size_t>(unit - units_.begin());
  (*unit)->query_as_target = q;
}

template <class T>
T SequenceModel<T>::initial_value(base::Random& random) const {
  return static_cast<T>(spec_.embedding_scale * (2.0 * random.uniform() - 1.0));
}

template <class T>
void SequenceModel<T>::fill_items(std::uint64_t seed) {
  const std::size_t row_size = 3 * spec_.width;
  items_ = base::Buffer<T>(codes_.num_items() * row_size);
  base::parallel_for(base::num_chunks(codes_.num_items(), kInitialChunk), [&](std::size_t chunk) {
    base::Random random(base::derive_seed(seed, kItemStreams + chunk));
    const nn::RowRange rows = chunk_of(chunk, kInitialChunk, codes_.num_items());
    for (std::size_t r = rows.begin; r < rows.end; ++r) {
      for (std::size_t c = 0; c < spec_.width; ++c) items_[r * row_size + c] = initial_value(random);
    }
  });
}

template <class T>
void SequenceModel<T>::allocate_batch_memory() {
  feature_column_ = (units_.size() + queries_.size()) * spec_.width;
  input_width_ = feature_column_ + features_.columns();
  input_stride_ = (input_width_ + kernels::kAttentionGrain - 1) / kernels::kAttentionGrain * kernels::kAttentionGrain;
  const std::size_t max_slots = std::min(codes_.num_items(), spec_.max_batch * (spec_.max_history + 1));
  slot_rows_ = base::Buffer<T>(max_slots * wide_);
  slot_gradients_ = base::Buffer<T>(max_slots * wide_);
  inputs_ = base::Buffer<T>(spec_.max_batch * input_stride_);
  input_gradients_ = base::Buffer<T>(spec_.max_batch * input_stride_);
  logits_ = base::Buffer<T>(spec_.max_batch);
  logit_gradients_ = base::Buffer<T>(spec_.max_batch);
  losses_.resize(spec_.max_batch);
}

template <class T>
SequenceModel<T>::~SequenceModel() = default;

template <class T>
std::size_t SequenceModel<T>::query_of(const ModelSpec::Unit& unit) const {
  const auto found = std::ranges::find_if(queries_, [&](const auto& q) { return q->source == unit.query; });
  return static_cast<std::size_t>(found - queries_.begin());
}

template <class T>
kernels::TableRows<T> SequenceModel<T>::table_rows(const Unit& unit) const {
  return unit.spec.source.is_items() ? slot_rows_.data() : unit.table.data();
}

template <class T>
kernels::TableRows<T> SequenceModel<T>::table_rows(const Unit& unit, std::size_t block, const T* own_rows) const {
  if (!unit.spec.source.is_items()) return unit.table.data();
  const BatchSlots& slots = index_.slots();
  return {slot_rows_.data(), static_cast<std::uint32_t>(slots.shared().end), own_rows,
          static_cast<std::uint32_t>(slots.of_block(block).begin)};
}

template <class T>
T* SequenceModel<T>::table_gradients(Unit& unit) {
  return unit.spec.source.is_items() ? slot_gradients_.data() : unit.gradients.data();
}

template <class T>
std::size_t SequenceModel<T>::num_row_chunks(const Unit& unit) const {
  return unit.spec.source.is_items() ? item_chunks_.size() : base::num_chunks(unit.num_table_rows, kRowChunk);
}

template <class T>
nn::RowRange SequenceModel<T>::samples_of(std::size_t block) const {
  return chunk_of(block, block_size(batch_size_), batch_size_);
}

template <class T>
void SequenceModel<T>::run_tasks() {
  std::ranges::stable_sort(tasks_, {}, &Task::place);
  base::parallel_stretches(tasks_.size(), [&](std::size_t i) { tasks_[i].work(); });
  tasks_.clear();
}

template <class T>
void SequenceModel<T>::build_index(const Batch& batch) {
  if (batch.size() > spec_.max_batch || batch.history.size() > spec_.max_batch * spec_.max_history) {
    throw InternalError(fmt::format("a batch of {} samples with {} history items exceeds the model's {} x {}",
                                    batch.size(), batch.history.size(), spec_.max_batch, spec_.max_history));
  }
  batch_size_ = batch.size();
  if (next_batch_ == &batch) {
    std::swap(index_, next_index_);
  } else {
    index_.collect_items(batch, block_size(batch_size_));
    base::parallel_for(index_.num_tasks(), [&](std::size_t task) { index_.run_task(task); });
  }
  next_batch_ = nullptr;
  cut_item_chunks();
  features_.look_up(batch);
}

template <class T>
void SequenceModel<T>::cut_item_chunks() {
  item_chunks_.clear();
  first_chunk_of_block_.clear();
  const auto cut = [this](nn::RowRange slots) {
    for (std::size_t begin = slots.begin; begin < slots.end; begin += kRowChunk) {
      item_chunks_.push_back({begin, std::min(begin + kRowChunk, slots.end)});
    }
    first_chunk_of_block_.push_back(item_chunks_.size());
  };
  const BatchSlots& slots = index_.slots();
  cut(slots.shared());
  for (std::size_t block = 0; block < slots.num_blocks(); ++block) cut(slots.of_block(block));
}

template <class T>
void SequenceModel<T>::add_next_index_tasks() {
  if (next_batch_ == nullptr) return;
  for (std::size_t task = 0; task < next_index_.num_tasks(); ++task) {
    tasks_.push_back({place_of(task, next_index_.num_tasks()), [this, task] { next_index_.run_task(task); }});
  }
}

template <class T>
kernels::EmbeddingRows<T> SequenceModel<T>::item_rows(nn::RowRange slots) {
  return {items_.data(), spec_.width, index_.slots().items().data() + slots.begin, slots.size()};
}

template <class T>
void SequenceModel<T>::project_items(nn::RowRange slots, T* rows) {
  kernels::copy_embeddings<T>(item_rows(slots), rows + spec_.attention_hidden, wide_);
  for (auto& unit : units_) {
    if (unit->spec.source.is_items()) unit->attention->project(rows, {0, slots.size()});
  }
}

template <class T>
void SequenceModel<T>::parameters_changed() {
  tables_projected_ = false;
  for (auto& unit : units_) unit->attention->parameters_changed();
}

template <class T>
void SequenceModel<T>::add_projections() {
  const std::size_t num_shared = first_chunk_of_block_[0];
  for (std::size_t chunk = 0; chunk < num_shared; ++chunk) {
    const auto project = [this, slots = item_chunks_[chunk]] {
      project_items(slots, slot_rows_.data() + slots.begin * wide_);
    };
    tasks_.push_back({place_of(chunk, num_shared), project});
  }
  for (auto& owned : units_) {
    Unit* unit = owned.get();
    if (tables_projected_ || unit->spec.source.is_items()) continue;
    for (std::size_t chunk = 0; chunk < num_row_chunks(*unit); ++chunk) {
      const auto project = [unit, range = chunk_of(chunk, kRowChunk, unit->num_table_rows)] {
        unit->attention->project(unit->table.data(), range);
      };
      tasks_.push_back({place_of(chunk, num_row_chunks(*unit)), project});
    }
  }
  tables_projected_ = true;
}

template <class T>
std::span<const nn::RowRange> SequenceModel<T>::chunks_of(std::size_t block) const {
  const std::size_t first = first_chunk_of_block_[block];
  return std::span(item_chunks_).subspan(first, first_chunk_of_block_[block + 1] - first);
}

// Wide rows of the items that the block alone reads, in memory that the thread uses again for its next block: in cache,
// where those of a whole batch would not be.
template <class T>
T* SequenceModel<T>::own_rows(std::size_t block) {
  thread_local base::Buffer<T> rows;
  const nn::RowRange slots = index_.slots().of_block(block);
  if (rows.size() < slots.size() * wide_) rows = base::Buffer<T>(slots.size() * wide_);
  for (const nn::RowRange& chunk : chunks_of(block)) {
    project_items(chunk, rows.data() + (chunk.begin - slots.begin) * wide_);
  }
  return rows.data();
}

template <class T>
void SequenceModel<T>::forward_block(std::size_t block, T* own_rows) {
  const std::size_t width = spec_.width;
  const nn::RowRange samples = samples_of(block);
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    const nn::Lookups& targets = index_.targets(q);
    Unit& unit = *units_[queries_[q]->unit];
    for (std::size_t s = samples.begin; s < samples.end; ++s) {
      T* embedding = inputs_.data() + s * input_stride_ + queries_[q]->column;
      if (targets.has(s)) {
        const std::uint32_t* rows = targets.rows.data() + targets.offsets[s] * targets.layers;
        kernels::sum_rows<T>(unit.attention->shape(), table_rows(unit, block, own_rows), rows, embedding);
      } else {
        std::fill_n(embedding, width, T{0});
      }
    }
  }
  for (std::size_t u = 0; u < units_.size(); ++u) {
    Unit& unit = *units_[u];
    const nn::Strided<const T> targets{inputs_.data() + queries_[unit.query]->column, input_stride_};
    unit.attention->forward(index_.history(u), table_rows(unit, block, own_rows), samples, targets,
                            {inputs_.data() + unit.column, input_stride_});
  }
  features_.write(samples, {inputs_.data() + feature_column_, input_stride_});
  mlp_->forward(samples, {inputs_.data(), input_stride_}, {logits_.data(), 1});
}

template <class T>
void SequenceModel<T>::backward_block(std::size_t block, T* own_rows, const Batch& batch, Step step) {
  const nn::RowRange samples = samples_of(block);
  for (std::size_t s = samples.begin; s < samples.end; ++s) {
    const T label = batch.labels[s];
    losses_[s] = static_cast<double>(nn::binary_cross_entropy(logits_[s], label));
    logit_gradients_[s] = nn::binary_cross_entropy_gradient(logits_[s], label, batch.size());
  }
  mlp_->backward(samples, {logit_gradients_.data(), 1}, {input_gradients_.data(), input_stride_});
  for (std::size_t u = 0; u < units_.size(); ++u) {
    Unit& unit = *units_[u];
    unit.attention->backward({index_.history(u),
                              table_rows(unit, block, own_rows),
                              {input_gradients_.data() + unit.column, input_stride_},
                              {input_gradients_.data() + queries_[unit.query]->column, input_stride_},
                              {inputs_.data() + queries_[unit.query]->column, input_stride_}},
                             samples, block);
  }
  for (std::size_t u = 0; u < units_.size(); ++u) {
    if (!units_[u]->spec.source.is_items()) continue;
    const kernels::TableRows<T> table = table_rows(*units_[u], block, own_rows);
    std::size_t number = first_chunk_of_block_[block];
    for (const nn::RowRange& chunk : chunks_of(block)) backward_rows(u, {table, chunk, number++}, step);
  }
}

template <class T>
void SequenceModel<T>::score(const Batch& batch, std::span<T> logits) {
  build_index(batch);
  add_projections();
  run_tasks();
  base::parallel_stretches(index_.slots().num_blocks(),
                           [&](std::size_t block) { forward_block(block, own_rows(block)); });
  std::copy_n(logits_.data(), batch.size(), logits.data());
}

template <class T>
double SequenceModel<T>::train(const Batch& batch, const kernels::AdamStep<T>& step, const NextBatch& next) {
  return run(batch, &step, next);
}

template <class T>
double SequenceModel<T>::compute_gradients(const Batch& batch) {
  return run(batch, nullptr, {});
}

template <class T>
void SequenceModel<T>::add_blocks(const Batch& batch, Step step) {
  const std::size_t num_blocks = index_.slots().num_blocks();
  for (auto& unit : units_) unit->attention->reserve_partials(num_blocks, num_row_chunks(*unit));
  for (std::size_t block = 0; block < num_blocks; ++block) {
    const auto pass = [this, &batch, block, step] {
      T* rows = own_rows(block);
      forward_block(block, rows);
      backward_block(block, rows, batch, step);
    };
    tasks_.push_back({place_of(block, num_blocks), pass});
  }
}

template <class T>
double SequenceModel<T>::run(const Batch& batch, Step step, const NextBatch& next) {
  if (batch.size() == 0) return 0.0;
  Stopwatch watch;
  build_index(batch);
  phase_times_.index += watch.lap();

  if (next) tasks_.push_back({0.0, [&] { next_batch_ = next(); }});
  add_projections();
  run_tasks();
  phase_times_.project += watch.lap();

  if (next_batch_ != nullptr)
    tasks_.push_back({0.0, [this] { next_index_.collect_items(*next_batch_, block_size(next_batch_->size())); }});
  add_blocks(batch, step);
  run_tasks();
  phase_times_.blocks += watch.lap();

  add_next_index_tasks();
  for (std::size_t tile = 0; tile < mlp_->num_tiles(); ++tile) {
    const auto gradients = [this, tile, step] {
      mlp_->weight_gradients(tile, batch_size_, {inputs_.data(), input_stride_}, {logit_gradients_.data(), 1});
      if (step != nullptr) mlp_->update(tile, *step);
    };
    tasks_.push_back({place_of(tile, mlp_->num_tiles()), gradients});
  }
  for (std::size_t u = 0; u < units_.size(); ++u) add_row_tasks(u, step);
  run_tasks();
  features_.update({input_gradients_.data() + feature_column_, input_stride_}, step);
  if (step != nullptr) tables_projected_ = false;
  phase_times_.rows += watch.lap();
  return std::accumulate(losses_.begin(), losses_.begin() + static_cast<std::ptrdiff_t>(batch.size()), 0.0);
}

template <class T>
void SequenceModel<T>::add_row_tasks(std::size_t u, Step step) {
  Unit& unit = *units_[u];
  const bool items = unit.spec.source.is_items();
  const std::size_t num_chunks = items ? first_chunk_of_block_[0] : num_row_chunks(unit);
  unit.open_tasks = num_chunks + 1;
  for (std::size_t chunk = 0; chunk < num_chunks; ++chunk) {
    const nn::RowRange rows = items ? item_chunks_[chunk] : chunk_of(chunk, kRowChunk, unit.num_table_rows);
    const auto backward = [this, u, &unit, rows, chunk, step] {
      backward_rows(u, {table_rows(unit), rows, chunk}, step);
      end_row_task(unit, step);
    };
    tasks_.push_back({place_of(chunk, num_chunks), backward});
  }
  const auto query_weights = [this, &unit, step] {
    unit.attention->query_weight_gradients(batch_size_, {inputs_.data() + queries_[unit.query]->column, input_stride_});
    end_row_task(unit, step);
  };
  tasks_.push_back({place_of(u, units_.size()), query_weights});
}

template <class T>
void SequenceModel<T>::end_row_task(Unit& unit, Step step) {
  if (--unit.open_tasks != 0) return;
  unit.attention->sum_partials(index_.slots().num_blocks(), num_row_chunks(unit));
  if (step != nullptr) unit.attention->update(*step);
}

template <class T>
void SequenceModel<T>::backward_rows(std::size_t u, const RowChunk& chunk, Step step) {
  Unit& unit = *units_[u];
  const nn::RowRange rows = chunk.rows;
  const bool is_target = unit.query_as_target < queries_.size();
  const bool items = unit.spec.source.is_items();
  const Query& query = *queries_[is_target ? unit.query_as_target : 0];
  // In a training step nobody reads an item's gradient after its update: one small buffer a thread stays in cache,
  // where the whole batch's gradients would go to memory and back.
  thread_local base::Buffer<T> scratch;
  const bool in_scratch = items && step != nullptr;
  if (in_scratch && scratch.size() < kRowChunk * wide_) scratch = base::Buffer<T>(kRowChunk * wide_);
  T* gradients = in_scratch ? scratch.data() : table_gradients(unit) + rows.begin * wide_;
  unit.attention->backward_rows({index_.history(u),
                                 is_target ? &index_.targets(unit.query_as_target) : nullptr,
                                 {input_gradients_.data() + unit.column, input_stride_},
                                 {input_gradients_.data() + query.column, input_stride_},
                                 chunk.table,
                                 gradients},
                                rows, chunk.number);
  if (step == nullptr) return;
  if (items) {
    update_items(rows, gradients, step);
  } else {
    update_code_rows(unit, rows, step);
  }
}

template <class T>
void SequenceModel<T>::update_code_rows(Unit& unit, nn::RowRange rows, Step step) {
  const std::size_t width = spec_.width;
  const FamilyLayout& family = codes_.families()[unit.spec.source.family];
  std::size_t layer = 0, end_of_layer = family.codebook_sizes[0];
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    while (r >= end_of_layer) end_of_layer += family.codebook_sizes[++layer];
    const Columns columns = columns_of_layer(layer, family.num_layers());
    const std::size_t raw = r * wide_ + spec_.attention_hidden + columns.begin;
    const std::size_t moment = r * width + columns.begin;
    kernels::adam_update<T>(*step, {unit.table.data() + raw, unit.first_moments.data() + moment,
                                    unit.second_moments.data() + moment, unit.gradients.data() + raw, columns.size});
  }
}

// Row-wise lazy Adam: an item's moments move only in the steps that touch it, with the step count of the whole run (as
// PyTorch's SparseAdam does).
template <class T>
void SequenceModel<T>::update_items(nn::RowRange slots, const T* gradients, Step step) {
  kernels::adam_update_embeddings<T>(*step, item_rows(slots), gradients + spec_.attention_hidden, wide_);
}

template <class T>
std::vector<nn::ParameterView<T>> SequenceModel<T>::parameters() {
  std::vector<nn::ParameterView<T>> views;
  const std::size_t width = spec_.width;
  for (auto& unit : units_) {
    unit->attention->collect(views);
    if (unit->spec.source.is_items()) continue;
    const FamilyLayout& family = codes_.families()[unit->spec.source.family];
    std::size_t row = 0;
    for (std::size_t l = 0; l < family.num_layers(); ++l) {
      const Columns columns = columns_of_layer(l, family.num_layers());
      const std::size_t raw = row * wide_ + spec_.attention_hidden + columns.begin;
      const std::size_t moment = row * width + columns.begin;
      views.push_back({fmt::format("embedding.{}.layer{}", family.name, l),
                       family.codebook_sizes[l],
                       columns.size,
                       {unit->table.data() + raw, wide_},
                       {unit->gradients.data() + raw, wide_},
                       {unit->first_moments.data() + moment, width},
                       {unit->second_moments.data() + moment, width}});
      row += family.codebook_sizes[l];
    }
  }
  mlp_->collect(views);
  features_.collect(views);
  views.push_back({"embedding.item",
                   codes_.num_items(),
                   width,
                   {items_.data(), 3 * width},
                   {},
                   {items_.data() + width, 3 * width},
                   {items_.data() + 2 * width, 3 * width}});
  return views;
}

template <class T>
std::span<const T> SequenceModel<T>::item_gradient(std::size_t i) const {
  return {slot_gradients_.data() + i * wide_ + spec_.attention_hidden, spec_.width};
}

template class SequenceModel<float>;
template class SequenceModel<double>;

}  // namespace neume::rank
