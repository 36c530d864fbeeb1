#include "quantize/candidates.hpp"

#include <algorithm>
#include <limits>

#include "base/parallel.hpp"
#include "quantize/kmeans.hpp"

namespace neume::quantize {

namespace {

constexpr std::size_t kShortestList = 8;
constexpr std::size_t kLongestList = 64;
// Entries of all lists together, while lists may be longer than the shortest: 24 MiB.
constexpr std::size_t kEntries = std::size_t{1} << 22;
constexpr std::size_t kMostEntries = std::size_t{1} << 25;

struct Candidate {
  double score;
  float product;
  Code code;
};

/// Puts `candidate` in its place of a sorted list, behind equal scores, and drops the last entry.
void insert(std::span<Candidate> list, const Candidate& candidate) {
  std::size_t place = list.size() - 1;
  for (; place > 0 && list[place - 1].score > candidate.score; --place) list[place] = list[place - 1];
  list[place] = candidate;
}

}  // namespace

CandidateLists::CandidateLists(std::size_t rows, std::size_t codes)
    : rows_(rows),
      length_(std::min(codes, std::clamp(kEntries / std::max<std::size_t>(1, rows), kShortestList, kLongestList))),
      bias_(codes),
      codes_(rows * length_),
      products_(rows * length_) {}

bool CandidateLists::lengthen() {
  const std::size_t longest = std::min(num_codes(), kMostEntries / std::max<std::size_t>(1, rows_));
  const std::size_t length = std::min(longest, 2 * length_);
  if (length <= length_) return false;
  length_ = length;
  codes_ = base::Buffer<Code>(rows_ * length_);
  products_ = base::Buffer<float>(rows_ * length_);
  return true;
}

void CandidateLists::gather(ConstMatrixView rows, const CodebookLayer& codebook) {
  bias_ = codebook.bias;
  constexpr std::size_t kBlocksAtOnce = 16;
  base::parallel_for(base::num_chunks(rows_, kBlocksAtOnce * kBlockRows), [&](std::size_t chunk) {
    const std::size_t begin = chunk * kBlocksAtOnce * kBlockRows;
    const std::size_t end = std::min(rows_, begin + kBlocksAtOnce * kBlockRows);
    gather_rows(rows, codebook, begin, end);
  });
}

void CandidateLists::gather_rows(ConstMatrixView rows, const CodebookLayer& codebook, std::size_t begin,
                                 std::size_t end) {
  AssignmentScratch scratch(rows.cols, codebook.size());
  std::vector<Candidate> lists(kBlockRows * length_);
  std::vector<double> scores(std::min(codebook.size(), kCodesAtOnce));
  for (; begin < end; begin += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, end - begin);
    const float* block = scratch.full_block(rows.row(begin).data(), count);
    std::fill(lists.begin(), lists.end(), Candidate{std::numeric_limits<double>::infinity(), 0.0f, 0});
    for (std::size_t first = 0; first < codebook.size(); first += kCodesAtOnce) {
      const std::size_t columns = std::min(kCodesAtOnce, codebook.size() - first);
      const float* products = scratch.multiply(codebook, block, first, columns);
      for (std::size_t i = 0; i < count; ++i, products += columns) {
        const std::span<Candidate> list(lists.data() + i * length_, length_);
        for (std::size_t j = 0; j < columns; ++j) scores[j] = priced_score(codebook, first + j, products[j]);
        for (std::size_t j = 0; j < columns; ++j)
          if (scores[j] < list.back().score) insert(list, {scores[j], products[j], static_cast<Code>(first + j)});
      }
    }
    for (std::size_t e = 0; e < count * length_; ++e) {
      codes_[begin * length_ + e] = lists[e].code;
      products_[begin * length_ + e] = lists[e].product;
    }
  }
}

bool CandidateLists::lists(std::size_t row, Code code) const {
  const Code* begin = codes_.data() + row * length_;
  return std::find(begin, begin + length_, code) != begin + length_;
}

void CandidateLists::widen(ConstMatrixView rows, const CodebookLayer& codebook, std::span<const std::size_t> wanted) {
  if (length_ == codebook.size()) return;
  const ChunkPlan plan(rows_);
  std::vector<Entries> chunks(plan.count, Entries(codebook.size()));
  collect(rows, codebook, wanted, chunks);
  std::vector<std::uint8_t> replaced(rows_);
  for (std::size_t j = 0; j < codebook.size(); ++j) {
    std::vector<Entry> entries;
    for (const Entries& chunk : chunks) entries.insert(entries.end(), chunk[j].begin(), chunk[j].end());
    std::sort(entries.begin(), entries.end());
    entries.resize(std::min(entries.size(), wanted[j]));
    for (const Entry& entry : entries) {
      if (replaced[entry.row] + std::size_t{2} > length_) continue;  // the best code stays, and another
      const std::size_t at = entry.row * length_ + length_ - ++replaced[entry.row];
      codes_[at] = static_cast<Code>(j);
      products_[at] = entry.product;
    }
  }
}

void CandidateLists::collect(ConstMatrixView rows, const CodebookLayer& codebook, std::span<const std::size_t> wanted,
                             std::span<Entries> chunks) const {
  const ChunkPlan plan(rows_);
  base::parallel_for(plan.count, [&](std::size_t chunk) {
    AssignmentScratch scratch(rows.cols, codebook.size());
    for (std::size_t begin = plan.begin(chunk); begin < plan.end(chunk); begin += kBlockRows) {
      const std::size_t count = std::min(kBlockRows, plan.end(chunk) - begin);
      const float* block = scratch.full_block(rows.row(begin).data(), count);
      for (std::size_t first = 0; first < codebook.size(); first += kCodesAtOnce) {
        const std::size_t columns = std::min(kCodesAtOnce, codebook.size() - first);
        const float* products = scratch.multiply(codebook, block, first, columns);
        for (std::size_t j = first; j < first + columns; ++j) {
          std::vector<Entry>& entries = chunks[chunk][j];
          for (std::size_t i = 0; wanted[j] > 0 && i < count; ++i) {
            const float product = products[i * columns + j - first];
            const std::size_t row = begin + i;
            const double own = score(row, 0, codebook.price[code(row, 0)]);
            const Entry entry{priced_score(codebook, j, product) - own, static_cast<std::uint32_t>(row), product};
            const bool full = entries.size() == wanted[j];
            if ((full && !(entry < entries.front())) || lists(row, static_cast<Code>(j))) continue;
            if (full) {
              std::pop_heap(entries.begin(), entries.end());
              entries.pop_back();
            }
            entries.push_back(entry);
            std::push_heap(entries.begin(), entries.end());
          }
        }
      }
    }
  });
}

CandidateLists::Best CandidateLists::best(std::size_t row, std::span<const double> prices) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Best best{0, 0, kInfinity, kInfinity};
  for (std::size_t place = 0; place < length_; ++place) {
    const double price = prices[code(row, place)], value = score(row, place, price);
    if (value < best.first_score || (value == best.first_score && code(row, place) < code(row, best.first))) {
      best.second = best.first;
      best.second_score = best.first_score;
      best.first = place;
      best.first_score = value;
    } else if (value < best.second_score) {
      best.second = place;
      best.second_score = value;
    }
  }
  return best;
}

}  // namespace neume::quantize
