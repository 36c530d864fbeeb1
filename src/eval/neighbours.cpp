#include "eval/neighbours.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "eval/partition.hpp"
#include "kernels/matmul.hpp"

namespace neume::eval {

namespace {

// A block of products (256 KiB) stays in the second-level cache, beside the rows that it came from. A segment is what
// one thread searches for one block of queries before the lists of the segments are merged.
constexpr std::size_t kQueryBlock = 64;
constexpr std::size_t kRowBlock = 1024;
constexpr std::size_t kRowSegment = 128 * kRowBlock;

/// Above this, products of two rows could overflow in single precision.
constexpr double kLargestSquaredNorm = 1e37;

/// A row and its squared distance; sorted by distance, then row.
using Candidate = std::pair<double, std::uint32_t>;

double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    const double difference = double{a[j]} - b[j];
    sum += difference * difference;
  }
  return sum;
}

std::vector<double> squared_norms(ConstMatrixView rows) {
  std::vector<double> norms(rows.rows, 0.0);
  base::parallel_for(base::num_chunks(rows.rows, kRowBlock), [&](std::size_t chunk) {
    const std::size_t end = std::min(rows.rows, (chunk + 1) * kRowBlock);
    for (std::size_t i = chunk * kRowBlock; i < end; ++i) {
      for (const float x : rows.row(i)) norms[i] += double{x} * x;
      if (!(norms[i] <= kLargestSquaredNorm)) {
        throw InvalidArgument(fmt::format("row {}: expected finite values with a norm below {:.1e}, found norm {}", i,
                                          std::sqrt(kLargestSquaredNorm), std::sqrt(norms[i])));
      }
    }
  });
  return norms;
}

/// The nearest rows of one query so far, as a heap with the farthest on top.
class NearestList {
 public:
  explicit NearestList(std::size_t count) : count_(count) {}

  /// Squared distance from which on a row is too far.
  double limit() const { return heap_.size() < count_ ? std::numeric_limits<double>::infinity() : heap_.front().first; }

