#pragma once
// A batch of samples, and the index that turns it into table look-ups.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nn/lookups.hpp"
#include "nn/row_range.hpp"
#include "rank/item_codes.hpp"

namespace neume::rank {

/// Samples to score or to learn from: a user, a target item and the listener's history, as rows of the users and items,
/// and the values of the declared features (data/features.hpp).
struct Batch {
  static constexpr std::uint32_t kNoUser = 0xFFFFFFFF;  ///< a user that training has not seen

  std::vector<std::uint32_t> targets;
  std::vector<float> labels;                   ///< 0 or 1, one a sample; may be empty when scoring
  std::vector<std::uint32_t> users;            ///< one a sample, or kNoUser
  std::vector<std::uint32_t> history_offsets;  ///< size() + 1
  std::vector<std::uint32_t> history;
  std::vector<std::uint32_t> categories;  ///< size() x number of categorical features: rows of their tables
  std::vector<float> numbers;             ///< size() x number of numeric inputs

  std::size_t size() const { return targets.size(); }
  void clear() {
    targets.clear();
    labels.clear();
    users.clear();
    history_offsets.assign(1, 0);
    history.clear();
    categories.clear();
    numbers.clear();
  }
  /// Ends a sample whose history items (and features, where there are any) were just appended.
  void add(std::uint32_t target, float label, std::uint32_t user = kNoUser) {
    targets.push_back(target);
    labels.push_back(label);
    users.push_back(user);
    history_offsets.push_back(static_cast<std::uint32_t>(history.size()));
  }
};

/// Where look-ups go: a code family by number, or the item table.
struct Source {
  static constexpr std::size_t kItems = ~std::size_t{0};
  std::size_t family = kItems;

  bool is_items() const { return family == kItems; }
  bool operator==(const Source&) const = default;
};

/// The distinct items of a batch ("slots"), slot numbers instead of items, and the table rows of every slot's codes: an
/// item's codes are a random cache line of a large array, so they are fetched once a batch.
///
/// Blocks of samples are worked on one after the other: slots of items that several blocks read come first, then those
/// that one block alone reads, block by block; each kind in order of first appearance.
class BatchSlots {
 public:
  /// Slots only; fill_rows() must follow for every slot. Sample s is in block s / block_size.
  void build(const Batch& batch, const ItemCodes& codes, std::size_t block_size);

  /// Table rows of slots [begin, end). Ranges may be filled by different threads.
  void fill_rows(const ItemCodes& codes, std::size_t begin, std::size_t end);

  const std::vector<std::uint32_t>& items() const { return items_; }
  std::size_t num_blocks() const { return first_of_block_.size() - 1; }
  /// The slots that several blocks read.
  nn::RowRange shared() const { return {0, first_of_block_[0]}; }
  /// The slots that block `block` alone reads.
  nn::RowRange of_block(std::size_t block) const { return {first_of_block_[block], first_of_block_[block + 1]}; }

  const std::vector<std::uint32_t>& target_slots() const { return target_slots_; }
  const std::vector<std::uint32_t>& history_slots() const { return history_slots_; }

  /// Rows of all families of a slot, side by side; ItemCodes::kNoRow where the item lacks a family.
  const std::uint32_t* rows(std::size_t slot) const { return rows_.data() + slot * row_stride_; }

 private:
  std::uint32_t slot_of(std::uint32_t item, std::uint32_t block, const ItemCodes& codes);
  void order_by_block(std::size_t num_blocks);

  std::vector<std::uint32_t> items_;
  std::vector<std::uint32_t> first_of_block_ = {0};  // num_blocks() + 1
  std::vector<std::uint32_t> target_slots_;
  std::vector<std::uint32_t> history_slots_;
  std::vector<std::uint64_t> hash_;  // open addressing: item + 1 in the high half, slot in the low half; 0 = free
  std::size_t hash_bits_ = 0;
  std::vector<std::uint32_t> block_of_slot_;  // kShared for several
  std::vector<std::uint32_t> rows_;
  std::size_t row_stride_ = 0;
};

/// History look-ups of a source: an item without codes in the family is left out.
void build_history_lookups(const Batch& batch, const BatchSlots& slots, const ItemCodes& codes, Source source,
                           nn::Lookups& lookups);

/// Target look-ups of a source: at most one a sample.
void build_target_lookups(const Batch& batch, const BatchSlots& slots, const ItemCodes& codes, Source source,
                          nn::Lookups& lookups);

}  // namespace neume::rank
