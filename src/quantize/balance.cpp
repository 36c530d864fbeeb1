#include "quantize/balance.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "quantize/capacity_flow.hpp"
#include "quantize/price_ascent.hpp"
#include "quantize/seeding.hpp"

namespace neume::quantize {

namespace {

// A sample of this many rows a code, and at least so many in all, finds the codewords and prices that all rows then
// start from. On a sample every iteration can be balanced exactly. Without it, prices would have to travel between
// groups of rows that lie far apart, and lists of eight codes a row do not reach that far.
constexpr std::size_t kSampleRowsACode = 64;
constexpr std::size_t kSmallestSample = 8192;
constexpr std::size_t kPasses = 15;  // of the ascent before each exact solution
constexpr std::size_t kRounds = 40;
// The means of all rows instead of a sample's lower the objective by a few per cent. Where codes straddle groups that
// lie far apart, they upset the prices instead; then (more than one row in a hundred too many) the fit before them
// stands, because the flow would take minutes to a worse one.
constexpr std::size_t kRowsPerUpset = 100;
constexpr std::size_t kRefiningRounds = 4;
constexpr std::size_t kRowsAtOnce = 4096;

/// Marks equal rows beyond the first `capacity` of them: no rule can tell them apart, so they go with the others of
/// their kind and count nowhere.
std::vector<std::uint8_t> surplus_rows(const KMeansProblem& problem, std::size_t capacity) {
  const std::size_t num_rows = problem.rows.rows;
  std::vector<std::pair<std::uint64_t, std::size_t>> rows(num_rows);
  base::parallel_for(base::num_chunks(num_rows, kRowsAtOnce), [&](std::size_t chunk) {
    for (std::size_t i = chunk * kRowsAtOnce; i < std::min(num_rows, (chunk + 1) * kRowsAtOnce); ++i)
      rows[i] = {row_identity(problem, i), i};
  });
  std::sort(rows.begin(), rows.end());
  std::vector<std::uint8_t> surplus(num_rows);
  for (std::size_t i = capacity; i < num_rows; ++i) surplus[rows[i].second] = rows[i].first == rows[i - capacity].first;
  return surplus;
}

/// Seats for `counts` in proportion, by Sainte-Lague: the next seat goes to the largest count / (2 seats + 1).
std::vector<std::size_t> apportion(const std::vector<std::size_t>& counts) {
  std::vector<std::size_t> seats(counts.size());
  std::vector<std::pair<double, std::size_t>> queue;
  // Of equal claims the lowest code first: the heap compares second entries, which run backwards.
  for (std::size_t j = 0; j < counts.size(); ++j)
    queue.emplace_back(static_cast<double>(counts[j]), counts.size() - 1 - j);
  std::make_heap(queue.begin(), queue.end());
  for (std::size_t seat = 0; seat < counts.size(); ++seat) {
    std::pop_heap(queue.begin(), queue.end());
    const std::size_t code = counts.size() - 1 - queue.back().second;
    ++seats[code];
    queue.back().first = static_cast<double>(counts[code]) / static_cast<double>(2 * seats[code] + 1);
    std::push_heap(queue.begin(), queue.end());
  }
  return seats;
}

class BalancedKMeans {
 public:
  /// Everything but `start`, whose prices come along, is borrowed.
  BalancedKMeans(const KMeansProblem& problem, const KMeansOptions& options, CodebookLayer start, LayerReport& report,
                 const IterationFn& on_iteration)
      : problem_(problem),
        options_(options),
        report_(report),
        on_iteration_(on_iteration),
        prices_(start.price),
        lloyd_(problem, std::move(start)),
        lists_(problem.rows.rows, options.codes),
        capacity_(base::num_chunks(problem.rows.rows, options.codes)),
        surplus_(surplus_rows(problem, capacity_)),
        labels_(problem.rows.rows) {}

  /// Lloyd's iterations without prices, the first half of all. After each of them, codes that hold a small fraction of
  /// their share go to rows of clusters that hold several shares: prices could only drag them there, over everything in
  /// between.
  void spread() {
    lloyd_.set_prices({});
    for (std::size_t iteration = 0; iteration < options_.iterations / 2; ++iteration) {
      report(lloyd_.assign().objective);
      const std::vector<Place> places = places_to_split();
      report_.reseeded += lloyd_.update();
      if (places.empty()) return;
      lloyd_.reseed(places);
      report_.reseeded += places.size();
    }
  }

