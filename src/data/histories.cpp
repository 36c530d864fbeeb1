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

/// Users [begin, end).
struct Histories::UserRange {
  std::size_t begin;
  std::size_t end;
};

Histories::Histories(const Interactions& log, std::size_t num_users, std::uint64_t seed)
    : offsets_(positives_per_user(log, num_users)),
      items_(log.items.policy()),
      times_(log.items.policy()),
      distinct_offsets_(1, 0),
      distinct_(log.items.policy()) {
  const std::size_t max_events = log.items.policy().max_in_memory;
  distinct_offsets_.reserve(num_users + 1);
  for (UserRange range{0, 0}; range.begin < num_users; range.begin = range.end) {
    range.end = range.begin + 1;  // a user is never cut
    while (range.end < num_users && offsets_[range.end + 1] - offsets_[range.begin] <= max_events) ++range.end;
    add_users(log, range, seed);
  }
}

void Histories::add_users(const Interactions& log, const UserRange& range, std::uint64_t seed) {
  const std::size_t first_event = offsets_[range.begin];
  std::vector<Event> events(offsets_[range.end] - first_event);
  if (events.empty()) {
    distinct_offsets_.insert(distinct_offsets_.end(), range.end - range.begin, distinct_.size());
    return;
  }
  std::vector<std::size_t> next(range.end - range.begin);
  for (std::size_t u = 0; u < next.size(); ++u) next[u] = offsets_[range.begin + u] - first_event;
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (log.has_labels() && log.labels[i] == 0) continue;
    if (log.users[i] < range.begin || log.users[i] >= range.end) continue;
    const std::uint32_t item = log.items[i];
    const auto hash = static_cast<std::int64_t>(base::derive_seed(seed, item) >> 1);
    events[next[log.users[i] - range.begin]++] = {log.has_time() ? log.timestamps[i] : hash, item};
  }
  const auto events_of = [&](std::size_t user) {
    return std::span(events).subspan(offsets_[user] - first_event, offsets_[user + 1] - offsets_[user]);
  };
  base::parallel_for(base::num_chunks(next.size(), kUsersPerTask), [&](std::size_t task) {
    const std::size_t end = std::min(range.end, range.begin + (task + 1) * kUsersPerTask);
    for (std::size_t u = range.begin + task * kUsersPerTask; u < end; ++u) {
      // Stable: events of one instant stay in file order.
      std::ranges::stable_sort(events_of(u), {}, &Event::key);
    }
  });
  for (const Event& event : events) {
    items_.push_back(event.item);
    if (log.has_time()) times_.push_back(event.key);
  }
  std::vector<std::uint32_t> distinct;
  for (std::size_t u = range.begin; u < range.end; ++u) {
    distinct.assign(items_.begin() + offsets_[u], items_.begin() + offsets_[u + 1]);
    std::ranges::sort(distinct);
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    distinct_.append(distinct);
    distinct_offsets_.push_back(distinct_.size());
  }
}

void Histories::append(const Query& query, std::size_t limit, std::vector<std::uint32_t>& out) const {
  if (query.user >= num_users()) return;
  const std::size_t begin = offsets_[query.user];
  std::size_t end = offsets_[query.user + 1];
  if (has_time() && query.time != kAnyTime) {
    const auto* times = times_.begin();
    end = static_cast<std::size_t>(std::lower_bound(times + begin, times + end, query.time) - times);
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
