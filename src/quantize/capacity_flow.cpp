#include "quantize/capacity_flow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include <neume/error.hpp>

#include "base/parallel.hpp"

namespace neume::quantize {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint32_t kDummy = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kRowsAtOnce = 4096;

// Centring converges within tens of sweeps; it stops when no price moves by this share of a typical gap.
constexpr std::size_t kSweeps = 300;
constexpr double kStill = 1e-6;

/// An arc of the final graph, by its length without prices.
struct Constraint {
  Code from, to;
  double length;
};

/// Moves every code, again and again, to the middle between the arcs that hold it from above (those that leave it) and
/// from below. Slack beyond `reach` does not count: a code far from all others stays where it is.
class PriceCentring {
 public:
  PriceCentring(const std::vector<Constraint>& constraints, std::size_t num_codes, double reach)
      : constraints_(constraints), reach_(reach), begins_(num_codes + 1) {
    for (const Constraint& c : constraints) {
      ++begins_[c.from];
      ++begins_[c.to];
    }
    std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
    around_.resize(2 * constraints.size());
    for (std::size_t e = constraints.size(); e-- > 0;) {
      around_[--begins_[constraints[e].from]] = static_cast<std::uint32_t>(e);
      around_[--begins_[constraints[e].to]] = static_cast<std::uint32_t>(e);
    }
  }

  void run(std::vector<double>& prices) const {
    for (std::size_t sweep = 0; sweep < kSweeps; ++sweep) {
      double largest = 0.0;
      // There and back, so that news travel along chains of codes in both directions.
      for (std::size_t j = 0; j < prices.size(); ++j) largest = std::max(largest, centre(j, prices));
      for (std::size_t j = prices.size(); j-- > 0;) largest = std::max(largest, centre(j, prices));
      if (largest <= kStill * reach_) break;
    }
  }

 private:
  double centre(std::size_t code, std::vector<double>& prices) const {
    double above = reach_, below = reach_;
    for (std::size_t at = begins_[code]; at < begins_[code + 1]; ++at) {
      const Constraint& c = constraints_[around_[at]];
      const double slack = c.length + prices[c.to] - prices[c.from];
      double& side = c.from == code ? above : below;
      side = std::min(side, slack);
    }
    const double change = 0.5 * (above - below);
    prices[code] += change;
    return std::abs(change);
  }

  const std::vector<Constraint>& constraints_;
  double reach_;
  std::vector<std::size_t> begins_;    // k + 1: of around_
  std::vector<std::uint32_t> around_;  // constraints at each code
};

}  // namespace

CapacityFlow::CapacityFlow(const CandidateLists& lists, std::span<const std::uint8_t> surplus,
                           std::vector<std::size_t> capacities, std::vector<double> prices)
    : lists_(lists),
      surplus_(surplus),
      capacities_(std::move(capacities)),
      prices_(std::move(prices)),
      place_(lists.rows()),
      counts_(lists.num_codes()),
      dummies_(lists.num_codes()),
      arcs_(lists.num_codes()),
      reach_(lists.num_codes(), Reach{kInfinity, kDummy, 0, false}) {
  place_rows();
  build_arcs();
  place_dummies();
}

void CapacityFlow::place_rows() {
  const std::size_t num_chunks = base::num_chunks(lists_.rows(), kRowsAtOnce);
  std::vector<double> gaps(num_chunks);
  base::parallel_for(num_chunks, [&](std::size_t chunk) {
    for (std::size_t i = chunk * kRowsAtOnce; i < std::min(lists_.rows(), (chunk + 1) * kRowsAtOnce); ++i) {
      const CandidateLists::Best best = lists_.best(i, prices_);
      place_[i] = static_cast<std::uint16_t>(best.first);
      if (lists_.length() > 1) gaps[chunk] += best.gap();
    }
  });
  for (std::uint32_t i = 0; i < lists_.rows(); ++i)
    if (surplus_[i] == 0) ++counts_[holder(i)];
  typical_gap_ = std::accumulate(gaps.begin(), gaps.end(), 0.0) / static_cast<double>(lists_.rows());
}