  /// Lloyd's iterations, each with prices that balance it, `updates` moves of the centroids at most.
  void iterate(std::size_t updates) {
    double before = 0.0;
    std::size_t reseeded = 0;
    for (std::size_t update = 0;; ++update) {
      approach();
      const std::size_t stuck = solve(std::vector<std::size_t>(options_.codes, capacity_));
      label();
      const Lloyd::Pass pass = lloyd_.assign_to(labels_);
      report(pass.objective);
      // The objective without prices may rise while balance is still being found.
      const bool settled =
          update > 0 && reseeded == 0 && std::abs(before - pass.objective) <= options_.tolerance * before;
      if (stuck > 0) lists_.lengthen();
      if (update == updates || pass.changed == 0 || settled) return;
      before = pass.objective;
      reseeded = move_centroids();
    }
  }

  /// Labels by the rule itself, all codes compared, and what they come to.
  struct Settled {
    KMeansFit fit;
    double objective = 0.0;
    std::size_t excess = std::numeric_limits<std::size_t>::max();  // rows that are too many

    bool better_than(const Settled& other) const {
      return excess != other.excess ? excess < other.excess : objective < other.objective;
    }
  };

  /// Exact prices for the centroids as they are; again where lists were too short, and with less room where rows that
  /// cannot be told apart go to a code together. The best of `rounds`. To be called after approach().
  Settled settle(std::size_t rounds) {
    std::vector<std::size_t> capacities(options_.codes, capacity_);
    Settled best;
    for (std::size_t round = 0; round < rounds && best.excess > 0; ++round) {
      if (round > 0) gather();
      const std::vector<double> before = prices_;
      const std::size_t stuck = solve(capacities);
      lloyd_.set_prices(prices_);
      const Lloyd::Pass pass = lloyd_.assign();
      const std::size_t excess = excess_of(lloyd_.labels());
      if (excess < best.excess) best = {current_fit(), pass.objective, excess};
      // Prices that short lists have forced up would send whole regions astray once more codes are in sight.
      const bool astray = stuck > 0 || excess * kRowsPerUpset > labels_.size();
      const bool again = astray && lists_.lengthen();
      if (again) prices_ = before;
      if (excess == 0 || stuck > 0 || again || take_room(capacities)) continue;
      // No room to give: other centroids have other ties.
      move_centroids();
      capacities.assign(options_.codes, capacity_);
    }
    return best;
  }

  KMeansFit finish(bool refine) {
    approach();
    Settled best = settle(kRounds);
    if (refine && best.excess == 0) {
      move_centroids();
      approach();
      label();
      if (excess_of(labels_) * kRowsPerUpset < labels_.size()) {
        Settled refined = settle(kRefiningRounds);
        if (refined.better_than(best)) best = std::move(refined);
      }
    }
    report(best.objective);
    return std::move(best.fit);
  }

  /// Codewords and prices as they are.
  CodebookLayer take_codebook() {
    lloyd_.set_prices(prices_);
    return lloyd_.take_codebook();
  }

 private:
  using Place = std::pair<std::size_t, std::size_t>;  // a code, and the row it goes to

  void report(double objective) {
    report_.objective.push_back(objective);
    if (on_iteration_) on_iteration_(std::min(report_.objective.size() - 1, options_.iterations), objective);
  }

  void gather() {
    lloyd_.set_prices(prices_);
    lists_.gather(problem_.rows, lloyd_.codebook());
  }

  /// Lists of the codes that are best under prices that nearly balance the clusters.
  void approach() {
    gather();
    approach_balance({lists_, surplus_, capacity_}, kPasses, prices_);
    gather();
  }

  /// Lets codes with room be seen from twice as many rows as there is room for.
  void widen() {
    label();
    std::vector<std::size_t> wanted = counted(labels_);
    for (std::size_t& count : wanted) count = 2 * (capacity_ - std::min(count, capacity_));
    lists_.widen(problem_.rows, lloyd_.codebook(), wanted);
  }

  void label() {
    base::parallel_for(base::num_chunks(labels_.size(), kRowsAtOnce), [&](std::size_t chunk) {
      for (std::size_t i = chunk * kRowsAtOnce; i < std::min(labels_.size(), (chunk + 1) * kRowsAtOnce); ++i)
        labels_[i] = lists_.code(i, lists_.best(i, prices_).first);
    });
  }

  /// Exact prices for the lists; returns how many rows are too many because lists are too short.
  std::size_t solve(const std::vector<std::size_t>& capacities) {
    widen();
    CapacityFlow flow(lists_, surplus_, capacities, prices_);
    const std::size_t stuck = flow.settle();
    prices_ = flow.centred_prices();
    return stuck;
  }

  /// A codeword that was unused, and goes to a far row, has a price that means nothing: it gets the mean of the others.
  std::size_t move_centroids() {
    double sum = 0.0;
    std::size_t used = 0;
    for (std::size_t j = 0; j < prices_.size(); ++j) {
      if (lloyd_.counts()[j] == 0) continue;
      sum += prices_[j];
      ++used;
    }
    for (std::size_t j = 0; j < prices_.size(); ++j)
      if (lloyd_.counts()[j] == 0) prices_[j] = sum / static_cast<double>(used);
    const std::size_t reseeded = lloyd_.update();
    report_.reseeded += reseeded;
    return reseeded;
  }

