#include "rank/parameter_export.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "data/safetensors.hpp"
#include "rank/model_file.hpp"

namespace neume::rank {

std::vector<std::int32_t> codes_of_family(const ItemCodes& codes, std::size_t family) {
  const FamilyLayout& layout = codes.families()[family];
  std::vector<std::uint32_t> rows(codes.stride());
  std::vector<std::int32_t> values;
  values.reserve(codes.num_items() * layout.num_layers());
  for (std::size_t item = 0; item < codes.num_items(); ++item) {
    codes.rows_of(item, rows.data());
    std::uint32_t first_row = 0;  // of the layer in the family's table
    for (std::size_t l = 0; l < layout.num_layers(); ++l) {
      const std::uint32_t row = rows[layout.first_column + l];
      values.push_back(row == ItemCodes::kNoRow ? -1 : static_cast<std::int32_t>(row - first_row));
      first_row += static_cast<std::uint32_t>(layout.codebook_sizes[l]);
    }
  }
  return values;
}

void write_exported_parameters(const std::filesystem::path& path, const ExportedParameters& exported) {
  ParameterCopies copies;
  copies.add(exported.parameters, ParameterCopies::Part::values, "");
  std::vector<data::TensorView> tensors = copies.tensors();
  const auto& families = exported.codes.families();
  std::vector<std::vector<std::int32_t>> sids;
  for (std::size_t f = 0; f < families.size(); ++f) sids.push_back(codes_of_family(exported.codes, f));
  for (std::size_t f = 0; f < families.size(); ++f) {
    const std::vector<std::size_t> shape{exported.codes.num_items(), families[f].num_layers()};
    tensors.push_back(data::tensor_of(std::string("sids.").append(families[f].name), shape, sids[f]));
  }
  std::vector<std::int32_t> counts;
  for (const std::uint32_t count : exported.item_interactions) {
    counts.push_back(static_cast<std::int32_t>(
        std::min<std::uint32_t>(count, static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max()))));
  }
  tensors.push_back(data::tensor_of("item_interactions", {counts.size()}, counts));
  data::write_safetensors(path, tensors, {{"neume", R"({"kind": "exported ranker", "format_version": 1})"}});
}

}  // namespace neume::rank
