#include "rank/content.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "data/id_index.hpp"
#include "data/safetensors.hpp"

namespace neume::rank {

namespace {

using nlohmann::json;

constexpr std::size_t kGatherChunk = 1024;  // rows a task
constexpr int kVersion = 1;

/// The rows of `items` that have the modality, and where they stand in the catalogue.
struct Present {
  std::vector<std::uint32_t> items;
  std::vector<std::uint32_t> catalogue_rows;
};

/// Copies the rows of the items that have one; returns the sum of their squared norms.
double copy_rows(const data::Modality& modality, const Present& present, Matrix& rows) {
  const std::size_t width = modality.width();
  std::vector<double> squares(base::num_chunks(present.items.size(), kGatherChunk), 0.0);
  base::parallel_for(squares.size(), [&](std::size_t chunk) {
    const std::size_t begin = chunk * kGatherChunk;
    const std::size_t size = std::min(kGatherChunk, present.items.size() - begin);
    Matrix gathered(size, width);
    modality.gather(std::span(present.catalogue_rows).subspan(begin, size), gathered.view());
    for (const float x : gathered.flat()) squares[chunk] += static_cast<double>(x) * x;
    for (std::size_t i = 0; i < size; ++i)
      std::ranges::copy(gathered.row(i), rows.row(present.items[begin + i]).begin());
  });
  return std::accumulate(squares.begin(), squares.end(), 0.0);
}

ContentBlock make_block(const data::Modality& modality, const Present& all, std::size_t num_items) {
  ContentBlock block{modality.name(), Matrix(num_items, modality.width()), std::vector<std::uint8_t>(num_items, 0)};
  Present present;
  for (std::size_t i = 0; i < all.items.size(); ++i) {
    if (!modality.has(all.catalogue_rows[i])) continue;
    present.items.push_back(all.items[i]);
    present.catalogue_rows.push_back(all.catalogue_rows[i]);
    block.present[all.items[i]] = 1;
  }
  if (present.items.empty()) {
    throw InvalidArgument(
        fmt::format("modality {}: none of the {} items of the semantic IDs has it; check that the "
                    "embeddings and the semantic IDs belong to the same items",
                    modality.name(), num_items));
  }
  const double squares = copy_rows(modality, present, block.rows);
  if (squares > 0.0) {
    const auto scale = static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(present.items.size())));
    for (float& x : block.rows.flat()) x *= scale;
  }
  return block;
}

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw DataError(fmt::format("{}: not the content of a ranker: {}; train again", path.string(), what));
}

std::vector<std::string> read_names(const std::filesystem::path& path, const data::SafetensorsFile& file) {
  try {
    const json metadata = json::parse(file.metadata().at("neume"));
    if (metadata.at("format_version") != kVersion) {
      fail(path, fmt::format("format version {}, expected {}", metadata.at("format_version").dump(), kVersion));
    }
    return metadata.at("modalities").get<std::vector<std::string>>();
  } catch (const DataError&) {
    throw;
  } catch (const std::exception& error) {
    fail(path, fmt::format("its metadata are broken ({})", error.what()));
  }
}

}  // namespace

bool reads_content(RankerModel model) {
  return model == RankerModel::vbpr || model == RankerModel::simtier_make || model == RankerModel::qarm;
}

Content make_content(const data::Catalogue& catalogue, const ItemIds& items) {
  const data::IdIndex index(catalogue.items);
  Present all;
  for (std::size_t item = 0; item < items.size(); ++item) {
    const auto row = index.find(items, item);
    if (!row) continue;
    all.items.push_back(static_cast<std::uint32_t>(item));
    all.catalogue_rows.push_back(*row);
  }
  Content content;
  for (const auto& modality : catalogue.modalities) content.blocks.push_back(make_block(modality, all, items.size()));
  return content;
}

void write_content(const std::filesystem::path& path, const Content& content) {
  std::vector<data::TensorView> tensors;
  std::vector<std::string> names;
  for (const auto& block : content.blocks) {
    const std::string name = "content." + block.name;
    tensors.push_back(data::tensor_of(name, {block.rows.rows(), block.rows.cols()}, block.rows.flat()));
    tensors.push_back(data::tensor_of(name + ".present", {block.present.size()}, block.present));
    names.push_back(block.name);
  }
  data::write_safetensors(path, tensors, {{"neume", json{{"format_version", kVersion}, {"modalities", names}}.dump()}});
}

Content read_content(const std::filesystem::path& path, std::size_t num_items) {
  const data::SafetensorsFile file(path);
  Content content;
  for (const auto& name : read_names(path, file)) {
    const auto& shape = file.shape("content." + name);
    if (shape.size() != 2 || shape[0] != num_items) {
      fail(path,
           fmt::format("tensor content.{}: expected {} rows, found {}", name, num_items, shape.empty() ? 0 : shape[0]));
    }
    ContentBlock block{name, Matrix(num_items, shape[1]), std::vector<std::uint8_t>(num_items)};
    file.read("content." + name, block.rows.flat());
    file.read("content." + name + ".present", std::span(block.present));
    content.blocks.push_back(std::move(block));
  }
  return content;
}

}  // namespace neume::rank
