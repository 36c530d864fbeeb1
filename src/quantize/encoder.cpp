#include "quantize/encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "quantize/codec.hpp"
#include "quantize/preprocess.hpp"

namespace neume::quantize {

namespace {

constexpr std::size_t kItemsAtOnce = 16 * kBlockRows;

using Items = std::span<const std::uint32_t>;

/// Runs `work` on the rows of `items`, and puts the item's name into its complaint about a row.
template <class Work>
void with_item_names(const data::Catalogue& catalogue, Items items, const Work& work) {
  try {
    work();
  } catch (const BadRow& problem) {
    throw DataError(fmt::format("item {}: {}", catalogue.items.name(items[problem.row()]), problem.reason()));
  }
}

/// Gathers and encodes `items`: items.size() x L codes.
void encode_items(const data::Catalogue& catalogue, const Quantizer& quantizer, Items items,
                  const EncodeOptions& options, std::span<Code> codes) {
  const Matrix rows = catalogue.gather(quantizer.shape().block_names, items);
  with_item_names(catalogue, items, [&] { quantizer.encode(rows.view(), codes, options); });
}

CodeFamily without_codes(const std::string& name, std::vector<std::size_t> sizes, std::size_t num_items) {
  CodeFamily family{name, std::move(sizes), {}};
  family.codes.assign(num_items * family.num_layers(), kNoCode);
  return family;
}

/// Copies codes of `items` (items.size() x L) to their rows of the family.
void scatter(Items items, std::span<const Code> codes, CodeFamily& family) {
  const std::size_t num_layers = family.num_layers();
  for (std::size_t i = 0; i < items.size(); ++i)
    std::copy_n(codes.data() + i * num_layers, num_layers, family.codes.data() + items[i] * num_layers);
}

/// Gathers the rows of the items that have all modalities of `plan`, gives them to `fit`, and spreads the codes.
template <class Fit>
FamilyFit fit_rows(const data::Catalogue& catalogue, const FamilyPlan& plan, const Fit& fit) {
  const std::vector<std::uint32_t> items = catalogue.items_with(plan.modalities);
  if (items.empty())
    throw DataError(fmt::format("family {}: none of {} items has all of its modalities ({})", plan.name,
                                catalogue.items.size(), fmt::join(plan.modalities, ", ")));
  QuantizerFit fitted;
  try {
    with_item_names(catalogue, items, [&] { fitted = fit(catalogue.gather(plan.modalities, items)); });
  } catch (const DataError& problem) {
    throw DataError(fmt::format("family {}: {}", plan.name, problem.what()));
  }
  CodeFamily family = without_codes(plan.name, fitted.quantizer.codebook_sizes(), catalogue.items.size());
  scatter(items, fitted.codes, family);
  return {std::move(fitted.quantizer), std::move(family), std::move(fitted.prefix_weight_choice)};
}

/// True where the two IDs of a raw row differ by a tie within rounding.
bool is_tie(const Quantizer& quantizer, std::span<const float> raw, std::span<const Code> a, std::span<const Code> b) {
  const std::vector<std::size_t> sizes = quantizer.codebook_sizes();
  for (std::size_t l = 0; l < sizes.size(); ++l)
    if (a[l] >= sizes[l] || b[l] >= sizes[l]) return false;  // kNoCode among them
  std::vector<float> row(raw.size());
  RowTransform{quantizer.shape(), quantizer.mean(), quantizer.scale()}.apply(raw, 0, row);
  return quantizer.codec().is_tie(*quantizer.codec().make_scratch(), row, a.data(), b.data());
}

/// One pass of verify_family: codes in batches of `batch_size`, compared with the stored ones.
class Verifier {
 public:
  Verifier(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& stored,
           const EncodeOptions& options)
      : catalogue_(catalogue), quantizer_(quantizer), stored_(stored), options_(options) {
    items_ = catalogue.items_with(quantizer.shape().block_names);
    report_.num_rows = catalogue.items.size();
    std::vector<bool> has(catalogue.items.size(), false);
    for (const std::uint32_t item : items_) has[item] = true;
    // Items without the modality must have no code; that does not depend on batches.
    for (std::size_t item = 0; item < has.size(); ++item)
      if (!has[item]) compare(item, std::vector<Code>(stored.num_layers(), kNoCode));
  }

