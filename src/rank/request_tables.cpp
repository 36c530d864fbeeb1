#include "rank/request_tables.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <neume/error.hpp>

namespace neume::rank {

namespace {

using View = nn::ParameterView<float>;

const View* find(const std::vector<View>& views, const std::string& name) {
  const auto found = std::ranges::find(views, name, &View::name);
  return found == views.end() ? nullptr : &*found;
}

const View& parameter(const std::vector<View>& views, const std::string& name) {
  const View* found = find(views, name);
  if (found == nullptr) throw InternalError("the model has no parameter " + name);
  return *found;
}

base::Buffer<float> transposed(const View& view) {
  base::Buffer<float> out(view.rows * view.cols);
  for (std::size_t r = 0; r < view.rows; ++r) {
    for (std::size_t c = 0; c < view.cols; ++c) out[c * view.rows + r] = view.values.row(r)[c];
  }
  return out;
}

std::size_t whole_vectors(std::size_t count) {
  return (count + kernels::kAttentionGrain - 1) / kernels::kAttentionGrain * kernels::kAttentionGrain;
}

}  // namespace

RequestTables::RequestTables(SequenceModel<float>& model, const ItemCodes& item_codes)
    : codes(item_codes), spec(model.spec()) {
  const Views views = model.parameters();
  for (const auto& unit : spec.units) add_unit(views, unit);
  std::stable_partition(queries.begin(), queries.end(),
                        [](const RequestQuery& query) { return !query.source.is_items(); });
  for (std::size_t q = 0; q < queries.size(); ++q) add_query(q);
  for (const View* layer = nullptr; (layer = find(views, fmt::format("mlp.{}.weight", layers.size()))) != nullptr;) {
    const View& bias = parameter(views, fmt::format("mlp.{}.bias", layers.size()));
    layers.push_back({layer->cols, layer->rows, layer->values.data, bias.values.data});
  }
  for (const auto& category : spec.features.categories) {
    const View& rows = parameter(views, "feature." + category.name);
    features.push_back({rows.cols, {rows.values.data, rows.values.stride}});
  }
  const View& item_rows = parameter(views, "embedding.item");
  items = {item_rows.values.data, item_rows.values.stride};
  project_queries();
  cut_first_layer();
  project_embeddings();
}

void RequestTables::add_unit(const Views& views, const ModelSpec::Unit& of_model) {
  RequestUnit unit;
  unit.source = of_model.source;
  unit.name = unit.source.is_items() ? "item" : codes.families()[unit.source.family].name;
  const std::string prefix = "attention." + unit.name + ".";
  const std::size_t num_layers = unit.source.is_items() ? 1 : codes.families()[unit.source.family].num_layers();
  unit.shape = {spec.attention_hidden, spec.width, num_layers, spec.attention_softmax};
  unit.input_column = units.size() * spec.width;
  unit.item_weights = transposed(parameter(views, prefix + "item_weight"));
  unit.query_weights = transposed(parameter(views, prefix + "query_weight"));
  if (spec.attention_product) unit.product_weights = parameter(views, prefix + "product_weight").values.data;
  unit.hidden_bias = parameter(views, prefix + "hidden_bias").values.data;
  unit.output_weights = parameter(views, prefix + "output_weight").values.data;
  unit.output_bias = parameter(views, prefix + "output_bias").values.data[0];
  if (!unit.source.is_items()) fill_table(views, unit);
  if (std::ranges::find(queries, of_model.query, &RequestQuery::source) == queries.end()) {
    RequestQuery query;
    query.source = of_model.query;
    query.input_column = (spec.units.size() + queries.size()) * spec.width;
    queries.push_back(std::move(query));
  }
  units.push_back(std::move(unit));
}

void RequestTables::fill_table(const Views& views, RequestUnit& unit) const {
  const FamilyLayout& family = codes.families()[unit.source.family];
  const std::size_t row_size = unit.shape.row_size(), hidden = unit.shape.hidden;
  unit.table = base::Buffer<float>(family.num_rows() * row_size);
  std::size_t row = 0;
  for (std::size_t l = 0; l < family.num_layers(); ++l) {
    const View& layer = parameter(views, fmt::format("embedding.{}.layer{}", family.name, l));
    // Layers side by side have their own columns; the rest of a row is zero.
    const std::size_t column =
        spec.layer_pooling == LayerPooling::concat ? l * spec.width / family.num_layers() : std::size_t{0};
    for (std::size_t r = 0; r < layer.rows; ++r, ++row) {
      std::copy_n(layer.values.row(r), layer.cols, unit.table.data() + row * row_size + hidden + column);
    }
  }
  kernels::matmul<float>({row, hidden, spec.width}, {unit.table.data() + hidden, row_size},
                         {unit.item_weights.data(), hidden}, {unit.table.data(), row_size}, spec.arithmetic);
}

void RequestTables::add_query(std::size_t number) {
  RequestQuery& query = queries[number];
  for (std::size_t u = 0; u < units.size(); ++u) {
    if (units[u].source == query.source) query.unit = u;
    if (spec.units[u].query != query.source) continue;
    units[u].query = number;
    units[u].query_column = query.units.size() * spec.width;
    query.units.push_back(u);
  }
  query.embedding_column = query.units.size() * spec.width;
  query.num_inputs = query.embedding_column + spec.width;
}

void RequestTables::project_queries() {
  for (RequestUnit& unit : units) {
    const RequestQuery& query = queries[unit.query];
    if (query.source.is_items()) continue;
    const std::size_t rows = codes.families()[query.source.family].num_rows();
    const kernels::AttentionShape& shape = unit.shape;
    unit.query_thresholds = base::Buffer<float>(rows * shape.hidden);
    kernels::matmul<float>(
        {rows, shape.hidden, shape.width}, {units[query.unit].table.data() + shape.hidden, shape.row_size()},
        {unit.query_weights.data(), shape.hidden}, {unit.query_thresholds.data(), shape.hidden}, spec.arithmetic);
    for (float& x : unit.query_thresholds) x = -x;
  }
}

void RequestTables::cut_first_layer() {
  feature_column = (units.size() + queries.size()) * spec.width;
  const RequestLayer& layer = layers.front();
  for (RequestQuery& query : queries) {
    const std::size_t num_features = query.source.is_items() ? layer.inputs - feature_column : 0;
    std::vector<std::size_t> columns;  // of the MLP's input, in the order of the query's
    const auto add = [&columns](std::size_t begin, std::size_t count) {
      for (std::size_t c = 0; c < count; ++c) columns.push_back(begin + c);
    };
    for (const std::size_t u : query.units) add(units[u].input_column, spec.width);
    add(query.input_column, spec.width);
    add(feature_column, num_features);
    query.num_inputs = columns.size();
    query.stride = whole_vectors(query.num_inputs);
    query.first_layer = base::Buffer<float>(query.num_inputs * layer.outputs);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      for (std::size_t o = 0; o < layer.outputs; ++o) {
        query.first_layer[i * layer.outputs + o] = layer.weights[o * layer.inputs + columns[i]];
      }
    }
  }
}

void RequestTables::project_embeddings() {
  const std::size_t outputs = layers.front().outputs;
  for (RequestQuery& query : queries) {
    if (query.source.is_items()) continue;
    const RequestUnit& holder = units[query.unit];
    const std::size_t rows = codes.families()[query.source.family].num_rows();
    query.embedding_parts = base::Buffer<float>(rows * outputs);
    kernels::matmul<float>({rows, outputs, spec.width},
                           {holder.table.data() + holder.shape.hidden, holder.shape.row_size()},
                           {query.first_layer.data() + query.embedding_column * outputs, outputs},
                           {query.embedding_parts.data(), outputs}, spec.arithmetic);
  }
}

}  // namespace neume::rank
