#pragma once
// What a listener liked before: every user's positive interactions, and the part of them that a target may see.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/spill_vector.hpp"
#include "data/interactions.hpp"

namespace neume::data {

/// Positives of a log by user. With timestamps in time order; without, in a seeded order that depends on the items
/// alone (file order is often the order of item ids, which would leak into "the last T").
class Histories {
 public:
  static constexpr std::int64_t kAnyTime = std::numeric_limits<std::int64_t>::max();

  Histories() = default;

  /// Keeps the rows of `log` with label 1 (all rows where it has none), in memory or on disk by the log's own policy:
  /// users are then worked through in ranges whose positives are as many as the policy lets stay in memory, each with a
  /// pass over the log. The result does not depend on the policy. Memory: 16 bytes a user, 16 a positive of a range.
  Histories(const Interactions& log, std::size_t num_users, std::uint64_t seed);

  /// A target that asks for its history.
  struct Query {
    std::uint32_t user = 0;
    std::uint32_t target = 0;
    std::int64_t time = kAnyTime;  ///< only positives strictly before this
    /// Leave out one more positive, chosen by hash: given to training negatives of a log without time, whose history
    /// would otherwise be longer by the one item that a positive target leaves out, and so give the label away.
    bool hide_one = false;
  };

  /// Appends the last `limit` positives that `query` may see, oldest first; never the target itself.
  void append(const Query& query, std::size_t limit, std::vector<std::uint32_t>& out) const;

  /// Whether the user has `item` among the positives, at any time.
  bool is_positive(std::uint32_t user, std::uint32_t item) const;

  /// Distinct positives of a user, ascending.
  std::span<const std::uint32_t> positives(std::uint32_t user) const;

  std::size_t num_users() const { return offsets_.empty() ? 0 : offsets_.size() - 1; }
  bool has_time() const { return !times_.empty(); }

 private:
  struct UserRange;
  void add_users(const Interactions& log, const UserRange& range, std::uint64_t seed);

  std::vector<std::size_t> offsets_;        // users + 1
  base::SpillVector<std::uint32_t> items_;  // by user, in history order
  base::SpillVector<std::int64_t> times_;   // one an item, or empty
  std::vector<std::size_t> distinct_offsets_;
  base::SpillVector<std::uint32_t> distinct_;  // by user, ascending
};

}  // namespace neume::data
