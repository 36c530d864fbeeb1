#include "serve/similar_items.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "serve/json_input.hpp"

namespace neume::serve {

namespace {

using rank::FamilyLayout;
using rank::ItemCodes;

/// The embeddings of a family's layers, as far as the ranker has any.
class FamilyVectors {
 public:
  FamilyVectors(const rank::RankerBundle& bundle, const FamilyLayout& family)
      : is_sum_(bundle.options().layer_pooling == LayerPooling::sum) {
    const auto parameters = bundle.parameters();
    for (std::size_t l = 0; l < family.num_layers(); ++l) {
      const auto table =
          std::ranges::find(parameters, fmt::format("embedding.{}.layer{}", family.name, l), &Table::name);
      if (table == parameters.end()) return;
      layers_.push_back(*table);
    }
  }

  /// Squared distance of two IDs: of the layers' sums, or of the layers side by side, as the ranker pools them.
  double distance(std::span<const Code> a, std::span<const Code> b) const {
    double sum = 0.0;
    if (layers_.size() < a.size()) return sum;
    if (!is_sum_) {
      for (std::size_t l = 0; l < a.size(); ++l) {
        for (std::size_t c = 0; c < layers_[l].cols; ++c) sum += square(difference(l, c, a, b));
      }
      return sum;
    }
    for (std::size_t c = 0; c < layers_[0].cols; ++c) {
      double difference_of_sums = 0.0;
      for (std::size_t l = 0; l < a.size(); ++l) difference_of_sums += difference(l, c, a, b);
      sum += square(difference_of_sums);
    }
    return sum;
  }

 private:
  using Table = nn::ParameterView<float>;

  static double square(double x) { return x * x; }
  double difference(std::size_t layer, std::size_t column, std::span<const Code> a, std::span<const Code> b) const {
    const Table& table = layers_[layer];
    return static_cast<double>(table.values.row(a[layer])[column]) -
           static_cast<double>(table.values.row(b[layer])[column]);
  }

  bool is_sum_;
  std::vector<Table> layers_;
};

const FamilyLayout& find_family(const ServedModel& model, const CodesByFamily& codes, std::string& name) {
  const auto& families = model.bundle().codes().families();
  if (families.empty()) throw RequestError(400, "the model reads no semantic IDs");
  if (codes.empty()) throw RequestError(400, "the item has no semantic ID");
  if (name.empty()) name = codes.contains("joint") ? "joint" : codes.begin()->first;
  const auto family = std::ranges::find(families, name, &FamilyLayout::name);
  if (family == families.end()) {
    std::vector<std::string> names;
    names.reserve(families.size());
    for (const FamilyLayout& known : families) names.push_back(known.name);
    throw RequestError(400, fmt::format("family: expected one of {}", fmt::join(names, ", ")));
  }
  if (!codes.contains(name)) throw RequestError(400, fmt::format("family: the item has no codes in {}", name));
  return *family;
}

/// All items of a model, those of its training first, with their codes in one family.
class FamilyItems {
 public:
  FamilyItems(const ServedModel& model, const FamilyLayout& family)
      : model_(model),
        family_(family),
        num_rows_(model.bundle().items().size()),
        new_items_(model.new_items()),
        rows_(model.bundle().codes().stride()),
        found_(family.num_layers()) {}

  std::size_t size() const { return num_rows_ + new_items_.size(); }

  std::string name(std::size_t item) const {
    return item < num_rows_ ? model_.bundle().items().ids().name(item) : new_items_[item - num_rows_];
  }

