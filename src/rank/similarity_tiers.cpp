#include "rank/similarity_tiers.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "rank/dot.hpp"

namespace neume::rank {

namespace {

constexpr std::size_t kItemChunk = 1024;  // items a task

std::vector<float> inverse_norms_of(const ContentBlock& block) {
  std::vector<float> inverse(block.rows.rows(), 0.0f);
  base::parallel_for(base::num_chunks(inverse.size(), kItemChunk), [&](std::size_t chunk) {
    const std::size_t end = std::min(inverse.size(), (chunk + 1) * kItemChunk);
    for (std::size_t item = chunk * kItemChunk; item < end; ++item) {
      const float* row = block.rows.row(item).data();
      const float square = dot(row, row, block.rows.cols());
      if (block.present[item] != 0 && square > 0.0f) inverse[item] = 1.0f / std::sqrt(square);
    }
  });
  return inverse;
}

}  // namespace

SimilarityTiers::SimilarityTiers(const Content& content, const Shape& shape) : content_(content), shape_(shape) {
  for (const auto& block : content.blocks) inverse_norms_.push_back(inverse_norms_of(block));
}

void SimilarityTiers::write(const Batch& batch, nn::RowRange range, nn::Strided<float> out) const {
  for (std::size_t s = range.begin; s < range.end; ++s) {
    std::fill_n(out.row(s), columns(), 0.0f);
    for (std::size_t m = 0; m < content_.blocks.size(); ++m) add_sample(batch, s, m, out.row(s) + m * shape_.tiers);
  }
}

void SimilarityTiers::add_sample(const Batch& batch, std::size_t sample, std::size_t modality, float* tiers) const {
  const Matrix& rows = content_.blocks[modality].rows;
  const std::vector<float>& inverse = inverse_norms_[modality];
  const std::uint32_t target = batch.targets[sample];
  if (inverse[target] == 0.0f) return;
  const float share = 1.0f / static_cast<float>(shape_.max_history);
  for (std::size_t j = batch.history_offsets[sample]; j < batch.history_offsets[sample + 1]; ++j) {
    const std::uint32_t item = batch.history[j];
    if (inverse[item] == 0.0f) continue;
    const float cosine =
        dot(rows.row(item).data(), rows.row(target).data(), rows.cols()) * inverse[item] * inverse[target];
    // Rounding can carry a cosine a little over 1 or under -1.
    const float place = std::max(0.0f, (cosine + 1.0f) / 2.0f * static_cast<float>(shape_.tiers));
    tiers[std::min(shape_.tiers - 1, static_cast<std::size_t>(place))] += share;
  }
}

}  // namespace neume::rank
