#include "data/synth_log.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "base/parallel.hpp"
#include "data/synth_exposure.hpp"

namespace neume::data {

namespace {

// Activity of a user: Pareto with this exponent, cut at this many times its minimum (36 times the mean).
constexpr double kActivityExponent = 1.5;
constexpr double kActivityCap = 100.0;

// logit = bias + kGain affinity + quality. With it the drawn probabilities reach an AUC of about 0.8, which leaves
// models room between chance and the ceiling.
constexpr double kGain = 4.0;

constexpr double kMinTextWeight = 0.2;
constexpr double kMaxTextWeight = 0.8;

constexpr std::size_t kChunkUsers = 4096;
constexpr std::size_t kUsersBetweenReports = std::size_t{1} << 18;
constexpr std::size_t kChunkRows = 8192;
constexpr std::size_t kCalibrationRows = 200000;

double logistic(double z) {
  return 1.0 / (1.0 + std::exp(-z));
}

/// Cumulative activity of the users.
std::vector<double> cumulative_activity(const SynthOptions& options) {
  std::vector<double> cumulative(options.users);
  base::parallel_for(base::num_chunks(options.users, kChunkUsers), [&](std::size_t chunk) {
    for (std::size_t user = chunk * kChunkUsers; user < std::min(options.users, (chunk + 1) * kChunkUsers); ++user) {
      base::Random random = synth_random(options, SynthStream::users, user);
      cumulative[user] = std::min(kActivityCap, std::pow(1.0 - random.uniform(), -1.0 / kActivityExponent));
    }
  });
  for (std::size_t user = 1; user < cumulative.size(); ++user) cumulative[user] += cumulative[user - 1];
  return cumulative;
}

/// The rows of each user, ascending: rows[begin[u]] .. rows[begin[u + 1] - 1].
struct RowsOfUsers {
  std::vector<std::uint32_t> begin;
  std::vector<std::uint32_t> rows;

