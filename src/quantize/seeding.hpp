#pragma once
// First codewords of a k-means fit: greedy k-means++ on a pool that stands for a seeded sample of the rows.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quantize/kmeans.hpp"

namespace neume::quantize {

/// The most rows that seeding looks at: enough that each cluster is met about 32 times.
std::size_t seeding_sample_size(std::size_t num_rows, std::size_t num_codes);

/// Rows to start from, all distinct: `num_codes` of them, or as many as there are distinct rows. Each next row is the
/// best of 2 + ln k rows drawn with probability proportional to their squared distance from the rows chosen so far
/// (greedy k-means++). Looks at seeding_sample_size rows; costs about 2 k products with each of them.
std::vector<std::size_t> choose_seeds(const KMeansProblem& problem, std::size_t num_codes, std::uint64_t seed);

/// Codewords at the given rows of the problem: residual halves, and prefix halves where the problem has prefixes. Bias
/// and tables are left empty.
CodebookLayer codebook_at(const KMeansProblem& problem, std::span<const std::size_t> rows);

/// Tells rows apart by the content of their residual and their earlier codes.
std::uint64_t row_identity(const KMeansProblem& problem, std::size_t row);

}  // namespace neume::quantize
