#pragma once
// Builds an ONNX model node by node (https://onnx.ai: onnx.proto, IR version 7, opset 13).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/protobuf.hpp"
#include "data/safetensors.hpp"

namespace neume::rank {

/// Names stand for values, as in ONNX itself: every node's result has a name that later nodes read.
class OnnxGraph {
 public:
  enum class Type { f32 = 1, i64 = 7 };  // TensorProto.DataType

  /// A dimension: a number, or a name where it may differ from call to call.
  struct Dimension {
    std::string name;
    std::int64_t size = 0;
  };

  std::string add_input(const std::string& name, Type type, const std::vector<Dimension>& shape);
  void add_output(const std::string& name, Type type, const std::vector<Dimension>& shape);

  /// A float tensor, borrowed until write().
  std::string add_tensor(const data::TensorView& tensor);

  /// Small constants; the same values share one initializer. A scalar has no dimensions.
  std::string axes(std::int64_t axis);
  std::string scalar(std::int64_t value);
  std::string scalar(float value);

  /// An integer, or a list of that one integer.
  struct Attribute {
    std::string name;
    std::int64_t value;
    bool is_list = false;
  };

  /// A node of one result; returns the result's name.
  std::string add(std::string_view op, const std::vector<std::string>& inputs,
                  const std::vector<Attribute>& attributes = {}, const std::string& result = "");

  /// The whole model; the graph is used up.
  data::ProtobufMessage finish(const std::string& name, const std::string& doc);

 private:
  std::string add_constant(const std::string& name, Type type, bool is_scalar, std::span<const std::byte> value);

  data::ProtobufMessage nodes_;  // the graph's fields: nodes first
  data::ProtobufMessage rest_;   // initializers, inputs, outputs
  std::vector<std::string> constants_;
  std::size_t num_results_ = 0;
};

}  // namespace neume::rank
