#include "rank/request_sequence.hpp"

#include <algorithm>
#include <utility>

#include "kernels/elementwise.hpp"
#include "kernels/embedding_rows.hpp"
#include "kernels/row_sums.hpp"
#include "rank/request_attention.hpp"
#include "rank/request_history.hpp"

namespace neume::rank {

namespace {

static_assert(ItemCodes::kNoRow == kernels::kNoTableRow);

constexpr std::size_t kCandidatesAtOnce = 2048;
constexpr std::size_t kRowsAtOnce = 2048;  // of the MLP; 256 is no faster
constexpr std::size_t kPrefetchAhead = 16;
constexpr std::size_t kVariantsAtOnce = 512;  // inputs of the network that differ in a history item

/// The pooled embedding of a softmax over all occurrences but one of entry `left_out`, from the weights of all.
void pool_others(const UnitHistory& history, std::size_t left_out, std::span<const float> weights,
                 const kernels::AttentionShape& shape, float* pooled) {
  std::vector<double> sums(shape.width, 0.0);
  double total = 0.0;
  for (std::size_t j = 0; j < history.size(); ++j) {
    const double count = static_cast<double>(history.counts[j]) - (j == left_out ? 1.0 : 0.0);
    const double weight = count * static_cast<double>(weights[j]);
    const float* embedding = history.wide.data() + j * shape.row_size() + shape.hidden;
    for (std::size_t c = 0; c < shape.width; ++c) sums[c] += weight * static_cast<double>(embedding[c]);
    total += weight;
  }
  for (std::size_t c = 0; c < shape.width; ++c) pooled[c] = total > 0.0 ? static_cast<float>(sums[c] / total) : 0.0f;
}

/// Takes one occurrence of item `slot` out of what a unit has pooled, in a row of the network's inputs.
void leave_out(const UnitHistory& history, std::size_t slot, std::span<const float> weights, const RequestUnit& unit,
               float* inputs) {
  const std::uint32_t entry = history.entry_of_slot[slot];
  if (entry == RequestHistory::kNone) return;
  float* pooled = inputs + unit.input_column;
  const float weight = weights[entry];
  // Where the one weighs most, the rest is too small to be a difference.
  if (unit.shape.softmax && weight > 0.5f) return pool_others(history, entry, weights, unit.shape, pooled);
  const float* embedding = history.wide.data() + entry * unit.shape.row_size() + unit.shape.hidden;
  const float rest = unit.shape.softmax ? 1.0f - weight : 1.0f;
  for (std::size_t c = 0; c < unit.shape.width; ++c) pooled[c] = (pooled[c] - weight * embedding[c]) / rest;
}

}  // namespace

/// What one request works with; kept for the next one.
struct RequestSequence::Work {
  /// Candidates by their rows in a query source.
  struct Group {
    DistinctRows rows;
    std::vector<std::uint32_t> of_candidate;
    std::size_t count = 0;
    base::Buffer<float> inputs;  // count x stride of the query
    base::Buffer<float> parts_memory;
    float* parts = nullptr;  // count x outputs of the MLP's first layer, or null
  };

