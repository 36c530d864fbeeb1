#pragma once
// Groups of items that agree in some codes: what every figure about shared codes and prefixes counts over.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <neume/semantic_ids.hpp>

namespace neume::eval {

/// Rows listed group by group: the rows of group g are rows[offsets[g] .. offsets[g + 1]), ascending.
struct GroupedRows {
  std::vector<std::uint32_t> rows;
  std::vector<std::size_t> offsets;  ///< number of groups + 1

  std::size_t num_groups() const { return offsets.size() - 1; }
  std::span<const std::uint32_t> of(std::size_t group) const {
    return std::span(rows).subspan(offsets[group], offsets[group + 1] - offsets[group]);
  }
};

/// A partition of rows 0 .. rows - 1 into groups 0 .. num_groups() - 1: rows in one group agree in everything refined
/// by so far. At first all rows are in one group. 4 bytes a row, and 16 more while it is refined.
class Partition {
 public:
  explicit Partition(std::size_t rows) : group_of_(rows, 0), num_groups_(rows == 0 ? 0 : 1) {}

  /// Splits every group by `value(row)`. New groups are numbered in the order of (old group, value), so two values that
  /// split in the same way give the same partition. O(n log n).
  void refine(const std::function<std::uint32_t(std::uint32_t)>& value);

  std::size_t num_groups() const { return num_groups_; }
  std::span<const std::uint32_t> group_of() const { return group_of_; }

  /// Rows in each group; every one is at least 1.
  std::vector<std::size_t> sizes() const;

  /// O(n).
  GroupedRows grouped() const;

 private:
  std::vector<std::uint32_t> group_of_;
  std::size_t num_groups_;
};

/// -sum_g n_g/n ln(n_g/n) in nats, n = sum of the counts; counts of 0 add nothing, no counts give 0.
double entropy_of_counts(std::span<const std::size_t> counts);

/// Items of the family that have a code, ascending.
std::vector<std::uint32_t> coded_items(const CodeFamily& family);

/// Throws InvalidArgument where the codes are not N x L with L >= 1, or a code lies outside its codebook.
void require_valid(const CodeFamily& family);

/// The same, and InvalidArgument where an entry of `items` is no item of the family, or an item without a code.
void require_coded(const CodeFamily& family, std::span<const std::uint32_t> items);

}  // namespace neume::eval
