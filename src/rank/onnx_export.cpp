#include "rank/onnx_export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include <neume/error.hpp>

#include "rank/model_file.hpp"
#include "rank/onnx_graph.hpp"

namespace neume::rank {

namespace {

/// Far below every score, and far from the end of float's range: what a masked place of a softmax gets.
constexpr float kMaskedScore = -1e30F;
constexpr float kSmallestTotal = 1e-30F;

/// The graph of one network.
class ScoringGraph {
 public:
  explicit ScoringGraph(const OnnxSource& source) : source_(source) {
    copies_.add(source.parameters, ParameterCopies::Part::values, "");
    for (const auto& tensor : copies_.tensors()) {
      shapes_[tensor.name] = tensor.shape;
      graph_.add_tensor(tensor);
    }
  }

  data::ProtobufMessage build() {
    add_inputs();
    std::vector<std::string> parts;
    std::vector<std::string> queries;
    for (const auto& unit : source_.spec.units) parts.push_back(attend(unit));
    for (const auto& unit : source_.spec.units) {
      const std::string& query = target(unit.query);
      if (std::ranges::find(queries, query) == queries.end()) queries.push_back(query);
    }
    parts.insert(parts.end(), queries.begin(), queries.end());
    graph_.add("Squeeze", {perceptron(graph_.add("Concat", parts, {{"axis", 1}})), graph_.axes(1)}, {}, "logits");
    graph_.add_output("logits", OnnxGraph::Type::f32, {{"B"}});
    return graph_.finish("neume_ranker", "Logits of targets given histories; inputs: docs/formats/ranker.md");
  }

 private:
  /// A history's embeddings [B, T, d'] and its mask [B, T], 1 where they count.
  struct History {
    std::string embeddings;
    std::string mask;
  };

  std::string name_of(Source source) const {
    return source.is_items() ? "item" : source_.codes.families()[source.family].name;
  }

  void add_inputs() {
    const auto is_source = [&](std::size_t f) {
      return std::ranges::any_of(source_.spec.units, [&](const auto& unit) { return unit.source == Source{f}; });
    };
    const auto is_query = [&](std::size_t f) {
      return std::ranges::any_of(source_.spec.units, [&](const auto& unit) { return unit.query == Source{f}; });
    };
    if (is_source(Source::kItems)) graph_.add_input("history_items", OnnxGraph::Type::i64, {{"B"}, {"T"}});
    graph_.add_input("history_mask", OnnxGraph::Type::f32, {{"B"}, {"T"}});
    if (is_query(Source::kItems)) graph_.add_input("target_item", OnnxGraph::Type::i64, {{"B"}});
    for (std::size_t f = 0; f < source_.codes.families().size(); ++f) {
      const FamilyLayout& family = source_.codes.families()[f];
      const OnnxGraph::Dimension layers{"", static_cast<std::int64_t>(family.num_layers())};
      if (is_source(f)) {
        graph_.add_input("history_codes." + family.name, OnnxGraph::Type::i64, {{"B"}, {"T"}, layers});
      }
      if (is_query(f)) graph_.add_input("target_codes." + family.name, OnnxGraph::Type::i64, {{"B"}, layers});
    }
  }

  /// Embeddings of codes [.., L], whose dimensions before the last are `rank` in number. Layers are added up where
  /// each is as wide as the embedding, and stand side by side where they share its columns.
  std::string embed_codes(const FamilyLayout& family, const std::string& codes, std::int64_t rank) {
    const std::string valid = graph_.add("Max", {codes, graph_.scalar(std::int64_t{0})});
    std::vector<std::string> layers;
    std::size_t columns = 0;
    for (std::size_t l = 0; l < family.num_layers(); ++l) {
      const std::string table = fmt::format("embedding.{}.layer{}", family.name, l);
      const std::string layer =
          graph_.add("Gather", {valid, graph_.scalar(static_cast<std::int64_t>(l))}, {{"axis", rank}});
      layers.push_back(graph_.add("Gather", {table, layer}, {{"axis", 0}}));
      columns += shapes_.at(table)[1];
    }
    if (layers.size() == 1) return layers[0];
    if (columns == source_.spec.width) return graph_.add("Concat", layers, {{"axis", rank}});
    if (columns == source_.spec.width * layers.size()) return graph_.add("Sum", layers);
    throw InternalError(fmt::format("the layers of family {} have {} columns together, an embedding has {}",
                                    family.name, columns, source_.spec.width));
  }

  /// 1 where an item has codes, from its codes [.., L].
  std::string has_codes(const std::string& codes, std::int64_t rank) {
    const std::string first = graph_.add("Gather", {codes, graph_.scalar(std::int64_t{0})}, {{"axis", rank}});
    const std::string present = graph_.add("GreaterOrEqual", {first, graph_.scalar(std::int64_t{0})});
    return graph_.add("Cast", {present}, {{"to", static_cast<std::int64_t>(OnnxGraph::Type::f32)}});
  }