  /// Empty where the item has none. Good until the next call.
  std::span<const Code> codes(std::size_t item) {
    if (item >= num_rows_) {
      const auto codes = model_.find(new_items_[item - num_rows_])->codes;
      const auto of_family = codes.subspan(family_.first_column, family_.num_layers());
      return of_family[0] == kNoCode ? std::span<const Code>() : of_family;
    }
    model_.bundle().codes().rows_of(item, rows_.data());
    std::size_t first_row = 0;  // of the layer in the family's table
    for (std::size_t l = 0; l < found_.size(); ++l) {
      const std::uint32_t row = rows_[family_.first_column + l];
      if (row == ItemCodes::kNoRow) return {};
      found_[l] = static_cast<Code>(row - first_row);
      first_row += family_.codebook_sizes[l];
    }
    return found_;
  }

 private:
  const ServedModel& model_;
  const FamilyLayout& family_;
  std::size_t num_rows_;
  std::vector<std::string> new_items_;
  std::vector<std::uint32_t> rows_;
  std::vector<Code> found_;
};

struct Found {
  std::size_t item;
  std::size_t common_prefix;
  double distance;
};

constexpr std::uint8_t kLeftOut = 0xFF;  // an item without codes; L is at most 17

/// For every item the codes, from the first on, that it has in common with `id`.
std::vector<std::uint8_t> common_prefixes(FamilyItems& items, std::span<const Code> id) {
  std::vector<std::uint8_t> prefixes(items.size(), kLeftOut);
  for (std::size_t item = 0; item < prefixes.size(); ++item) {
    const std::span<const Code> codes = items.codes(item);
    if (codes.empty()) continue;
    prefixes[item] = static_cast<std::uint8_t>(std::ranges::mismatch(codes, id).in1 - codes.begin());
  }
  return prefixes;
}

/// The shortest common prefix among the `top` items with the longest ones.
std::size_t shortest_needed(const std::vector<std::uint8_t>& prefixes, std::size_t num_layers, std::size_t top) {
  std::vector<std::size_t> items_of_length(num_layers + 1);
  for (const std::uint8_t prefix : prefixes) {
    if (prefix != kLeftOut) ++items_of_length[prefix];
  }
  std::size_t length = num_layers, count = items_of_length[length];
  while (length > 0 && count < top) count += items_of_length[--length];
  return length;
}

void keep_best(std::vector<Found>& found, std::size_t top) {
  const auto is_nearer = [](const Found& a, const Found& b) {
    if (a.common_prefix != b.common_prefix) return a.common_prefix > b.common_prefix;
    return a.distance != b.distance ? a.distance < b.distance : a.item < b.item;
  };
  const auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(top, found.size()));
  std::partial_sort(found.begin(), end, found.end(), is_nearer);
  found.erase(end, found.end());
}

}  // namespace

std::vector<SimilarItem> similar_items(const ServedModel& model, const std::string& item_id, std::string& family,
                                       std::size_t top) {
  const auto query = model.find(item_id);
  if (!query) throw RequestError(404, "the model does not know this item");
  const CodesByFamily of_query = model.codes_of(*query);
  const FamilyLayout& layout = find_family(model, of_query, family);
  const std::vector<Code>& id = of_query.at(family);
  FamilyItems items(model, layout);
  const std::vector<std::uint8_t> prefixes = common_prefixes(items, id);
  // One more than asked for: the item itself is among them, and is left out by its name.
  const std::size_t shortest = shortest_needed(prefixes, id.size(), top + 1);
  const FamilyVectors vectors(model.bundle(), layout);
  std::vector<Found> found;
  for (std::size_t item = 0; item < prefixes.size(); ++item) {
    if (prefixes[item] == kLeftOut || prefixes[item] < shortest) continue;
    found.push_back({item, prefixes[item], vectors.distance(items.codes(item), id)});
  }
  std::erase_if(
      found, [&](const Found& entry) { return entry.common_prefix == id.size() && items.name(entry.item) == item_id; });
  keep_best(found, top);
  std::vector<SimilarItem> similar;
  similar.reserve(found.size());
  for (const Found& entry : found) {
    similar.push_back({items.name(entry.item), entry.common_prefix, std::sqrt(entry.distance)});
  }
  return similar;
}

}  // namespace neume::serve
