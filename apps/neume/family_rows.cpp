#include "family_rows.hpp"

#include <fmt/format.h>

#include <algorithm>

#include <neume/error.hpp>

#include "base/random.hpp"
#include "base/sample.hpp"
#include "quantize/encoder.hpp"

namespace neume::app {

namespace {

const Quantizer& quantizer_of(const std::vector<Codebook>& codebooks, const CodeFamily& family) {
  const auto found = std::ranges::find(codebooks, family.name, &Codebook::name);
  if (found == codebooks.end())
    throw DataError(fmt::format("no codebook of family {}, which the semantic IDs have", family.name));
  const std::vector<std::size_t> sizes = found->quantizer.codebook_sizes(), &stored = family.codebook_sizes;
  const bool fits = stored.size() == sizes.size() || stored.size() == sizes.size() + 1;
  if (!fits || !std::equal(sizes.begin(), sizes.end(), stored.begin()))
    throw DataError(
        fmt::format("family {}: the IDs have layers of {} codes, the codebook of {}; they do not belong together",
                    family.name, fmt::join(stored, ", "), fmt::join(sizes, ", ")));
  return found->quantizer;
}

FamilyRows read_rows(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& family,
                     const RowOptions& options) {
  FamilyRows result;
  result.reconstruction = quantize::reconstruct_family(catalogue, quantizer, family);
  std::vector<std::uint32_t> coded;
  for (std::uint32_t item = 0; item < family.num_items(); ++item)
    if (family.has(item)) coded.push_back(item);
  result.available = coded.size();
  for (const std::uint32_t place : base::draw_sample(coded.size(), options.sample, options.seed))
    result.items.push_back(coded[place]);
  const Matrix raw = catalogue.gather(quantizer.shape().block_names, result.items);
  result.rows = Matrix(raw.rows(), raw.cols());
  quantizer.map(raw.view(), result.rows.view());
  const std::size_t count = std::min(options.neighbours, std::max<std::size_t>(1, raw.rows()) - 1);
  if (count > 0) {
    const auto queries = base::draw_sample(raw.rows(), options.queries, base::derive_seed(options.seed, 1));
    result.neighbours = eval::nearest_neighbours(result.rows.view(), queries, count);
  }
  return result;
}

}  // namespace

RowsByFamily read_family_rows(const data::Catalogue& catalogue, const std::vector<Codebook>& codebooks,
                              const SemanticIds& sids, const RowOptions& options) {
  RowsByFamily rows;
  for (const CodeFamily& family : sids.families)
    rows.emplace(family.name, read_rows(catalogue, quantizer_of(codebooks, family), family, options));
  return rows;
}

}  // namespace neume::app
