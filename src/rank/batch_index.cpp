#include "rank/batch_index.hpp"

namespace neume::rank {

BatchIndex::BatchIndex(const ItemCodes& codes, Sources sources)
    : codes_(&codes),
      sources_(std::move(sources)),
      histories_(sources_.histories.size()),
      targets_(sources_.targets.size()) {}

void BatchIndex::collect_items(const Batch& batch, std::size_t block_size) {
  batch_ = &batch;
  slots_.build(batch, *codes_, block_size);
  slots_.fill_rows(*codes_, 0, slots_.items().size());
}

void BatchIndex::run_task(std::size_t task) {
  if (task < histories_.size()) {
    build_history_lookups(*batch_, slots_, *codes_, sources_.histories[task], histories_[task]);
  } else {
    const std::size_t i = task - histories_.size();
    build_target_lookups(*batch_, slots_, *codes_, sources_.targets[i], targets_[i]);
  }
}

}  // namespace neume::rank