  void offer(Candidate candidate) {
    if (heap_.size() == count_) {
      if (!(candidate < heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.pop_back();
    }
    heap_.push_back(candidate);
    std::push_heap(heap_.begin(), heap_.end());
  }

  std::span<const Candidate> candidates() const { return heap_; }

 private:
  std::size_t count_;
  std::vector<Candidate> heap_;
};

/// What all blocks of a search share. Products in single precision say which rows are worth measuring: with p for q.x,
/// the squared distance is at least (|q|^2 + |x|^2)(1 - g) - 2p. Only measured rows count, so that the result is exact
/// and equal rows are equally far.
class Search {
 public:
  Search(ConstMatrixView rows, std::span<const std::uint32_t> queries, std::size_t count)
      : rows_(rows), queries_(queries), count_(count), lowered_norms_(squared_norms(rows)) {
    // A sum of d products, in any order, is off by at most |q| |x| d u / (1 - d u), u = 2^-24 (Higham 2002, section
    // 3.1), and |q| |x| <= (|q|^2 + |x|^2) / 2. Twice that for 2p, and twice again for all that is done in double.
    const double du = std::min(0.5, static_cast<double>(rows.cols) * 0x1.0p-24);
    for (double& norm : lowered_norms_) norm *= 1.0 - 2.0 * du / (1.0 - du);
    underflow_ = 4.0 * static_cast<double>(rows.cols) * double{std::numeric_limits<float>::min()};
  }

  /// Searches rows [begin, end) for the block of queries that starts at `first_query`.
  std::vector<NearestList> search(std::size_t first_query, std::size_t begin, std::size_t end) const {
    const std::size_t num_queries = std::min(kQueryBlock, queries_.size() - first_query);
    Matrix query_rows(kQueryBlock, rows_.cols), products(kQueryBlock, kRowBlock);
    for (std::size_t q = 0; q < num_queries; ++q)
      std::ranges::copy(rows_.row(queries_[first_query + q]), query_rows.row(q).begin());
    std::vector<NearestList> lists(num_queries, NearestList(count_));
    for (std::size_t row = begin; row < end; row += kRowBlock) {
      const std::size_t size = std::min(kRowBlock, end - row);
      kernels::matmul({kQueryBlock, size, rows_.cols}, {query_rows.data(), rows_.cols},
                      {rows_.row(row).data(), rows_.stride, true}, {products.data(), kRowBlock});
      for (std::size_t q = 0; q < num_queries; ++q)
        offer_rows(products.row(q).first(size), row, queries_[first_query + q], lists[q]);
    }
    return lists;
  }

 private:
  /// Measures the rows first_row, first_row + 1, ... that their products do not rule out.
  void offer_rows(std::span<const float> products, std::size_t first_row, std::uint32_t query,
                  NearestList& list) const {
    const double* norms = lowered_norms_.data() + first_row;
    double limit = list.limit() - lowered_norms_[query] + underflow_;
    for (std::size_t j = 0; j < products.size(); ++j) {
      if (norms[j] - 2.0 * double{products[j]} > limit) continue;
      const std::size_t row = first_row + j;
      if (row == query) continue;
      list.offer({squared_distance(rows_.row(query), rows_.row(row)), static_cast<std::uint32_t>(row)});
      limit = list.limit() - lowered_norms_[query] + underflow_;
    }
  }

  ConstMatrixView rows_;
  std::span<const std::uint32_t> queries_;
  std::size_t count_;
  std::vector<double> lowered_norms_;  ///< |x|^2 (1 - g)
  double underflow_ = 0.0;             ///< what products too small for a float may hide
};

void require_search(ConstMatrixView rows, std::span<const std::uint32_t> queries, std::size_t count) {
  for (const std::uint32_t query : queries) {
    if (query >= rows.rows) {
      throw InvalidArgument(fmt::format("query {} is no row: there are {} rows", query, rows.rows));
    }
  }
  if (!queries.empty() && (count == 0 || count >= rows.rows)) {
    throw InvalidArgument(
        fmt::format("{} neighbours of {} rows: expected at least 1 and fewer than there are rows", count, rows.rows));
  }
}

/// The share of pairs of different rows that a partition puts together.
double share_of_pairs(const Partition& partition) {
  const double n = static_cast<double>(partition.group_of().size());
  if (n < 2.0) return 0.0;
  double together = 0.0;
  for (const std::size_t size : partition.sizes()) {
    together += static_cast<double>(size) * static_cast<double>(size - 1);
  }
  return together / (n * (n - 1.0));
}

/// The share of pairs (query, neighbour) that a partition puts together.
double share_of_neighbours(const Partition& partition, const Neighbours& neighbours) {
  if (neighbours.items.empty()) return 0.0;
  std::size_t together = 0;
  for (std::size_t i = 0; i < neighbours.items.size(); ++i) {
    const std::uint32_t query = neighbours.queries[i / neighbours.count];
    together += partition.group_of()[query] == partition.group_of()[neighbours.items[i]] ? 1 : 0;
  }
  return static_cast<double>(together) / static_cast<double>(neighbours.items.size());
}

void require_rows_in_list(const Neighbours& neighbours, std::size_t rows) {
  if (neighbours.items.size() != neighbours.queries.size() * neighbours.count) {
    throw InvalidArgument(fmt::format("{} neighbours are not {} x {}", neighbours.items.size(),
                                      neighbours.queries.size(), neighbours.count));
  }
  const auto in_list = [&](std::uint32_t row) { return row < rows; };
  if (!std::ranges::all_of(neighbours.queries, in_list) || !std::ranges::all_of(neighbours.items, in_list)) {
    throw InvalidArgument(
        fmt::format("neighbours of another matrix: a row is not among the {} rows of the list of items", rows));
  }
}

}  // namespace

Neighbours nearest_neighbours(ConstMatrixView rows, std::span<const std::uint32_t> queries, std::size_t count) {
  require_search(rows, queries, count);
  Neighbours result{{queries.begin(), queries.end()}, count, {}};
  if (queries.empty()) return result;
  const Search search(rows, queries, count);
  const std::size_t segments = base::num_chunks(rows.rows, kRowSegment);
  std::vector<std::vector<NearestList>> parts(base::num_chunks(queries.size(), kQueryBlock) * segments);
  base::parallel_for(parts.size(), [&](std::size_t part) {
    const std::size_t begin = part % segments * kRowSegment;
    parts[part] = search.search(part / segments * kQueryBlock, begin, std::min(rows.rows, begin + kRowSegment));
  });
  std::vector<Candidate> merged;
  for (std::size_t q = 0; q < queries.size(); ++q) {
    merged.clear();
    for (std::size_t s = 0; s < segments; ++s) {
      const auto list = parts[q / kQueryBlock * segments + s][q % kQueryBlock].candidates();
      merged.insert(merged.end(), list.begin(), list.end());
    }
    std::ranges::sort(merged);
    for (std::size_t i = 0; i < count; ++i) result.items.push_back(merged[i].second);
  }
  return result;
}

NeighbourRetention neighbour_retention(const CodeFamily& family, const Neighbours& neighbours,
                                       std::span<const std::uint32_t> items) {
  require_coded(family, items);
  require_rows_in_list(neighbours, items.size());
  NeighbourRetention retention;
  retention.queries = neighbours.queries.size();
  retention.count = neighbours.count;
  Partition prefix(items.size());
  for (std::size_t layer = 0; layer < family.num_layers(); ++layer) {
    const auto code_of_row = [&](std::uint32_t row) { return family.of(items[row])[layer]; };
    Partition code(items.size());
    code.refine(code_of_row);
    prefix.refine(code_of_row);
    retention.same_code.push_back(share_of_neighbours(code, neighbours));
    retention.same_code_by_chance.push_back(share_of_pairs(code));
    retention.same_prefix.push_back(share_of_neighbours(prefix, neighbours));
    retention.same_prefix_by_chance.push_back(share_of_pairs(prefix));
  }
  return retention;
}

}  // namespace neume::eval
