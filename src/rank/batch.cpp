#include "rank/batch.hpp"

#include <bit>

namespace neume::rank {

namespace {

constexpr std::size_t kPrefetchAhead = 16;  // an item's codes are a random cache line of a large array

std::size_t layers_of(const ItemCodes& codes, Source source) {
  return source.is_items() ? 1 : codes.families()[source.family].num_layers();
}

std::size_t rows_of_table(const BatchSlots& slots, const ItemCodes& codes, Source source) {
  return source.is_items() ? slots.items().size() : codes.families()[source.family].num_rows();
}

/// Appends look-ups to arrays that have room for all of them.
class LookupWriter {
 public:
  LookupWriter(const ItemCodes& codes, Source source, std::size_t capacity, nn::Lookups& lookups)
      : codes_(codes), source_(source), lookups_(lookups) {
    lookups.clear(layers_of(codes, source));
    lookups.rows.resize(capacity * lookups.layers);
    lookups.samples.resize(capacity);
  }

  void prefetch(std::uint32_t item) const {
    if (!source_.is_items()) codes_.prefetch(item);
  }

  /// Adds a look-up unless the item has no code in the family.
  void add(std::uint32_t sample, std::uint32_t item, std::uint32_t slot) {
    std::uint32_t* rows = lookups_.rows.data() + count_ * lookups_.layers;
    if (source_.is_items()) {
      *rows = slot;
    } else if (codes_.has(source_.family, item)) {
      codes_.rows_of(source_.family, item, rows);
    } else {
      return;
    }
    lookups_.samples[count_++] = sample;
  }

  void end_sample() { lookups_.offsets.push_back(static_cast<std::uint32_t>(count_)); }

  void finish(std::size_t num_rows) {
    lookups_.rows.resize(count_ * lookups_.layers);
    lookups_.samples.resize(count_);
    lookups_.group_by_row(num_rows);
  }

 private:
  const ItemCodes& codes_;
  Source source_;
  nn::Lookups& lookups_;
  std::size_t count_ = 0;
};

}  // namespace

void BatchSlots::build(const Batch& batch) {
  items_.clear();
  const std::size_t most = batch.targets.size() + batch.history.size();
  hash_bits_ = static_cast<std::size_t>(std::bit_width(2 * most + 1));
  hash_.assign(std::size_t{1} << hash_bits_, 0);
  target_slots_.resize(batch.targets.size());
  history_slots_.resize(batch.history.size());
  for (std::size_t i = 0; i < batch.history.size(); ++i) history_slots_[i] = slot_of(batch.history[i]);
  for (std::size_t i = 0; i < batch.targets.size(); ++i) target_slots_[i] = slot_of(batch.targets[i]);
}

std::uint32_t BatchSlots::slot_of(std::uint32_t item) {
  const std::uint64_t key = std::uint64_t{item} + 1;
  const std::size_t mask = hash_.size() - 1;
  std::size_t at = (key * 0x9E3779B97F4A7C15ULL) >> (64 - hash_bits_);
  while (hash_[at] != 0 && hash_[at] >> 32 != key) at = (at + 1) & mask;
  if (hash_[at] == 0) {
    hash_[at] = key << 32 | items_.size();
    items_.push_back(item);
  }
  return static_cast<std::uint32_t>(hash_[at]);
}

void build_history_lookups(const Batch& batch, const BatchSlots& slots, const ItemCodes& codes, Source source,
                           nn::Lookups& lookups) {
  LookupWriter writer(codes, source, batch.history.size(), lookups);
  for (std::uint32_t s = 0; s < batch.size(); ++s) {
    for (std::size_t i = batch.history_offsets[s]; i < batch.history_offsets[s + 1]; ++i) {
      if (i + kPrefetchAhead < batch.history.size()) writer.prefetch(batch.history[i + kPrefetchAhead]);
      writer.add(s, batch.history[i], slots.history_slots()[i]);
    }
    writer.end_sample();
  }
  writer.finish(rows_of_table(slots, codes, source));
}

void build_target_lookups(const Batch& batch, const BatchSlots& slots, const ItemCodes& codes, Source source,
                          nn::Lookups& lookups) {
  LookupWriter writer(codes, source, batch.size(), lookups);
  for (std::uint32_t s = 0; s < batch.size(); ++s) {
    if (s + kPrefetchAhead < batch.size()) writer.prefetch(batch.targets[s + kPrefetchAhead]);
    writer.add(s, batch.targets[s], slots.target_slots()[s]);
    writer.end_sample();
  }
  writer.finish(rows_of_table(slots, codes, source));
}

}  // namespace neume::rank
