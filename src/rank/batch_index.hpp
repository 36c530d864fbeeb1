#pragma once
// A batch as table look-ups in every source that a network reads, built in parts that can run beside another batch's
// training.

#include <cstddef>
#include <vector>

#include "nn/lookups.hpp"
#include "rank/batch.hpp"
#include "rank/item_codes.hpp"

namespace neume::rank {

class BatchIndex {
 public:
  /// Which sources the histories and the targets are looked up in.
  struct Sources {
    std::vector<Source> histories;
    std::vector<Source> targets;
  };
  /// `codes` must outlive the index.
  BatchIndex(const ItemCodes& codes, Sources sources);

  /// First part, on one thread: the distinct items ("slots") of the batch, which must stay as it is until the last
  /// part, in blocks of `block_size` samples.
  void collect_items(const Batch& batch, std::size_t block_size);

  /// Second part: look-ups of one source each. Tasks 0 .. num_tasks() - 1 in any order, on any threads.
  std::size_t num_tasks() const { return histories_.size() + targets_.size(); }
  void run_task(std::size_t task);

  const BatchSlots& slots() const { return slots_; }
  const nn::Lookups& history(std::size_t i) const { return histories_[i]; }
  const nn::Lookups& targets(std::size_t i) const { return targets_[i]; }

 private:
  const ItemCodes* codes_;
  Sources sources_;
  const Batch* batch_ = nullptr;
  BatchSlots slots_;
  std::vector<nn::Lookups> histories_;
  std::vector<nn::Lookups> targets_;
};

}  // namespace neume::rank