  std::vector<Place> places_to_split() const {
    const std::vector<std::size_t> counts = counted(lloyd_.labels());
    const std::vector<std::size_t> seats = apportion(counts);
    std::vector<std::size_t> donors;
    for (std::size_t j = 0; j < seats.size(); ++j)
      if (seats[j] == 0) donors.push_back(j);
    // A cluster of n rows with s seats sends a code to its rows n/s, 2n/s, ..
    std::vector<std::size_t> met(seats.size());
    std::vector<Place> places;
    for (std::size_t i = 0; i < surplus_.size() && places.size() < donors.size(); ++i) {
      const Code code = lloyd_.labels()[i];
      if (surplus_[i] != 0 || seats[code] < 2) continue;
      const std::size_t before = met[code]++ * seats[code] / counts[code];
      if (met[code] * seats[code] / counts[code] > before && met[code] < counts[code])
        places.emplace_back(donors[places.size()], i);
    }
    return places;
  }

  std::vector<std::size_t> counted(std::span<const Code> labels) const {
    std::vector<std::size_t> counts(options_.codes);
    for (std::size_t i = 0; i < labels.size(); ++i) counts[labels[i]] += surplus_[i] == 0;
    return counts;
  }

  std::size_t excess_of(std::span<const Code> labels) const {
    std::size_t excess = 0;
    for (const std::size_t count : counted(labels)) excess += count - std::min(count, capacity_);
    return excess;
  }

  /// Lowers the capacity of codes that hold more than the flow gave them although their rows' lists are long enough:
  /// ties brought the rest. False where there were such codes but all room is used up.
  bool take_room(std::vector<std::size_t>& capacities) {
    label();
    const std::vector<std::size_t> counts = counted(labels_);
    const std::size_t rows = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    std::size_t room = std::accumulate(capacities.begin(), capacities.end(), std::size_t{0}) - rows;
    bool tied = false, taken = false;
    for (std::size_t j = 0; j < counts.size(); ++j) {
      if (counts[j] <= capacity_) continue;
      tied = true;
      const std::size_t amount = std::min({counts[j] - capacity_, room, capacities[j]});
      capacities[j] -= amount;
      room -= amount;
      taken = taken || amount > 0;
    }
    return taken || !tied;
  }

  KMeansFit current_fit() const {
    KMeansFit fit;
    fit.labels.assign(lloyd_.labels().begin(), lloyd_.labels().end());
    fit.codebook.residual = lloyd_.codebook().residual.clone();
    fit.codebook.bias = lloyd_.codebook().bias;
    fit.codebook.price = lloyd_.codebook().price;
    return fit;
  }

  const KMeansProblem& problem_;
  const KMeansOptions& options_;
  LayerReport& report_;
  const IterationFn& on_iteration_;
  std::vector<double> prices_;
  Lloyd lloyd_;
  CandidateLists lists_;
  std::size_t capacity_;
  std::vector<std::uint8_t> surplus_;
  std::vector<Code> labels_;  // N, of the last label()
};

/// `count` rows, one drawn from each of `count` equal parts of the rows.
Matrix sample_of(ConstMatrixView rows, std::size_t count, std::uint64_t seed) {
  base::Random random(seed);
  Matrix sample(count, rows.cols);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i * rows.rows / count, end = (i + 1) * rows.rows / count;
    std::ranges::copy(rows.row(begin + random.index(end - begin)), sample.row(i).begin());
  }
  return sample;
}

}  // namespace

KMeansFit fit_balanced_kmeans(const KMeansProblem& problem, const KMeansOptions& options,
                              const IterationFn& on_iteration) {
  if (problem.has_prefix()) throw InternalError("balanced k-means has no prefix half");
  const auto start = std::chrono::steady_clock::now();
  LayerReport report;
  CodebookLayer first = first_codebook(problem, options);
  first.price.assign(options.codes, 0.0);
  const std::size_t sample_size = std::max(kSmallestSample, kSampleRowsACode * options.codes);
  const bool sampled = sample_size < problem.rows.rows;
  const Matrix sample = sampled ? sample_of(problem.rows, sample_size, options.seed) : Matrix();
  const KMeansProblem small{sampled ? sample.view() : problem.rows, {}};
  BalancedKMeans on_sample(small, options, std::move(first), report, on_iteration);
  on_sample.spread();
  on_sample.iterate(options.iterations - options.iterations / 2);
  KMeansFit fit;
  if (sampled) {
    BalancedKMeans on_all(problem, options, on_sample.take_codebook(), report, on_iteration);
    fit = on_all.finish(true);
  } else {
    fit = on_sample.finish(false);
  }
  fit.report = std::move(report);
  fit.report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return fit;
}

}  // namespace neume::quantize
