#include "rank/onnx_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace neume::rank {

namespace {

using data::ProtobufMessage;

// Field numbers of onnx.proto.
namespace model_field {
constexpr std::uint32_t ir_version = 1, producer_name = 2, producer_version = 3, graph = 7, opset_import = 8;
}
namespace graph_field {
constexpr std::uint32_t node = 1, name = 2, initializer = 5, doc_string = 10, input = 11, output = 12;
}
namespace node_field {
constexpr std::uint32_t input = 1, output = 2, name = 3, op_type = 4, attribute = 5;
}
namespace attribute_field {
constexpr std::uint32_t name = 1, integer = 3, integers = 8, type = 20;
constexpr std::int64_t kInteger = 2, kIntegers = 7;  // AttributeProto.AttributeType: INT, INTS
}  // namespace attribute_field
namespace tensor_field {
constexpr std::uint32_t dims = 1, data_type = 2, name = 8, raw_data = 9;
}

constexpr std::int64_t kIrVersion = 7;
constexpr std::int64_t kOpset = 13;

ProtobufMessage value_info(const std::string& name, OnnxGraph::Type type,
                           const std::vector<OnnxGraph::Dimension>& dimensions) {
  ProtobufMessage shape;  // TensorShapeProto: dim = 1, of dim_value = 1 or dim_param = 2
  for (const auto& dimension : dimensions) {
    ProtobufMessage dim;
    if (dimension.name.empty()) {
      dim.number(1, dimension.size);
    } else {
      dim.text(2, dimension.name);
    }
    shape.message(1, std::move(dim));
  }
  ProtobufMessage tensor;  // TypeProto.Tensor: elem_type = 1, shape = 2
  tensor.number(1, static_cast<std::int64_t>(type)).message(2, std::move(shape));
  ProtobufMessage info;  // ValueInfoProto: name = 1, type = 2 (TypeProto: tensor_type = 1)
  info.text(1, name).message(2, std::move(ProtobufMessage().message(1, std::move(tensor))));
  return info;
}

}  // namespace

std::string OnnxGraph::add_input(const std::string& name, Type type, const std::vector<Dimension>& shape) {
  rest_.message(graph_field::input, value_info(name, type, shape));
  return name;
}

void OnnxGraph::add_output(const std::string& name, Type type, const std::vector<Dimension>& shape) {
  rest_.message(graph_field::output, value_info(name, type, shape));
}

std::string OnnxGraph::add_tensor(const data::TensorView& view) {
  ProtobufMessage tensor;
  for (const std::size_t size : view.shape) tensor.number(tensor_field::dims, static_cast<std::int64_t>(size));
  tensor.number(tensor_field::data_type, static_cast<std::int64_t>(Type::f32)).text(tensor_field::name, view.name);
  tensor.bytes(tensor_field::raw_data, view.bytes);
  rest_.message(graph_field::initializer, std::move(tensor));
  return view.name;
}

std::string OnnxGraph::add_constant(const std::string& name, Type type, bool is_scalar,
                                    std::span<const std::byte> value) {
  if (std::ranges::find(constants_, name) != constants_.end()) return name;
  ProtobufMessage tensor;
  if (!is_scalar) tensor.number(tensor_field::dims, 1);
  tensor.number(tensor_field::data_type, static_cast<std::int64_t>(type)).text(tensor_field::name, name);
  tensor.text(tensor_field::raw_data, {reinterpret_cast<const char*>(value.data()), value.size()});
  rest_.message(graph_field::initializer, std::move(tensor));
  constants_.push_back(name);
  return name;
}

std::string OnnxGraph::axes(std::int64_t axis) {
  return add_constant(fmt::format("axes.{}", axis), Type::i64, false, std::as_bytes(std::span(&axis, 1)));
}

std::string OnnxGraph::scalar(std::int64_t value) {
  return add_constant(fmt::format("integer.{}", value), Type::i64, true, std::as_bytes(std::span(&value, 1)));
}

std::string OnnxGraph::scalar(float value) {
  return add_constant(fmt::format("number.{}", value), Type::f32, true, std::as_bytes(std::span(&value, 1)));
}

std::string OnnxGraph::add(std::string_view op, const std::vector<std::string>& inputs,
                           const std::vector<Attribute>& attributes, const std::string& result) {
  const std::string name = fmt::format("{}.{}", op, num_results_++);
  std::string output = result.empty() ? name : result;
  ProtobufMessage node;
  for (const auto& input : inputs) node.text(node_field::input, input);
  node.text(node_field::output, output).text(node_field::name, name).text(node_field::op_type, op);
  for (const auto& attribute : attributes) {
    ProtobufMessage message;
    message.text(attribute_field::name, attribute.name);
    message.number(attribute.is_list ? attribute_field::integers : attribute_field::integer, attribute.value);
    message.number(attribute_field::type, attribute.is_list ? attribute_field::kIntegers : attribute_field::kInteger);
    node.message(node_field::attribute, std::move(message));
  }
  nodes_.message(graph_field::node, std::move(node));
  return output;
}

ProtobufMessage OnnxGraph::finish(const std::string& name, const std::string& doc) {
  ProtobufMessage graph = std::move(nodes_);
  graph.text(graph_field::name, name).text(graph_field::doc_string, doc);
  graph.append(std::move(rest_));
  ProtobufMessage opset;  // OperatorSetIdProto: domain = 1 (none: the standard one), version = 2
  opset.number(2, kOpset);
  ProtobufMessage model;
  model.number(model_field::ir_version, kIrVersion).text(model_field::producer_name, "neume");
  model.text(model_field::producer_version, NEUME_VERSION).message(model_field::graph, std::move(graph));
  model.message(model_field::opset_import, std::move(opset));
  return model;
}

}  // namespace neume::rank
