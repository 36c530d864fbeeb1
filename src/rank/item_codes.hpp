#pragma once
// Semantic IDs as a ranker reads them: all families of an item side by side (one cache line an item), codes mapped to
// rows of the families' embedding tables.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "base/buffer.hpp"

namespace neume::rank {

/// One code family's embedding table: the layers' tables below each other.
struct FamilyLayout {
  std::string name;
  std::vector<std::size_t> codebook_sizes;
  std::size_t first_column = 0;  ///< where the family begins in an item's codes

  std::size_t num_layers() const { return codebook_sizes.size(); }
  std::size_t num_rows() const;
};

class ItemCodes {
 public:
  /// No families: a model of item IDs alone.
  explicit ItemCodes(std::size_t num_items) : num_items_(num_items) {}

  /// The families `names` of `sids`. Throws InvalidArgument for a name that is not there.
  ItemCodes(const SemanticIds& sids, const std::vector<std::string>& names);

  std::size_t num_items() const { return num_items_; }
  const std::vector<FamilyLayout>& families() const { return families_; }

  /// Asks for the item's codes ahead of their use.
  void prefetch(std::size_t item) const { __builtin_prefetch(codes_.data() + item * stride_); }

  /// Codes of an item over all families.
  std::size_t stride() const { return stride_; }

  /// Marks the rows of a family that an item has no codes in.
  static constexpr std::uint32_t kNoRow = 0xFFFFFFFF;

  /// Writes the item's table rows in every family, side by side (stride() values).
  void rows_of(std::size_t item, std::uint32_t* rows) const;

  /// The same for codes that stand as an item's do: all families side by side, each within its codebook or kNoCode.
  void rows_of(std::span<const Code> codes, std::uint32_t* rows) const;

  /// Gives every item the codes of another one, drawn by a seeded permutation: the control that shows whether content
  /// helps, with everything else (number of codes, their sizes) as it was.
  void permute_items(std::uint64_t seed);

 private:
  std::size_t num_items_ = 0;
  std::size_t stride_ = 0;
  std::vector<FamilyLayout> families_;
  std::vector<std::uint32_t> first_rows_;  // stride: where a column's layer begins in its family's table
  base::Buffer<Code> codes_;               // num_items x stride; read at random, so on huge pages
};

}  // namespace neume::rank
