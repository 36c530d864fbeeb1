#pragma once
// The exact part of balancing: from prices that nearly fit to the cheapest assignment in which every code keeps its
// capacity, and to prices under which that assignment is the nearest-code rule with room to spare.
//
// Codes are the nodes of a graph. Moving a row i from code a to code b costs s_ib + p_b - s_ia - p_a >= 0, since rows
// are at the code that is best for them; the arc a -> b is as long as the cheapest such move. The shortest path from an
// over-full code to one with room is the cheapest way to shift one row; raising the prices along the way by what is
// left to the end of the path makes its moves free and keeps all others from being worth while (successive shortest
// paths with potentials: Ahuja, Magnanti, Orlin 1993, chapter 9). Room that stays empty is filled with dummies, which
// are at distance 0 from every code and so sit where the price is lowest: the dual's p >= 0 of a capacity.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "quantize/candidates.hpp"

namespace neume::quantize {

/// Working memory is about 16 bytes for each entry of the candidate lists.
class CapacityFlow {
 public:
  /// Starts with every row that is not `surplus` (N) at its best code under `prices` (k). `capacities` (k) must hold
  /// all of them together, else throws InternalError.
  CapacityFlow(const CandidateLists& lists, std::span<const std::uint8_t> surplus, std::vector<std::size_t> capacities,
               std::vector<double> prices);

  /// Moves rows until no code holds more than its capacity; the total of the scores is then the smallest that the
  /// lists allow. Where they lead from an over-full code to no room at all, raises the prices of all codes that can be
  /// reached by a typical gap, so that lists gathered anew lead further. Returns the rows that were left where
  /// they are too many. Costs a search over part of the graph for each row that is moved.
  std::size_t settle();

  /// Prices under which the rows still are at their best codes, as clearly as can be: the smallest gap between a row's
  /// code and any other is the mean length of the shortest cycle of arcs, the most that prices can give, and what the
  /// other codes can do beyond that they do ("max-balancing", Schneider and Schneider 1991; by Osborne's iteration in
  /// the maximum norm: each code in turn to the middle of its range). Gaps are zero only where rows cannot be told
  /// apart. The lowest price is zero; values as StoredPrice keeps them.
  std::vector<double> centred_prices();

 private:
  /// A row at the code that an arc leaves, and what the arc's end would score more there, without prices.
  struct Bid {
    double cost;
    std::uint32_t row;
  };
  /// Order of a heap whose first bid is the cheapest, of equal bids that of the lowest row.
  static bool later(const Bid& a, const Bid& b) { return a.cost != b.cost ? a.cost > b.cost : a.row > b.row; }
  /// Cheapest bid first; bids of rows that have moved on are dropped when they come to the top.
  struct Arc {
    Code to;
    std::vector<Bid> bids;
  };
  /// What a search has found out about a code.
  struct Reach {
    double distance;
    std::uint32_t row;  // that moves here, or kDummy
    Code from;
    bool settled;
  };

  void place_rows();
  void place_dummies();
  void build_arcs();
  void build_arcs_of(std::size_t code, std::span<const std::uint32_t> rows);
  Code holder(std::uint32_t row) const { return lists_.code(row, place_[row]); }
  const Bid* cheapest(std::size_t from, std::vector<Bid>& bids);
  void add_bids(std::uint32_t row);
  std::optional<Code> search(std::size_t source);
  void relax(std::size_t from, Code to, double length, std::uint32_t row);
  void raise_to(double end);
  void move_along(std::size_t source, Code room);

  const CandidateLists& lists_;
  std::span<const std::uint8_t> surplus_;
  std::vector<std::size_t> capacities_;
  std::vector<double> prices_;
  double typical_gap_ = 0.0;            // mean over rows, between best and second best
  std::vector<std::uint16_t> place_;    // N: of the row's code in its list
  std::vector<std::size_t> counts_;     // k, with dummies
  std::vector<std::size_t> dummies_;    // k
  std::vector<std::vector<Arc>> arcs_;  // by the code they leave, sorted by the code they reach
  std::vector<Reach> reach_;            // k
  std::vector<Code> touched_;           // codes whose reach_ is in use
  std::vector<std::pair<double, Code>> queue_;
};

}  // namespace neume::quantize