  RequestHistory history;
  RequestAttention attention;
  std::vector<Group> groups;              // by query
  std::vector<std::uint32_t> code_rows;   // candidates x codes of an item
  std::vector<std::uint32_t> item_rows;   // candidates
  std::vector<std::uint32_t> categories;  // of one candidate
  std::vector<float> numbers;
  base::Buffer<float> thresholds, network_inputs, activations, next_activations;
};

/// Working memory from the idle ones, and back.
class RequestSequence::Borrowed {
 public:
  explicit Borrowed(const RequestSequence& owner) : owner_(owner) {
    {
      const std::lock_guard lock(owner.mutex_);
      if (!owner.idle_.empty()) {
        work_ = std::move(owner.idle_.back());
        owner.idle_.pop_back();
      }
    }
    if (work_ == nullptr) work_ = std::make_unique<Work>();
    work_->groups.resize(owner.tables_.queries.size());
  }
  ~Borrowed() {
    const std::lock_guard lock(owner_.mutex_);
    owner_.idle_.push_back(std::move(work_));
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  Work& operator*() { return *work_; }

 private:
  const RequestSequence& owner_;
  std::unique_ptr<Work> work_;
};

RequestSequence::RequestSequence(SequenceModel<float>& model, const ItemCodes& codes, const data::FeatureSet& features,
                                 bool scores_new_items)
    : tables_(model, codes),
      features_(features),
      scores_new_items_(scores_new_items),
      network_stride_((tables_.layers.front().inputs + kernels::kAttentionGrain - 1) / kernels::kAttentionGrain *
                      kernels::kAttentionGrain) {}

RequestSequence::~RequestSequence() = default;

// A longer history than training reads has no network to be equal to.
bool RequestSequence::in_order(const ScoreRequest& request) const {
  return tables_.spec.arithmetic == kernels::Arithmetic::bf16 && request.history.size() <= tables_.spec.max_history;
}

void RequestSequence::score(const ScoreRequest& request, std::span<float> logits) const {
  Borrowed borrowed(*this);
  Work& work = *borrowed;
  work.history.build(tables_, request.history);
  const bool ordered = in_order(request);
  for (std::size_t begin = 0; begin < logits.size(); begin += kCandidatesAtOnce) {
    const std::size_t count = std::min(kCandidatesAtOnce, logits.size() - begin);
    fill_groups(request.candidates.subspan(begin, count), ordered, work);
    const auto out = logits.subspan(begin, count);
    if (ordered) {
      run_network(count, network_inputs(count, work), work, out);
    } else {
      shared_parts(count, work);
      for (std::size_t first = 0; first < count; first += kRowsAtOnce) {
        const nn::RowRange rows{first, std::min(first + kRowsAtOnce, count)};
        first_layer(rows, work);
        run_layers(1, rows.size(), work, out.subspan(first));
      }
    }
  }
}

void RequestSequence::look_up(std::span<const RequestItem> candidates, Work& work) const {
  const std::size_t stride = tables_.codes.stride();
  work.code_rows.resize(candidates.size() * stride);
  for (std::size_t i = 0; i < candidates.size() && stride > 0; ++i) {
    if (i + kPrefetchAhead < candidates.size()) {
      const std::uint32_t ahead = candidates[i + kPrefetchAhead].row;
      if (ahead != RequestItem::kNoRow) tables_.codes.prefetch(ahead);
    }
    rows_of(tables_.codes, candidates[i], work.code_rows.data() + i * stride);
  }
}

void RequestSequence::group(std::span<const RequestItem> candidates, std::size_t q, Work& work) const {
  const RequestQuery& query = tables_.queries[q];
  const RequestUnit& holder = tables_.units[query.unit];
  Work::Group& group = work.groups[q];
  const std::size_t first_column = tables_.codes.families()[query.source.family].first_column;
  group.rows.clear(holder.shape.layers, candidates.size());
  group.of_candidate.resize(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::uint32_t* rows = work.code_rows.data() + i * tables_.codes.stride() + first_column;
    group.of_candidate[i] = group.rows.add(rows);
  }
  group.count = group.rows.size();
  float* inputs = reserve(group.inputs, group.count * query.stride);
  kernels::sum_rows_of({holder.table.data() + holder.shape.hidden, holder.shape.row_size(), holder.shape.width,
                        group.rows.data(), holder.shape.layers, group.count, inputs + query.embedding_column,
                        query.stride});
}

void RequestSequence::fill_features(const RequestItem& item, float* out, Work& work) const {
  work.categories.clear();
  work.numbers.clear();
  features_.append_unknown_log(work.categories, work.numbers);
  if (item.row != RequestItem::kNoRow) features_.append_item(item.row, work.categories, work.numbers);
  work.categories.resize(tables_.features.size(), 0);  // no table tells about an item that came later
  work.numbers.resize(tables_.spec.features.numbers.size(), 0.0f);
  for (std::size_t f = 0; f < tables_.features.size(); ++f) {
    const RequestFeature& feature = tables_.features[f];
    out = std::copy_n(feature.rows.row(work.categories[f]), feature.width, out);
  }
  std::ranges::copy(work.numbers, out);
}

void RequestSequence::fill_item_inputs(std::span<const RequestItem> candidates, Work& work) const {
  const RequestQuery& query = tables_.queries.back();
  const std::size_t width = tables_.spec.width;
  Work::Group& group = work.groups.back();
  group.count = candidates.size();
  work.item_rows.resize(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    work.item_rows[i] = candidates[i].row == RequestItem::kNoRow ? 0 : candidates[i].row;
  }
  float* embeddings = reserve(group.inputs, group.count * query.stride) + query.embedding_column;
  kernels::copy_embeddings<float>({tables_.items.data, width, work.item_rows.data(), group.count}, embeddings,
                                  query.stride);
  const bool has_features = !tables_.spec.features.empty();
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    float* embedding = embeddings + i * query.stride;
    if (candidates[i].row == RequestItem::kNoRow) std::fill_n(embedding, width, 0.0f);
    if (has_features) fill_features(candidates[i], embedding + width, work);
  }
}

// -(W_q e + b) of every group.
const float* RequestSequence::thresholds(std::size_t u, Work& work) const {
  const RequestUnit& unit = tables_.units[u];
  const RequestQuery& query = tables_.queries[unit.query];
  const Work::Group& group = work.groups[unit.query];
  const std::size_t hidden = unit.shape.hidden;
  float* out = reserve(work.thresholds, group.count * hidden);
  if (query.source.is_items()) {
    kernels::matmul<float>({group.count, hidden, unit.shape.width},
                           {group.inputs.data() + query.embedding_column, query.stride},
                           {unit.query_weights.data(), hidden}, {out, hidden}, tables_.spec.arithmetic);
    for (std::size_t i = 0; i < group.count; ++i) {
      for (std::size_t h = 0; h < hidden; ++h) out[i * hidden + h] = -out[i * hidden + h] - unit.hidden_bias[h];
    }
    return out;
  }
  const std::size_t layers = tables_.units[query.unit].shape.layers;
  kernels::sum_rows_of(
      {unit.query_thresholds.data(), hidden, hidden, group.rows.data(), layers, group.count, out, hidden});
  for (std::size_t g = 0; g < group.count; ++g) {
    for (std::size_t h = 0; h < hidden; ++h) out[g * hidden + h] -= unit.hidden_bias[h];
  }
  return out;
}

void RequestSequence::attend(std::size_t u, bool in_network_order, Work& work) const {
  const RequestUnit& unit = tables_.units[u];
  const RequestQuery& query = tables_.queries[unit.query];
  Work::Group& group = work.groups[unit.query];
  const RequestQueries queries{group.count, group.inputs.data() + query.embedding_column,
                               group.inputs.data() + unit.query_column, query.stride};
  if (in_network_order) {
    work.attention.attend_in_order(unit, work.history, u, queries, tables_.spec.arithmetic);
  } else {
    work.attention.attend(unit, work.history.unit(u), thresholds(u, work), queries);
  }
}

void RequestSequence::fill_groups(std::span<const RequestItem> candidates, bool in_network_order, Work& work) const {
  look_up(candidates, work);
  for (std::size_t q = 0; q + 1 < tables_.queries.size(); ++q) group(candidates, q, work);
  fill_item_inputs(candidates, work);
  for (std::size_t u = 0; u < tables_.units.size(); ++u) attend(u, in_network_order, work);
}

// The inputs of the MLP as the network has them, candidates x network_stride_.
float* RequestSequence::network_inputs(std::size_t count, Work& work) const {
  const std::size_t width = tables_.spec.width;
  float* inputs = reserve(work.network_inputs, count * network_stride_);
  for (std::size_t q = 0; q < tables_.queries.size(); ++q) {
    const RequestQuery& query = tables_.queries[q];
    const Work::Group& group = work.groups[q];
    for (std::size_t i = 0; i < count; ++i) {
      const float* from = group.inputs.data() + (query.source.is_items() ? i : group.of_candidate[i]) * query.stride;
      float* to = inputs + i * network_stride_;
      for (const std::size_t u : query.units) {
        std::copy_n(from + tables_.units[u].query_column, width, to + tables_.units[u].input_column);
      }
      std::copy_n(from + query.embedding_column, width, to + query.input_column);
      const std::size_t after = query.embedding_column + width;
      std::copy_n(from + after, query.num_inputs - after, to + tables_.feature_column);
    }
  }
  return inputs;
}

// A query's part of the first layer for some of its groups. A family's embeddings are already multiplied, row by row.
void RequestSequence::first_part(std::size_t q, nn::RowRange groups, kernels::Product<float> sums,
                                 const Work& work) const {
  const RequestQuery& query = tables_.queries[q];
  const Work::Group& group = work.groups[q];
  const std::size_t outputs = tables_.layers.front().outputs;
  const bool family = !query.source.is_items();
  kernels::matmul<float>({groups.size(), outputs, family ? query.embedding_column : query.num_inputs},
                         {group.inputs.data() + groups.begin * query.stride, query.stride},
                         {query.first_layer.data(), outputs}, sums, tables_.spec.arithmetic);
  if (!family) return;
  kernels::add_rows_of({query.embedding_parts.data(), outputs, outputs, group.rows.at(groups.begin),
                        tables_.units[query.unit].shape.layers, groups.size(), sums.data, sums.stride});
}

// The first layer's sums of some candidates, before bias and relu.
void RequestSequence::first_layer(nn::RowRange candidates, Work& work) const {
  const std::size_t outputs = tables_.layers.front().outputs;
  float* sums = reserve(work.activations, candidates.size() * outputs);
  first_part(tables_.queries.size() - 1, candidates, {sums, outputs}, work);
  for (std::size_t q = 0; q + 1 < tables_.queries.size(); ++q) {
    const Work::Group& group = work.groups[q];
    if (group.parts == nullptr) {
      first_part(q, candidates, {sums, outputs, 1.0f}, work);
      continue;
    }
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const float* part = group.parts + group.of_candidate[candidates.begin + i] * outputs;
      for (std::size_t o = 0; o < outputs; ++o) sums[i * outputs + o] += part[o];
    }
  }
}