void CapacityFlow::place_dummies() {
  const std::size_t rows = std::accumulate(counts_.begin(), counts_.end(), std::size_t{0});
  const std::size_t room = std::accumulate(capacities_.begin(), capacities_.end(), std::size_t{0});
  if (room < rows) throw InternalError(fmt::format("{} rows cannot be balanced into {} places", rows, room));
  std::size_t left = room - rows;
  const double lowest = *std::min_element(prices_.begin(), prices_.end());
  std::size_t cheapest = prices_.size();
  for (std::size_t j = 0; j < prices_.size(); ++j) {
    if (prices_[j] != lowest) continue;
    cheapest = std::min(cheapest, j);
    dummies_[j] = std::min(left, capacities_[j] - std::min(counts_[j], capacities_[j]));
    left -= dummies_[j];
  }
  dummies_[cheapest] += left;
  for (std::size_t j = 0; j < prices_.size(); ++j) counts_[j] += dummies_[j];
}

void CapacityFlow::build_arcs() {
  std::vector<std::size_t> begins(counts_.size() + 1);
  std::partial_sum(counts_.begin(), counts_.end(), begins.begin() + 1);
  std::vector<std::size_t> next(begins.begin(), begins.end() - 1);
  std::vector<std::uint32_t> rows(begins.back());
  for (std::uint32_t i = 0; i < lists_.rows(); ++i)
    if (surplus_[i] == 0) rows[next[holder(i)]++] = i;
  base::parallel_for(counts_.size(), [&](std::size_t j) {
    build_arcs_of(j, std::span<const std::uint32_t>(rows).subspan(begins[j], counts_[j]));
  });
}

void CapacityFlow::build_arcs_of(std::size_t code, std::span<const std::uint32_t> rows) {
  std::vector<std::uint32_t> bids(counts_.size());
  for (const std::uint32_t row : rows)
    for (std::size_t place = 0; place < lists_.length(); ++place) ++bids[lists_.code(row, place)];
  std::vector<Arc>& arcs = arcs_[code];
  for (std::size_t to = 0; to < bids.size(); ++to) {
    if (bids[to] == 0 || to == code) continue;
    arcs.push_back({static_cast<Code>(to), {}});
    arcs.back().bids.reserve(bids[to]);
    bids[to] = static_cast<std::uint32_t>(arcs.size() - 1);  // from here on the arc's place
  }
  for (const std::uint32_t row : rows) {
    const double own = lists_.score(row, place_[row], 0.0);
    for (std::size_t place = 0; place < lists_.length(); ++place)
      if (place != place_[row])
        arcs[bids[lists_.code(row, place)]].bids.push_back({lists_.score(row, place, 0.0) - own, row});
  }
  for (Arc& arc : arcs) std::make_heap(arc.bids.begin(), arc.bids.end(), later);
}

const CapacityFlow::Bid* CapacityFlow::cheapest(std::size_t from, std::vector<Bid>& bids) {
  while (!bids.empty() && holder(bids.front().row) != from) {
    std::pop_heap(bids.begin(), bids.end(), later);
    bids.pop_back();
  }
  return bids.empty() ? nullptr : &bids.front();
}

/// Lets a row that has come to a code bid for all its other codes.
void CapacityFlow::add_bids(std::uint32_t row) {
  std::vector<Arc>& arcs = arcs_[holder(row)];
  const double own = lists_.score(row, place_[row], 0.0);
  for (std::size_t place = 0; place < lists_.length(); ++place) {
    if (place == place_[row]) continue;
    const Code to = lists_.code(row, place);
    auto arc = std::lower_bound(arcs.begin(), arcs.end(), to, [](const Arc& a, Code code) { return a.to < code; });
    if (arc == arcs.end() || arc->to != to) arc = arcs.insert(arc, {to, {}});
    arc->bids.push_back({lists_.score(row, place, 0.0) - own, row});
    std::push_heap(arc->bids.begin(), arc->bids.end(), later);
  }
}

