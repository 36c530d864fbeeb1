#pragma once
// The scoring graph of MCCA and DIN as an ONNX model (opset 13), for runtimes other than ours
// (docs/formats/ranker.md, "ONNX").
//
// Inputs, with B samples, histories padded to T >= 1 places, and L the layers of family F:
//   history_items      int64 [B, T]     rows of the items; any row where the mask is 0
//   history_mask       float [B, T]     1 where there is a history item, 0 where there is padding
//   target_item        int64 [B]
//   history_codes.F    int64 [B, T, L]  for every family that is attended over; -1 where the item has no codes
//   target_codes.F     int64 [B, L]     for every family that queries; -1 where the target has no codes
// Output: logits float [B]. B and T may differ from call to call.
//
// The tables are the initializers, under the names of parameters(). Nothing is folded: a history item costs a product
// here, where our scorer adds rows.

#include <filesystem>
#include <vector>

#include "nn/parameter.hpp"
#include "rank/item_codes.hpp"
#include "rank/sequence_model.hpp"

namespace neume::rank {

/// Bytes that a model file may have: a Protocol Buffers message must be shorter than 2 GiB.
inline constexpr std::size_t kMaxOnnxBytes = (std::size_t{1} << 31) - 1;

/// What the graph is made of: the network's form, the codes' layout, and SequenceModel::parameters().
struct OnnxSource {
  const ModelSpec& spec;
  const ItemCodes& codes;
  const std::vector<nn::ParameterView<float>>& parameters;
};

/// Writes the graph. Throws InvalidArgument where the file would exceed `max_bytes` (an item table of 64 columns: at
/// about 8 million items), and DataError where it cannot be written.
void write_onnx(const std::filesystem::path& path, const OnnxSource& source, std::size_t max_bytes = kMaxOnnxBytes);

}  // namespace neume::rank