  /// The target's embedding [B, d'] in a source; the zero vector where it has no codes.
  const std::string& target(Source source) {
    const std::string name = name_of(source);
    const auto known = targets_.find(name);
    if (known != targets_.end()) return known->second;
    if (source.is_items()) {
      return targets_[name] = graph_.add("Gather", {"embedding.item", "target_item"}, {{"axis", 0}});
    }
    const std::string codes = "target_codes." + name;
    const std::string embedding = embed_codes(source_.codes.families()[source.family], codes, 1);
    const std::string present = graph_.add("Unsqueeze", {has_codes(codes, 1), graph_.axes(1)});
    return targets_[name] = graph_.add("Mul", {embedding, present});
  }

  History history(Source source) {
    if (source.is_items()) {
      return {graph_.add("Gather", {"embedding.item", "history_items"}, {{"axis", 0}}), "history_mask"};
    }
    const FamilyLayout& family = source_.codes.families()[source.family];
    const std::string codes = "history_codes." + family.name;
    return {embed_codes(family, codes, 2), graph_.add("Mul", {has_codes(codes, 2), "history_mask"})};
  }

  /// x W^T for a parameter W.
  std::string product(const std::string& x, const std::string& weight) {
    return graph_.add("MatMul", {x, graph_.add("Transpose", {weight})});
  }

  /// h of one unit, [B, d'].
  std::string attend(const ModelSpec::Unit& unit) {
    const std::string prefix = "attention." + name_of(unit.source);
    const History past = history(unit.source);
    const std::string& query = target(unit.query);
    const std::string from_query =
        graph_.add("Add", {product(query, prefix + ".query_weight"), prefix + ".hidden_bias"});
    std::string hidden = graph_.add("Add", {product(past.embeddings, prefix + ".item_weight"),
                                            graph_.add("Unsqueeze", {from_query, graph_.axes(1)})});
    if (shapes_.contains(prefix + ".product_weight")) {
      const std::string products =
          graph_.add("Mul", {past.embeddings, graph_.add("Unsqueeze", {query, graph_.axes(1)})});
      hidden = graph_.add("Add", {hidden, product(products, prefix + ".product_weight")});
    }
    const std::string raw = product(graph_.add("Relu", {hidden}), prefix + ".output_weight");
    const std::string scores = graph_.add("Add", {raw, prefix + ".output_bias"});  // [B, T, 1]
    const std::string mask = graph_.add("Unsqueeze", {past.mask, graph_.axes(2)});
    const std::string weights =
        source_.spec.attention_softmax ? softmax(scores, mask) : graph_.add("Mul", {scores, mask});
    return graph_.add("ReduceSum", {graph_.add("Mul", {weights, past.embeddings}), graph_.axes(1)}, {{"keepdims", 0}});
  }

  /// Softmax over axis 1 of the places that count; all 0 where none does.
  std::string softmax(const std::string& scores, const std::string& mask) {
    const std::string hole = graph_.add("Sub", {graph_.scalar(1.0F), mask});
    const std::string holes = graph_.add("Mul", {hole, graph_.scalar(kMaskedScore)});
    const std::string masked = graph_.add("Add", {graph_.add("Mul", {scores, mask}), holes});
    const std::string largest = graph_.add("ReduceMax", {masked}, {{"axes", 1, true}});
    const std::string powers = graph_.add("Exp", {graph_.add("Sub", {masked, largest})});
    const std::string counted = graph_.add("Mul", {powers, mask});
    const std::string total = graph_.add("ReduceSum", {counted, graph_.axes(1)});
    return graph_.add("Div", {counted, graph_.add("Max", {total, graph_.scalar(kSmallestTotal)})});
  }

  std::string perceptron(std::string x) {
    for (std::size_t l = 0;; ++l) {
      const std::string weight = fmt::format("mlp.{}.weight", l);
      if (!shapes_.contains(weight)) return x;
      if (l > 0) x = graph_.add("Relu", {x});
      x = graph_.add("Gemm", {x, weight, fmt::format("mlp.{}.bias", l)}, {{"transB", 1}});
    }
  }

  const OnnxSource& source_;
  ParameterCopies copies_;
  std::map<std::string, std::vector<std::size_t>> shapes_;
  std::map<std::string, std::string> targets_;
  OnnxGraph graph_;
};

}  // namespace

void write_onnx(const std::filesystem::path& path, const OnnxSource& source, std::size_t max_bytes) {
  std::size_t values = 0;
  for (const auto& parameter : source.parameters) values += parameter.rows * parameter.cols;
  const auto refuse = [&](std::size_t bytes) {
    throw InvalidArgument(fmt::format(
        "{}: the model needs {} bytes as ONNX, and an ONNX file holds at most {}; export safetensors, which has no "
        "such limit",
        path.string(), bytes, max_bytes));
  };
  if (values * sizeof(float) > max_bytes) refuse(values * sizeof(float));  // before anything is copied
  ScoringGraph graph(source);
  const data::ProtobufMessage model = graph.build();
  if (model.size_bytes() > max_bytes) refuse(model.size_bytes());
  model.write(path);
}

}  // namespace neume::rank