std::size_t CapacityFlow::settle() {
  std::size_t stuck = 0;
  std::vector<std::uint8_t> raised(counts_.size());
  for (std::size_t source = 0; source < counts_.size(); ++source) {
    while (counts_[source] > capacities_[source]) {
      if (const std::optional<Code> room = search(source)) {
        raise_to(reach_[*room].distance);
        move_along(source, *room);
        continue;
      }
      stuck += counts_[source] - capacities_[source];
      // Once for every set of codes: another source in the same set finds its prices raised.
      if (raised[source] == 0)
        for (const Code code : touched_) prices_[code] += typical_gap_;
      for (const Code code : touched_) raised[code] = 1;
      break;
    }
  }
  return stuck;
}

/// Dijkstra's search from `source` until it comes to a code with room.
std::optional<Code> CapacityFlow::search(std::size_t source) {
  for (const Code code : touched_) reach_[code] = {kInfinity, kDummy, 0, false};
  touched_.clear();
  queue_.clear();
  relax(source, static_cast<Code>(source), 0.0, kDummy);
  bool met_dummies = false;
  while (!queue_.empty()) {
    std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
    const Code code = queue_.back().second;
    queue_.pop_back();
    if (reach_[code].settled) continue;
    reach_[code].settled = true;
    if (counts_[code] < capacities_[code]) return code;
    for (Arc& arc : arcs_[code])
      if (const Bid* bid = cheapest(code, arc.bids))
        relax(code, arc.to, bid->cost + prices_[arc.to] - prices_[code], bid->row);
    // All dummies are at codes of the same price, so those met later lead nowhere sooner.
    if (dummies_[code] == 0 || met_dummies) continue;
    met_dummies = true;
    for (std::size_t to = 0; to < counts_.size(); ++to)
      relax(code, static_cast<Code>(to), prices_[to] - prices_[code], kDummy);
  }
  return std::nullopt;
}

void CapacityFlow::relax(std::size_t from, Code to, double length, std::uint32_t row) {
  const bool is_source = touched_.empty();
  const double distance = is_source ? 0.0 : reach_[from].distance + std::max(0.0, length);  // below 0 by rounding
  Reach& reach = reach_[to];
  if (distance >= reach.distance) return;
  if (reach.distance == kInfinity) touched_.push_back(to);
  reach = {distance, row, static_cast<Code>(from), false};
  queue_.emplace_back(distance, to);
  std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
}

void CapacityFlow::raise_to(double end) {
  for (const Code code : touched_)
    if (reach_[code].distance < end) prices_[code] += end - reach_[code].distance;
}

void CapacityFlow::move_along(std::size_t source, Code room) {
  std::size_t amount = 1;
  if (reach_[room].row == kDummy && reach_[room].from == source)
    amount = std::min({counts_[source] - capacities_[source], capacities_[room] - counts_[room], dummies_[source]});
  std::vector<std::uint32_t> moved;
  for (Code to = room; to != source; to = reach_[to].from) {
    const std::uint32_t row = reach_[to].row;
    if (row == kDummy) {
      dummies_[reach_[to].from] -= amount;
      dummies_[to] += amount;
      continue;
    }
    std::size_t place = 0;
    while (lists_.code(row, place) != to) ++place;
    place_[row] = static_cast<std::uint16_t>(place);
    moved.push_back(row);
  }
  counts_[source] -= amount;
  counts_[room] += amount;
  for (const std::uint32_t row : moved) add_bids(row);
}

std::vector<double> CapacityFlow::centred_prices() {
  std::vector<Constraint> constraints;
  for (std::size_t from = 0; from < arcs_.size(); ++from)
    for (Arc& arc : arcs_[from])
      if (const Bid* bid = cheapest(from, arc.bids))
        constraints.push_back({static_cast<Code>(from), arc.to, bid->cost});
  std::vector<double> prices = prices_;
  PriceCentring(constraints, prices.size(), typical_gap_).run(prices);
  const double lowest = *std::min_element(prices.begin(), prices.end());
  for (double& price : prices) price = StoredPrice::of(price - lowest).value();
  return prices;
}

}  // namespace neume::quantize
