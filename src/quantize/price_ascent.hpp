#pragma once
// The rough part of balancing: prices that bring all clusters near their capacity, by ascent on the dual function
//   D(p) = sum over rows i of min over codes j of (s_ij + p_j)  -  capacity * sum over j of p_j,   p >= 0,
// whose slope in p_j is (rows at j) - capacity.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "quantize/candidates.hpp"

namespace neume::quantize {

/// Rows that count, and how many of them a code may hold.
struct BalanceTask {
  const CandidateLists& lists;
  std::span<const std::uint8_t> surplus;  ///< N: 1 where a row goes along but does not count
  std::size_t capacity;
};

/// Moves `prices` (k, none negative) towards balance: in every pass a code with e rows too many rises by half of what
/// would drive e rows to their second choice, and one with room sinks by half of what would win as many back. Ends
/// after `passes`, or when fewer than one row in a thousand is too many; leaves the best prices it met. That evens out
/// neighbours; a region that is over-full as a whole stays so for long. A pass costs one look at every list.
void approach_balance(const BalanceTask& task, std::size_t passes, std::vector<double>& prices);

}  // namespace neume::quantize
