#include "rank/samples.hpp"

#include <fmt/format.h>

#include <span>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::rank {

Samples::Samples(const data::Interactions& log, const data::Histories& histories, const SamplingOptions& options)
    : log_(log), histories_(histories), options_(options) {
  if (options_.features == nullptr) return;
  const data::InputCounts counts = options_.features->log_inputs();
  if (log.categories.size() != counts.categories * log.size() || log.numbers.size() != counts.numbers * log.size()) {
    throw InvalidArgument("the log was read without the ranker's features; read it with them (LogReading::features)");
  }
}

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
  if (options_.features != nullptr) append_features(row, target, batch);
  const bool known = log_.users[row] < histories_.num_users();
  batch.add(target, positive ? 1.0f : 0.0f, known ? log_.users[row] : Batch::kNoUser);
}

void Samples::append_features(std::size_t row, std::uint32_t target, Batch& batch) const {
  const data::InputCounts counts = options_.features->log_inputs();
  const auto categories = std::span(log_.categories).subspan(row * counts.categories, counts.categories);
  const auto numbers = std::span(log_.numbers).subspan(row * counts.numbers, counts.numbers);
  batch.categories.insert(batch.categories.end(), categories.begin(), categories.end());
  batch.numbers.insert(batch.numbers.end(), numbers.begin(), numbers.end());
  options_.features->append_item(target, batch.categories, batch.numbers);
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