  void check_batches(std::size_t batch_size) {
    const std::size_t num_batches = base::num_chunks(items_.size(), batch_size);
    const std::size_t step = std::max<std::size_t>(1, kBlockRows / batch_size);
    std::vector<Code> codes;
    for (std::size_t b = 0; b < num_batches; b += step) {
      const std::size_t begin = b * batch_size, count = std::min(batch_size, items_.size() - begin);
      const Items batch(items_.data() + begin, count);
      codes.resize(count * stored_.num_layers());
      encode_items(catalogue_, quantizer_, batch, options_, codes);
      for (std::size_t i = 0; i < count; ++i)
        compare(batch[i], std::span(codes).subspan(i * stored_.num_layers(), stored_.num_layers()));
    }
  }

  const VerifyReport& report() const { return report_; }

 private:
  void compare(std::size_t item, std::span<const Code> codes) {
    ++report_.num_comparisons;
    if (std::ranges::equal(codes, stored_.of(item))) return;
    ++report_.mismatches;
    report_.first_mismatch = std::min(item, report_.first_mismatch.value_or(item));
    if (codes[0] == kNoCode) return;
    const std::uint32_t row = static_cast<std::uint32_t>(item);
    const Matrix raw = catalogue_.gather(quantizer_.shape().block_names, {&row, 1});
    report_.within_rounding += is_tie(quantizer_, raw.row(0), codes, stored_.of(item)) ? 1 : 0;
  }

