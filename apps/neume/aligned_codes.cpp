#include "aligned_codes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "data/histories.hpp"
#include "quantize/centroids.hpp"
#include "rank/alignment.hpp"

namespace neume::app {

namespace {

rank::AlignedItems align(const rank::TrainingData& data, const RankerOptions& options, const ProgressFn& progress) {
  const data::Histories histories(data.train, data.users.size(), options.seed);
  rank::AlignmentOptions alignment;
  alignment.width = options.align_width;
  alignment.epochs = options.align_epochs;
  alignment.shuffle_rows = options.shuffle_rows;
  alignment.seed = options.seed;
  return rank::align_items(data.content, data.train, histories, alignment, progress);
}

Matrix present_rows(const rank::AlignedItems& aligned) {
  const auto num_present = static_cast<std::size_t>(std::ranges::count(aligned.present, std::uint8_t{1}));
  Matrix rows(num_present, aligned.rows.cols());
  std::size_t next = 0;
  for (std::size_t item = 0; item < aligned.present.size(); ++item) {
    if (aligned.present[item] != 0) std::ranges::copy(aligned.rows.row(item), rows.row(next++).begin());
  }
  return rows;
}

/// Fits a quantizer to the rows that are present.
QuantizerFit fit(const rank::AlignedItems& aligned, const QuantizerOptions& options, const std::string& family,
                 const ProgressFn& progress) {
  const InputShape shape{{"aligned"}, {aligned.rows.cols()}, Scaling::none};
  try {
    return Quantizer::fit(present_rows(aligned), shape, options, progress);
  } catch (const DataError& error) {
    throw DataError(fmt::format("family {}: {}", family, error.what()));
  }
}

/// The fitted rows' codes on the items that they belong to.
CodeFamily spread(const QuantizerFit& fit, const std::string& name, std::span<const std::uint8_t> present) {
  CodeFamily family{name, fit.quantizer.codebook_sizes(), {}};
  const std::size_t layers = family.num_layers();
  family.codes.assign(present.size() * layers, kNoCode);
  const Code* next = fit.codes.data();
  for (std::size_t item = 0; item < present.size(); ++item) {
    if (present[item] == 0) continue;
    std::copy_n(next, layers, family.codes.data() + item * layers);
    next += layers;
  }
  return family;
}

}  // namespace

std::string AlignedCodesReport::text() const {
  return fmt::format("alignment of {} pairs: loss {:.4f} in epoch 1, {:.4f} in epoch {}", num_pairs, first_loss,
                     last_loss, epochs);
}

AlignedCodesReport make_aligned_codes(rank::TrainingData& data, const RankerOptions& options,
                                      const ProgressFn& progress) {
  if (data.sids.families.empty()) {
    throw InvalidArgument("qarm takes k and the number of layers from the semantic IDs, but they have no code family");
  }
  const std::vector<std::size_t> sizes = data.sids.families[0].codebook_sizes;
  const rank::AlignedItems aligned = align(data, options, progress);
  data.content = {};
  data.sids.families.clear();
  QuantizerOptions vq, rq;
  vq.method = QuantizerMethod::vq;
  vq.codes = {sizes[0]};
  rq.method = QuantizerMethod::rq;
  rq.layers = sizes.size();
  rq.codes = sizes;
  for (const auto& [name, quantizer] : {std::pair{rank::kAlignedVq, vq}, std::pair{rank::kAlignedRq, rq}}) {
    QuantizerOptions seeded = quantizer;
    seeded.seed = options.seed;
    const QuantizerFit fitted = fit(aligned, seeded, name, progress);
    data.sids.families.push_back(spread(fitted, name, aligned.present));
    if (options.table_init == TableInit::centroids) {
      data.tables.centroids[name] = quantize::centroids_of(fitted.quantizer);
    }
  }
  return {aligned.num_pairs, aligned.losses.size(), aligned.losses.front(), aligned.losses.back()};
}

}  // namespace neume::app
