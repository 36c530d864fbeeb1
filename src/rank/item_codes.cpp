#include "rank/item_codes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::rank {

std::size_t FamilyLayout::num_rows() const {
  return std::accumulate(codebook_sizes.begin(), codebook_sizes.end(), std::size_t{0});
}

ItemCodes::ItemCodes(const SemanticIds& sids, const std::vector<std::string>& names) : num_items_(sids.items.size()) {
  std::vector<const CodeFamily*> sources;
  for (const auto& name : names) {
    const CodeFamily* family = sids.find(name);
    if (family == nullptr) {
      std::vector<std::string> known;
      for (const auto& f : sids.families) known.push_back(f.name);
      throw InvalidArgument(fmt::format("there is no code family '{}' among the semantic IDs; they have: {}", name,
                                        fmt::join(known, ", ")));
    }
    sources.push_back(family);
    families_.push_back({name, family->codebook_sizes, stride_});
    stride_ += family->num_layers();
    std::uint32_t row = 0;
    for (const std::size_t k : family->codebook_sizes) {
      first_rows_.push_back(row);
      row += static_cast<std::uint32_t>(k);
    }
  }
  codes_ = base::Buffer<Code>(num_items_ * stride_);
  for (std::size_t f = 0; f < sources.size(); ++f) {
    for (std::size_t item = 0; item < num_items_; ++item) {
      std::ranges::copy(sources[f]->of(item), codes_.data() + item * stride_ + families_[f].first_column);
    }
  }
}

void ItemCodes::rows_of(std::size_t item, std::uint32_t* rows) const {
  rows_of({codes_.data() + item * stride_, stride_}, rows);
}

void ItemCodes::rows_of(std::span<const Code> codes, std::uint32_t* rows) const {
  for (std::size_t c = 0; c < stride_; ++c) rows[c] = codes[c] == kNoCode ? kNoRow : first_rows_[c] + codes[c];
}

void ItemCodes::permute_items(std::uint64_t seed) {
  std::vector<std::uint32_t> source(num_items_);
  std::iota(source.begin(), source.end(), 0u);
  base::Random random(seed);
  for (std::size_t i = num_items_; i > 1; --i) std::swap(source[i - 1], source[random.index(i)]);
  base::Buffer<Code> permuted(codes_.size());
  for (std::size_t item = 0; item < num_items_; ++item) {
    std::copy_n(codes_.data() + source[item] * stride_, stride_, permuted.data() + item * stride_);
  }
  codes_ = std::move(permuted);
}

}  // namespace neume::rank