  const data::Catalogue& catalogue_;
  const Quantizer& quantizer_;
  const CodeFamily& stored_;
  EncodeOptions options_;
  std::vector<std::uint32_t> items_;
  VerifyReport report_;
};

/// Sets the number of threads and puts the old number back.
class ThreadCount {
 public:
  ThreadCount() : previous_(base::num_threads()) {}
  ~ThreadCount() { base::set_num_threads(previous_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  std::size_t previous_;
};

}  // namespace

void check_modality(const InputShape& shape, std::size_t block, std::optional<std::size_t> width) {
  const std::string& name = shape.block_names[block];
  if (!width) throw InvalidArgument(fmt::format("the codebook needs modality {}, which was not given", name));
  if (*width != shape.block_widths[block])
    throw InvalidArgument(
        fmt::format("modality {}: the codebook expects width {}, found {}", name, shape.block_widths[block], *width));
}

void check_modalities(const data::Catalogue& catalogue, const Quantizer& quantizer) {
  const InputShape& shape = quantizer.shape();
  for (std::size_t b = 0; b < shape.block_names.size(); ++b) {
    const data::Modality* modality = catalogue.find(shape.block_names[b]);
    check_modality(shape, b, modality == nullptr ? std::nullopt : std::optional(modality->width()));
  }
}

FamilyPlan FamilyPlan::joint(const data::Catalogue& catalogue) {
  FamilyPlan plan{"joint", {}};
  for (const data::Modality& modality : catalogue.modalities) plan.modalities.push_back(modality.name());
  return plan;
}

Scaling default_scaling(const FamilyPlan& plan) {
  return plan.modalities.size() > 1 ? Scaling::rms : Scaling::none;
}

FamilyFit fit_family(const data::Catalogue& catalogue, const FamilyPlan& plan, Scaling scaling,
                     const QuantizerOptions& options, const ProgressFn& progress) {
  options.validate();
  InputShape shape{plan.modalities, {}, scaling};
  for (const std::string& name : plan.modalities) {
    const data::Modality* modality = catalogue.find(name);
    if (modality == nullptr) throw InvalidArgument(fmt::format("family {}: there is no modality {}", plan.name, name));
    shape.block_widths.push_back(modality->width());
  }
  if (plan.modalities.empty())
    throw InvalidArgument(fmt::format("family {}: expected at least one modality", plan.name));
  return fit_rows(catalogue, plan, [&](Matrix rows) {
    return Quantizer::fit(std::move(rows), shape, options, progress, plan.checkpoint);
  });
}

FamilyFit refit_family(const data::Catalogue& catalogue, const Quantizer& before, const FamilyPlan& plan,
                       const QuantizerOptions& options, const ProgressFn& progress) {
  options.validate();
  if (plan.modalities != before.shape().block_names)
    throw InvalidArgument(fmt::format("family {}: the codebooks to continue from have the modalities {}, expected {}",
                                      plan.name, fmt::join(before.shape().block_names, ", "),
                                      fmt::join(plan.modalities, ", ")));
  check_modalities(catalogue, before);
  return fit_rows(catalogue, plan,
                  [&](Matrix rows) { return Quantizer::refit(before, std::move(rows), options, progress); });
}

CodeFamily encode_family(const data::Catalogue& catalogue, const Quantizer& quantizer, const std::string& name,
                         const EncodeOptions& options) {
  check_modalities(catalogue, quantizer);
  const std::vector<std::uint32_t> items = catalogue.items_with(quantizer.shape().block_names);
  CodeFamily family = without_codes(name, quantizer.codebook_sizes(), catalogue.items.size());
  base::parallel_for(base::num_chunks(items.size(), kItemsAtOnce), [&](std::size_t chunk) {
    const std::size_t begin = chunk * kItemsAtOnce;
    const Items block = Items(items).subspan(begin, std::min(kItemsAtOnce, items.size() - begin));
    std::vector<Code> codes(block.size() * family.num_layers());
    encode_items(catalogue, quantizer, block, options, codes);
    scatter(block, codes, family);
  });
  return family;
}

Reconstruction reconstruct_family(const data::Catalogue& catalogue, const Quantizer& quantizer,
                                  const CodeFamily& family) {
  check_modalities(catalogue, quantizer);
  const std::size_t num_layers = quantizer.num_layers();
  std::vector<std::uint32_t> items;
  std::vector<Code> codes;
  for (std::uint32_t item = 0; item < family.num_items(); ++item) {
    if (!family.has(item)) continue;
    items.push_back(item);
    codes.insert(codes.end(), family.of(item).begin(),
                 family.of(item).begin() + static_cast<std::ptrdiff_t>(num_layers));
  }
  return quantizer.reconstruction(catalogue.gather(quantizer.shape().block_names, items).view(), codes);
}

double mean_squared_error(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& family) {
  check_modalities(catalogue, quantizer);
  const std::size_t num_layers = quantizer.num_layers();
  std::vector<std::uint32_t> items;
  std::vector<Code> codes;
  double sum = 0.0;
  std::size_t total = 0;
  for (std::uint32_t item = 0; item < family.num_items(); ++item) {
    if (family.has(item)) {
      items.push_back(item);
      codes.insert(codes.end(), family.of(item).begin(), family.of(item).begin() + std::ptrdiff_t(num_layers));
    }
    const bool is_last = item + 1 == family.num_items();
    if (items.empty() || (items.size() < kItemsAtOnce && !is_last)) continue;
    const Matrix rows = catalogue.gather(quantizer.shape().block_names, items);
    sum += quantizer.reconstruction(rows.view(), codes).mse.back() * static_cast<double>(items.size());
    total += items.size();
    items.clear();
    codes.clear();
  }
  return total == 0 ? 0.0 : sum / static_cast<double>(total);
}

VerifyReport verify_family(const data::Catalogue& catalogue, const Quantizer& quantizer, const CodeFamily& stored,
                           const VerifyOptions& options) {
  check_modalities(catalogue, quantizer);
  if (stored.codebook_sizes != quantizer.codebook_sizes())
    throw InvalidArgument(
        fmt::format("family {}: stored codes come from codebooks of sizes [{}], the codebook file has [{}]",
                    stored.name, fmt::join(stored.codebook_sizes, ", "), fmt::join(quantizer.codebook_sizes(), ", ")));
  if (stored.num_items() != catalogue.items.size())
    throw InvalidArgument(fmt::format("family {}: {} items have stored codes, the catalogue has {} items", stored.name,
                                      stored.num_items(), catalogue.items.size()));
  if (std::ranges::count(options.batch_sizes, 0) > 0) throw InvalidArgument("verify: a batch has at least one row");
  Verifier verifier(catalogue, quantizer, stored, options.encode);
  const ThreadCount restored;
  for (const std::size_t threads : options.thread_counts) {
    base::set_num_threads(threads);
    for (const std::size_t batch_size : options.batch_sizes) verifier.check_batches(batch_size);
  }
  return verifier.report();
}

}  // namespace neume::quantize
