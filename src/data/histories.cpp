#include "data/histories.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "base/parallel.hpp"
#include "base/random.hpp"

namespace neume::data {

namespace {

constexpr std::size_t kUsersPerTask = 4096;

/// One positive while a user's list is put in order.
struct Event {
  std::int64_t key;  ///< time, or a hash of the item
  std::uint32_t item;
};

std::vector<std::size_t> positives_per_user(const Interactions& log, std::size_t num_users) {
  std::vector<std::size_t> offsets(num_users + 1, 0);
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (!log.has_labels() || log.labels[i] != 0) ++offsets[log.users[i] + 1];
  }
  for (std::size_t u = 0; u < num_users; ++u) offsets[u + 1] += offsets[u];
  return offsets;
}

}  // namespace

Histories::Histories(const Interactions& log, std::size_t num_users, std::uint64_t seed)
    : offsets_(positives_per_user(log, num_users)) {
  std::vector<Event> events(offsets_.back());
  std::vector<std::size_t> next(offsets_.begin(), offsets_.end() - 1);
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (log.has_labels() && log.labels[i] == 0) continue;
    const std::uint32_t item = log.items[i];
    const auto hash = static_cast<std::int64_t>(base::derive_seed(seed, item) >> 1);
    events[next[log.users[i]]++] = {log.has_time() ? log.timestamps[i] : hash, item};
  }
  items_.resize(events.size());
  if (log.has_time()) times_.resize(events.size());
  base::parallel_for(base::num_chunks(num_users, kUsersPerTask), [&](std::size_t task) {
    const std::size_t end = std::min(num_users, (task + 1) * kUsersPerTask);
    for (std::size_t u = task * kUsersPerTask; u < end; ++u) {
      const auto first = events.begin() + static_cast<std::ptrdiff_t>(offsets_[u]);
      const auto last = events.begin() + static_cast<std::ptrdiff_t>(offsets_[u + 1]);
      // Stable: events of one instant stay in file order.
      std::stable_sort(first, last, [](const Event& a, const Event& b) { return a.key < b.key; });
    }
  });
  for (std::size_t i = 0; i < events.size(); ++i) {
    items_[i] = events[i].item;
    if (log.has_time()) times_[i] = events[i].key;
  }
  distinct_offsets_.assign(1, 0);
  distinct_.reserve(items_.size());
  for (std::size_t u = 0; u < num_users; ++u) {
    const auto begin = static_cast<std::ptrdiff_t>(distinct_.size());
    distinct_.insert(distinct_.end(), items_.begin() + static_cast<std::ptrdiff_t>(offsets_[u]),
                     items_.begin() + static_cast<std::ptrdiff_t>(offsets_[u + 1]));
    std::sort(distinct_.begin() + begin, distinct_.end());
    distinct_.erase(std::unique(distinct_.begin() + begin, distinct_.end()), distinct_.end());
    distinct_offsets_.push_back(distinct_.size());
  }
}

void Histories::append(const Query& query, std::size_t limit, std::vector<std::uint32_t>& out) const {
  if (query.user >= num_users()) return;
  const std::size_t begin = offsets_[query.user];
  std::size_t end = offsets_[query.user + 1];
  if (has_time() && query.time != kAnyTime) {
    const auto times = times_.begin();
    end = static_cast<std::size_t>(std::lower_bound(times + static_cast<std::ptrdiff_t>(begin),
                                                    times + static_cast<std::ptrdiff_t>(end), query.time) -
                                   times);
  }
  const bool hides = query.hide_one && end > begin;
  const std::size_t hidden =
      hides ? begin + base::derive_seed(query.user, query.target) % (end - begin) : offsets_.back();
  const std::size_t first = out.size();
  for (std::size_t i = end; i > begin && out.size() - first < limit; --i) {
    if (items_[i - 1] != query.target && i - 1 != hidden) out.push_back(items_[i - 1]);
  }
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

std::span<const std::uint32_t> Histories::positives(std::uint32_t user) const {
  if (user >= num_users()) return {};
  return {distinct_.data() + distinct_offsets_[user], distinct_offsets_[user + 1] - distinct_offsets_[user]};
}

bool Histories::is_positive(std::uint32_t user, std::uint32_t item) const {
  const auto items = positives(user);
  return std::binary_search(items.begin(), items.end(), item);
}

}  // namespace neume::data
