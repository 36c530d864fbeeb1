#include "rank/samples.hpp"

#include <fmt/format.h>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::rank {

void Samples::append(std::size_t index, std::uint64_t epoch, Batch& batch) const {
  const std::size_t row = index / per_row();
  const bool sampled = index % per_row() != 0;
  const std::uint32_t target = sampled ? sample_negative(index, epoch) : log_.items[row];
  const bool positive = log_.has_labels() ? log_.labels[row] != 0 : !sampled;
  const bool timed = log_.has_time() && histories_.has_time();
  data::Histories::Query query{log_.users[row], target, timed ? log_.timestamps[row] : data::Histories::kAnyTime,
                               false};
  if (sampled) {
    query.target = log_.items[row];  // the history of the positive that this sample stands beside
  } else if (!positive && options_.training && !timed) {
    query.hide_one = true;
  }
  histories_.append(query, options_.history, batch.history);
  batch.add(target, positive ? 1.0f : 0.0f, log_.users[row]);
}

std::uint32_t Samples::sample_negative(std::size_t index, std::uint64_t epoch) const {
  const std::uint32_t user = log_.users[index / per_row()];
  const std::uint32_t own = log_.items[index / per_row()];
  const auto is_negative = [&](std::uint32_t item) { return item != own && !histories_.is_positive(user, item); };
  base::Random random(base::derive_seed(base::derive_seed(options_.seed, epoch), index));
  constexpr int kTries = 64;
  std::uint32_t item = 0;
  for (int i = 0; i < kTries; ++i) {
    item = static_cast<std::uint32_t>(random.index(options_.num_items));
    if (is_negative(item)) return item;
  }
  // A user who likes nearly everything: the next item, in a circle, that is left.
  for (std::size_t step = 1; step <= options_.num_items; ++step) {
    const auto next = static_cast<std::uint32_t>((item + step) % options_.num_items);
    if (is_negative(next)) return next;
  }
  throw DataError(
      fmt::format("row {} of the log (0-based): its user likes all {} items, so no negative can be sampled; give the "
                  "log a label column",
                  index / per_row(), options_.num_items));
}

}  // namespace neume::rank