// Parts that candidates share; none where every candidate is a group of its own, which then are in the same order.
void RequestSequence::shared_parts(std::size_t num_candidates, Work& work) const {
  const std::size_t outputs = tables_.layers.front().outputs;
  for (std::size_t q = 0; q + 1 < tables_.queries.size(); ++q) {
    Work::Group& group = work.groups[q];
    group.parts = group.count == num_candidates ? nullptr : reserve(group.parts_memory, group.count * outputs);
    if (group.parts != nullptr) first_part(q, {0, group.count}, {group.parts, outputs}, work);
  }
}

void RequestSequence::run_network(std::size_t count, const float* inputs, Work& work, std::span<float> logits) const {
  const RequestLayer& layer = tables_.layers.front();
  float* sums = reserve(work.activations, count * layer.outputs);
  kernels::matmul<float>({count, layer.outputs, layer.inputs}, {inputs, network_stride_},
                         {layer.weights, layer.inputs, true}, {sums, layer.outputs}, tables_.spec.arithmetic);
  run_layers(1, count, work, logits);
}

// From layer first - 1's sums (before bias and relu) in the activations to logits.
void RequestSequence::run_layers(std::size_t first, std::size_t count, Work& work, std::span<float> logits) const {
  for (std::size_t l = first;; ++l) {
    const RequestLayer& below = tables_.layers[l - 1];
    const kernels::Block<float> block{work.activations.data(), count, below.outputs, below.outputs};
    if (l == tables_.layers.size()) {
      kernels::add_bias(block, below.bias);
      break;
    }
    kernels::add_bias_relu(block, below.bias);
    const RequestLayer& layer = tables_.layers[l];
    float* sums = reserve(work.next_activations, count * layer.outputs);
    kernels::matmul<float>({count, layer.outputs, layer.inputs}, {work.activations.data(), layer.inputs},
                           {layer.weights, layer.inputs, true}, {sums, layer.outputs}, tables_.spec.arithmetic);
    std::swap(work.activations, work.next_activations);
  }
  std::copy_n(work.activations.data(), count, logits.data());
}

