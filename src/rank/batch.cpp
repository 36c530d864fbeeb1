#include "rank/batch.hpp"

#include <bit>

namespace neume::rank {

namespace {

constexpr std::size_t kPrefetchAhead = 16;
constexpr std::uint32_t kShared = 0xFFFFFFFF;  // a block's number for slots of several

std::size_t layers_of(const ItemCodes& codes, Source source) {
  return source.is_items() ? 1 : codes.families()[source.family].num_layers();
}

std::size_t rows_of_table(const BatchSlots& slots, const ItemCodes& codes, Source source) {
  return source.is_items() ? slots.items().size() : codes.families()[source.family].num_rows();
}

/// Appends look-ups to arrays that have room for all of them.
class LookupWriter {
 public:
  LookupWriter(const BatchSlots& slots, const ItemCodes& codes, Source source, nn::Lookups& lookups)
      : slots_(slots),
        source_(source),
        first_column_(source.is_items() ? 0 : codes.families()[source.family].first_column),
        num_rows_(rows_of_table(slots, codes, source)),
        lookups_(lookups) {
    lookups.clear(layers_of(codes, source));
  }

  void reserve(std::size_t samples, std::size_t occurrences) {
    lookups_.offsets.reserve(samples + 1);
    lookups_.rows.resize(occurrences * lookups_.layers);
    lookups_.samples.resize(occurrences);
  }

  /// Adds a look-up unless the item has no code in the family.
  void add(std::uint32_t sample, std::uint32_t slot) {
    std::uint32_t* rows = lookups_.rows.data() + count_ * lookups_.layers;
    if (source_.is_items()) {
      *rows = slot;
    } else {
      const std::uint32_t* from = slots_.rows(slot) + first_column_;
      if (*from == ItemCodes::kNoRow) return;
      for (std::size_t l = 0; l < lookups_.layers; ++l) rows[l] = from[l];
    }
    lookups_.samples[count_++] = sample;
  }

  void end_sample() { lookups_.offsets.push_back(static_cast<std::uint32_t>(count_)); }

  void finish() {
    lookups_.rows.resize(count_ * lookups_.layers);
    lookups_.samples.resize(count_);
    lookups_.group_by_row(num_rows_);
  }

 private:
  const BatchSlots& slots_;
  Source source_;
  std::size_t first_column_;
  std::size_t num_rows_;
  nn::Lookups& lookups_;
  std::size_t count_ = 0;
};

}  // namespace

void BatchSlots::build(const Batch& batch, const ItemCodes& codes, std::size_t block_size) {
  items_.clear();
  block_of_slot_.clear();
  const std::size_t most = batch.targets.size() + batch.history.size();
  hash_bits_ = static_cast<std::size_t>(std::bit_width(2 * most + 1));
  hash_.assign(std::size_t{1} << hash_bits_, 0);
  target_slots_.resize(batch.targets.size());
  history_slots_.resize(batch.history.size());
  for (std::size_t s = 0; s < batch.size(); ++s) {
    const auto block = static_cast<std::uint32_t>(s / block_size);
    for (std::size_t i = batch.history_offsets[s]; i < batch.history_offsets[s + 1]; ++i) {
      history_slots_[i] = slot_of(batch.history[i], block, codes);
    }
    target_slots_[s] = slot_of(batch.targets[s], block, codes);
  }
  order_by_block((batch.size() + block_size - 1) / block_size);
  row_stride_ = codes.stride();
  rows_.resize(items_.size() * row_stride_);
}

void BatchSlots::order_by_block(std::size_t num_blocks) {
  const auto kind_of = [](std::uint32_t block) { return block == kShared ? 0 : block + 1; };
  std::vector<std::uint32_t> next(num_blocks + 2, 0);  // by kind: where its next slot goes
  for (const std::uint32_t block : block_of_slot_) ++next[kind_of(block) + 1];
  for (std::size_t kind = 1; kind < next.size(); ++kind) next[kind] += next[kind - 1];
  first_of_block_.assign(next.begin() + 1, next.end());
  std::vector<std::uint32_t> new_slot(items_.size()), items(items_.size());
  for (std::size_t slot = 0; slot < items_.size(); ++slot) {
    new_slot[slot] = next[kind_of(block_of_slot_[slot])]++;
    items[new_slot[slot]] = items_[slot];
  }
  items_ = std::move(items);
  for (std::uint32_t& slot : history_slots_) slot = new_slot[slot];
  for (std::uint32_t& slot : target_slots_) slot = new_slot[slot];
}

void BatchSlots::fill_rows(const ItemCodes& codes, std::size_t begin, std::size_t end) {
  for (std::size_t slot = begin; slot < end; ++slot) {
    if (slot + kPrefetchAhead < end) codes.prefetch(items_[slot + kPrefetchAhead]);
    codes.rows_of(items_[slot], rows_.data() + slot * row_stride_);
  }
}

std::uint32_t BatchSlots::slot_of(std::uint32_t item, std::uint32_t block, const ItemCodes& codes) {
  const std::uint64_t key = std::uint64_t{item} + 1;
  const std::size_t mask = hash_.size() - 1;
  std::size_t at = (key * 0x9E3779B97F4A7C15ULL) >> (64 - hash_bits_);
  while (hash_[at] != 0 && hash_[at] >> 32 != key) at = (at + 1) & mask;
  if (hash_[at] == 0) {
    hash_[at] = key << 32 | items_.size();
    items_.push_back(item);
    block_of_slot_.push_back(block);
    codes.prefetch(item);  // for fill_rows()
  }
  const auto slot = static_cast<std::uint32_t>(hash_[at]);
  if (block_of_slot_[slot] != block) block_of_slot_[slot] = kShared;
  return slot;
}

void build_history_lookups(const Batch& batch, const BatchSlots& slots, const ItemCodes& codes, Source source,
                           nn::Lookups& lookups) {
  LookupWriter writer(slots, codes, source, lookups);
  writer.reserve(batch.size(), batch.history.size());
  for (std::uint32_t s = 0; s < batch.size(); ++s) {
    for (std::size_t i = batch.history_offsets[s]; i < batch.history_offsets[s + 1]; ++i) {
      writer.add(s, slots.history_slots()[i]);
    }
    writer.end_sample();
  }
  writer.finish();
}

void build_target_lookups(const Batch& batch, const BatchSlots& slots, const ItemCodes& codes, Source source,
                          nn::Lookups& lookups) {
  LookupWriter writer(slots, codes, source, lookups);
  writer.reserve(batch.size(), batch.size());
  for (std::uint32_t s = 0; s < batch.size(); ++s) {
    writer.add(s, slots.target_slots()[s]);
    writer.end_sample();
  }
  writer.finish();
}

}  // namespace neume::rank
