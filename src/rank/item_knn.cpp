#include "rank/item_knn.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/parallel.hpp"
#include "rank/popularity.hpp"

namespace neume::rank {

namespace {

constexpr std::size_t kItemChunk = 1024;  // rows a task, each with a counter an item

using Neighbour = CoListening::Neighbour;

/// Users of every item, ascending.
struct InvertedIndex {
  InvertedIndex(const data::Histories& histories, std::span<const std::uint32_t> listeners)
      : offsets(listeners.size() + 1, 0) {
    for (std::size_t i = 0; i < listeners.size(); ++i) offsets[i + 1] = offsets[i] + listeners[i];
    users.resize(offsets.back());
    std::vector<std::size_t> next(offsets.begin(), offsets.end() - 1);
    for (std::uint32_t user = 0; user < histories.num_users(); ++user) {
      for (const std::uint32_t item : histories.positives(user)) users[next[item]++] = user;
    }
  }

  std::span<const std::uint32_t> of(std::size_t item) const {
    return {users.data() + offsets[item], offsets[item + 1] - offsets[item]};
  }

  std::vector<std::size_t> offsets;
  std::vector<std::uint32_t> users;
};

std::size_t bound_of_pairs(const data::Histories& histories) {
  std::size_t pairs = 0;
  for (std::uint32_t user = 0; user < histories.num_users(); ++user) {
    const std::size_t size = histories.positives(user).size();
    pairs += size * size;
  }
  return pairs;
}

/// Counts one item's co-listening at a time; `counts_` is all zero between two items.
class RowCounter {
 public:
  RowCounter(const data::Histories& histories, const InvertedIndex& index, std::size_t num_items)
      : histories_(histories), index_(index), counts_(num_items, 0) {}

  /// Neighbours of `item` in ascending order.
  std::vector<Neighbour> row(std::uint32_t item) {
    std::vector<Neighbour> neighbours;
    for (const std::uint32_t user : index_.of(item)) {
      for (const std::uint32_t other : histories_.positives(user)) {
        if (other != item && counts_[other]++ == 0) neighbours.push_back({other, 0});
      }
    }
    for (Neighbour& n : neighbours) n.users = std::exchange(counts_[n.item], 0);
    std::ranges::sort(neighbours, {}, &Neighbour::item);
    return neighbours;
  }

 private:
  const data::Histories& histories_;
  const InvertedIndex& index_;
  std::vector<std::uint32_t> counts_;
};

/// Keeps the `most` neighbours of the largest co(i, j)^2 / n_j: the order of the cosines within a row.
void keep_nearest(std::vector<Neighbour>& row, std::size_t most, std::span<const std::uint32_t> listeners) {
  if (row.size() <= most) return;
  const auto nearer = [&](const Neighbour& a, const Neighbour& b) {
    const double left = static_cast<double>(a.users) * a.users * listeners[b.item];
    const double right = static_cast<double>(b.users) * b.users * listeners[a.item];
    return left != right ? left > right : a.item < b.item;
  };
  std::nth_element(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(most), row.end(), nearer);
  row.resize(most);
  std::ranges::sort(row, {}, &Neighbour::item);
}

}  // namespace

CoListening::CoListening(const data::Histories& histories, std::size_t num_items, const Limits& limits)
    : listeners_(count_listeners(histories, num_items)), offsets_(num_items + 1, 0) {
  const InvertedIndex index(histories, listeners_);
  const bool limited = bound_of_pairs(histories) > limits.max_pairs;
  std::vector<std::vector<Neighbour>> chunks(base::num_chunks(num_items, kItemChunk));
  base::parallel_for(chunks.size(), [&](std::size_t chunk) {
    RowCounter counter(histories, index, num_items);
    const std::size_t end = std::min(num_items, (chunk + 1) * kItemChunk);
    for (std::size_t item = chunk * kItemChunk; item < end; ++item) {
      auto row = counter.row(static_cast<std::uint32_t>(item));
      if (limited) keep_nearest(row, limits.max_neighbours, listeners_);
      offsets_[item + 1] = row.size();
      chunks[chunk].insert(chunks[chunk].end(), row.begin(), row.end());
    }
  });
  for (std::size_t item = 0; item < num_items; ++item) offsets_[item + 1] += offsets_[item];
  neighbours_.reserve(offsets_.back());
  for (auto& chunk : chunks) {
    neighbours_.insert(neighbours_.end(), chunk.begin(), chunk.end());
    chunk = {};
  }
}

ItemKnn::ItemKnn(const data::Histories& histories, std::size_t num_items, std::size_t max_batch,
                 const CoListening::Limits& limits)
    : CountingModel(max_batch), histories_(histories), co_listening_(histories, num_items, limits) {}

float ItemKnn::raw_score(const Batch& batch, std::size_t s, bool held_out) const {
  const std::uint32_t item = batch.targets[s];
  const auto liked = histories_.positives(batch.users[s]);
  const bool takes_out = held_out && std::ranges::binary_search(liked, item);
  const std::uint32_t own = takes_out ? 1 : 0;
  const std::uint32_t listeners = co_listening_.listeners(item) - own;
  if (listeners == 0) return 0.0f;
  const auto row = co_listening_.neighbours(item);
  auto from = row.begin();
  double sum = 0.0;
  for (const std::uint32_t other : liked) {
    from = std::lower_bound(from, row.end(), other, [](const Neighbour& n, std::uint32_t id) { return n.item < id; });
    if (from == row.end()) break;
    if (from->item != other) continue;
    sum += (from->users - own) / std::sqrt(static_cast<double>(co_listening_.listeners(other)));
  }
  return static_cast<float>(sum / std::sqrt(static_cast<double>(listeners)));
}

}  // namespace neume::rank