  RowsOfUsers(const std::vector<std::uint32_t>& user_of, std::size_t num_users)
      : begin(num_users + 1, 0), rows(user_of.size()) {
    for (const std::uint32_t user : user_of) ++begin[user + 1];
    for (std::size_t user = 0; user < num_users; ++user) begin[user + 1] += begin[user];
    std::vector<std::uint32_t> next(begin.begin(), begin.end() - 1);
    for (std::uint32_t row = 0; row < user_of.size(); ++row) rows[next[user_of[row]]++] = row;
  }
};

}  // namespace

double SynthListener::affinity(const SynthCatalogue& catalogue, std::size_t item) const {
  const std::size_t styles = catalogue.options().styles;
  double best = 0.0;
  for (std::size_t i = 0; i < num_tastes; ++i) {
    double text = 0.0;
    if (catalogue.genre(item) == tastes[i].style / styles) text = 0.5;
    if (catalogue.style(item) == tastes[i].style) text = 1.0;
    const double sound = catalogue.sound(item) == tastes[i].sound ? 1.0 : 0.0;
    best = std::max(best, text_weight * text + (1.0 - text_weight) * sound);
  }
  return best;
}

SynthListener synth_listener(const SynthOptions& options, std::uint64_t user) {
  base::Random random = synth_random(options, SynthStream::tastes, user);
  SynthListener listener;
  listener.num_tastes = 1 + random.index(SynthListener::kMaxTastes);
  for (SynthTaste& taste : listener.tastes) {
    const std::size_t genre = draw_genre(options.genres, random);
    taste.style = genre * options.styles + random.index(options.styles);
    taste.sound = random.index(options.sounds);
  }
  listener.text_weight = kMinTextWeight + (kMaxTextWeight - kMinTextWeight) * random.uniform();
  return listener;
}

SynthLog::SynthLog(const SynthCatalogue& catalogue, const ProgressFn& progress) : options_(catalogue.options()) {
  draw_users();
  draw_items(catalogue, progress);
  calibrate(options_.positive_rate);
  draw_labels();
}

std::int64_t SynthLog::timestamp(std::size_t row) const {
  // Row r lies somewhere in the r-th of size() equal slots, so times increase strictly.
  const auto slot = [&](std::size_t r) {
    return static_cast<std::int64_t>(static_cast<__uint128_t>(r) * kLogSpan / size());
  };
  const std::int64_t begin = slot(row);
  const auto width = static_cast<std::uint64_t>(slot(row + 1) - begin);
  return kLogBegin + begin + static_cast<std::int64_t>(base::derive_seed(options_.seed, row) % width);
}

double SynthLog::probability(std::size_t row) const {
  return logistic(bias_ + static_cast<double>(logit_[row]));
}

void SynthLog::draw_users() {
  const std::size_t count = options_.interactions;
  const std::size_t guaranteed = count >= options_.users ? options_.users : 0;
  const std::vector<double> cumulative = cumulative_activity(options_);
  user_.resize(count);
  base::parallel_for(base::num_chunks(count, kChunkRows), [&](std::size_t chunk) {
    base::Random random = synth_random(options_, SynthStream::log, chunk);
    for (std::size_t row = chunk * kChunkRows; row < std::min(count, (chunk + 1) * kChunkRows); ++row) {
      const double target = random.uniform() * cumulative.back();
      const auto found = std::min(std::upper_bound(cumulative.begin(), cumulative.end(), target), cumulative.end() - 1);
      user_[row] = static_cast<std::uint32_t>(row < guaranteed ? row : found - cumulative.begin());
    }
  });
  base::Random random = synth_random(options_, SynthStream::order);
  for (std::size_t i = count; i > 1; --i) std::swap(user_[i - 1], user_[random.index(i)]);
}

void SynthLog::draw_items(const SynthCatalogue& catalogue, const ProgressFn& progress) {
  const SynthExposure exposure(catalogue);
  const RowsOfUsers rows_of(user_, options_.users);
  item_.resize(size());
  logit_.resize(size());
  const auto draw_for = [&](std::size_t user) {
    const SynthListener listener = synth_listener(options_, user);
    base::Random random = synth_random(options_, SynthStream::log, (std::uint64_t{1} << 40) + user);
    std::unordered_set<std::uint32_t> seen;
    for (std::size_t i = rows_of.begin[user]; i < rows_of.begin[user + 1]; ++i) {
      const std::uint32_t row = rows_of.rows[i];
      item_[row] = exposure.draw(listener, timestamp(row), seen, random);
      seen.insert(item_[row]);
      logit_[row] =
          static_cast<float>(kGain * listener.affinity(catalogue, item_[row])) + catalogue.quality(item_[row]);
    }
  };
  for (std::size_t done = 0; done < options_.users; done += kUsersBetweenReports) {
    const std::size_t block = std::min<std::size_t>(kUsersBetweenReports, options_.users - done);
    base::parallel_for(base::num_chunks(block, kChunkUsers), [&](std::size_t chunk) {
      const std::size_t end = std::min(block, (chunk + 1) * kChunkUsers);
      for (std::size_t i = chunk * kChunkUsers; i < end; ++i) draw_for(done + i);
    });
    if (progress) {
      progress(
          {"log", static_cast<std::int64_t>(done + block), static_cast<std::int64_t>(options_.users), "users", ""});
    }
  }
}

void SynthLog::calibrate(double positive_rate) {
  const std::size_t stride = size() / kCalibrationRows + 1;
  double low = -50.0;
  double high = 50.0;
  for (int i = 0; i < 50; ++i) {
    bias_ = 0.5 * (low + high);
    double sum = 0.0;
    std::size_t count = 0;
    for (std::size_t row = 0; row < size(); row += stride, ++count) sum += probability(row);
    (sum < positive_rate * static_cast<double>(count) ? low : high) = bias_;
  }
}

void SynthLog::draw_labels() {
  label_.resize(size());
  base::parallel_for(base::num_chunks(size(), kChunkRows), [&](std::size_t chunk) {
    base::Random random = synth_random(options_, SynthStream::labels, chunk);
    for (std::size_t row = chunk * kChunkRows; row < std::min(size(), (chunk + 1) * kChunkRows); ++row) {
      label_[row] = random.uniform() < probability(row) ? 1 : 0;
    }
  });
}

}  // namespace neume::data