// Row 0 is the candidate's, row 1 + u lacks what unit u pools.
std::vector<Explanation::Source> RequestSequence::source_contributions(const ScoreRequest& request,
                                                                       std::size_t candidate) const {
  Borrowed borrowed(*this);
  Work& work = *borrowed;
  work.history.build(tables_, request.history);
  fill_groups(request.candidates.subspan(candidate, 1), in_order(request), work);
  const std::vector<float> whole(network_inputs(1, work), network_inputs(1, work) + network_stride_);
  const std::size_t count = 1 + tables_.units.size();
  float* inputs = reserve(work.network_inputs, count * network_stride_);
  for (std::size_t v = 0; v < count; ++v) {
    float* row = std::ranges::copy(whole, inputs + v * network_stride_).out - network_stride_;
    if (v > 0) std::fill_n(row + tables_.units[v - 1].input_column, tables_.spec.width, 0.0f);
  }
  std::vector<float> logits(count);
  run_network(count, inputs, work, logits);
  std::vector<Explanation::Source> sources;
  for (std::size_t u = 0; u < tables_.units.size(); ++u) {
    sources.push_back({tables_.units[u].name, static_cast<double>(logits[0]) - static_cast<double>(logits[1 + u])});
  }
  return sources;
}

std::vector<double> RequestSequence::contributions_in_order(const ScoreRequest& request, std::size_t candidate) const {
  ScoreRequest without = request;
  without.candidates = request.candidates.subspan(candidate, 1);
  float whole = 0.0f, logit = 0.0f;
  score(without, {&whole, 1});
  std::vector<double> contributions;
  std::vector<RequestItem> others;
  for (std::size_t place = 0; place < request.history.size(); ++place) {
    others.assign(request.history.begin(), request.history.end());
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(place));
    without.history = others;
    score(without, {&logit, 1});
    contributions.push_back(static_cast<double>(whole) - static_cast<double>(logit));
  }
  return contributions;
}

// What each unit pools is a sum over the history: without an item it is the sum less the item's term.
std::vector<double> RequestSequence::history_contributions(const ScoreRequest& request, std::size_t candidate) const {
  if (in_order(request)) return contributions_in_order(request, candidate);
  Borrowed borrowed(*this);
  Work& work = *borrowed;
  work.history.build(tables_, request.history);
  fill_groups(request.candidates.subspan(candidate, 1), false, work);
  std::vector<std::vector<float>> weights;
  for (std::size_t u = 0; u < tables_.units.size(); ++u) {
    const RequestUnit& unit = tables_.units[u];
    const RequestQuery& query = tables_.queries[unit.query];
    const float* found = work.attention.weights(unit, work.history.unit(u), thresholds(u, work),
                                                work.groups[unit.query].inputs.data() + query.embedding_column);
    weights.emplace_back(found, found + work.history.unit(u).size());
  }
  const std::vector<float> whole(network_inputs(1, work), network_inputs(1, work) + network_stride_);
  const std::size_t num_variants = 1 + work.history.num_slots();  // the first is whole
  std::vector<float> logits(num_variants);
  for (std::size_t begin = 0; begin < num_variants; begin += kVariantsAtOnce) {
    const std::size_t count = std::min(kVariantsAtOnce, num_variants - begin);
    float* inputs = reserve(work.network_inputs, count * network_stride_);
    for (std::size_t v = 0; v < count; ++v) {
      float* row = std::ranges::copy(whole, inputs + v * network_stride_).out - network_stride_;
      for (std::size_t u = 0; u < weights.size() && begin + v > 0; ++u) {
        leave_out(work.history.unit(u), begin + v - 1, weights[u], tables_.units[u], row);
      }
    }
    run_network(count, inputs, work, std::span(logits).subspan(begin, count));
  }
  std::vector<double> contributions(request.history.size());
  for (std::size_t place = 0; place < contributions.size(); ++place) {
    const float without = logits[1 + work.history.slot_of_place(place)];
    contributions[place] = static_cast<double>(logits[0]) - static_cast<double>(without);
  }
  return contributions;
}

}  // namespace neume::rank
