// Time of one request at the paper's Industrial shape (k = 256, L = 3, d' = 64, MLP 256-128, 1,387,247 items; text,
// audio and joint codes, MCCA): a history and 1,000 candidates on one core. Codes are random, so that no two candidates
// share an ID: what sharing saves is left out. Before it reports a time it checks logits against double arithmetic.
//
//   serve_bench [--items 1387247] [--candidates 1000] [--requests 200] [--bf16 1] [--network 1]
//               [--histories 20,100,1000,10000] [--kind distinct|drawn] [--dump FOLDER]
//
// Histories: as many distinct tracks as events, and events drawn with repetition by Zipf's law (exponent 1) over 2,000
// tracks of the user's own; both unless one is named. --network 1 also times the network on the same samples. --dump
// writes one request's tables and logits for bench/peers/rank_request_torch.py.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "data/features.hpp"
#include "rank/request_sequence.hpp"
#include "rank/sequence_model.hpp"

namespace {

using namespace neume;
constexpr std::size_t kOwnTracks = 2000;      // that a listener draws from
constexpr std::size_t kExactCandidates = 24;  // that are checked in double arithmetic
using Clock = std::chrono::steady_clock;
using rank::RequestItem;

struct Settings {
  std::size_t items = 1387247;
  std::size_t candidates = 1000;
  std::size_t requests = 200;
  bool bf16 = false;
  bool network = false;
  std::vector<std::size_t> histories = {20, 100, 1000, 10000};
  std::string kind;  // empty: both
  std::string dump;
};

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    const auto number = [&] { return static_cast<std::size_t>(std::atof(value.c_str())); };
    if (name == "--items") settings.items = number();
    if (name == "--candidates") settings.candidates = number();
    if (name == "--requests") settings.requests = number();
    if (name == "--bf16") settings.bf16 = number() != 0;
    if (name == "--network") settings.network = number() != 0;
    if (name == "--kind") settings.kind = value;
    if (name == "--dump") settings.dump = value;
    if (name != "--histories") continue;
    settings.histories.clear();
    for (std::size_t at = 0; at < value.size();
         at = value.find(',', at) == std::string::npos ? value.size() : value.find(',', at) + 1) {
      settings.histories.push_back(std::strtoul(value.c_str() + at, nullptr, 10));
    }
  }
  return settings;
}

SemanticIds random_sids(std::size_t items) {
  base::Random random(1);
  SemanticIds sids;
  sids.items = ItemIds::row_numbers(items);
  for (const char* name : {"text", "audio", "joint"}) {
    CodeFamily family{name, {256, 256, 256}, std::vector<Code>(items * 3)};
    for (auto& code : family.codes) code = static_cast<Code>(random.index(256));
    sids.families.push_back(std::move(family));
  }
  return sids;
}

rank::ModelSpec spec_of(const Settings& settings, const rank::ItemCodes& codes) {
  rank::ModelSpec spec;
  spec.units = rank::mcca_units(codes, 2);
  spec.max_batch = 512;
  spec.max_history = std::max<std::size_t>(20, *std::ranges::max_element(settings.histories));
  spec.embedding_scale = 0.3;  // a trained model's size: scores, and so rounding, are not tiny
  if (settings.bf16) spec.arithmetic = kernels::Arithmetic::bf16;
  return spec;
}

/// Memory of a network that scores batches of 512 with long histories is large: it gets small batches.
rank::ModelSpec network_spec(const rank::ModelSpec& spec) {
  rank::ModelSpec of_network = spec;
  of_network.max_batch = std::clamp<std::size_t>(200000 / spec.max_history, 16, 512);
  return of_network;
}

std::vector<RequestItem> distinct_tracks(const Settings& settings, std::size_t count, base::Random& random) {
  std::set<std::uint32_t> seen;
  std::vector<RequestItem> items;
  while (items.size() < count) {
    const auto row = static_cast<std::uint32_t>(random.index(settings.items));
    if (seen.insert(row).second) items.push_back({row});
  }
  return items;
}

std::vector<RequestItem> drawn_tracks(const Settings& settings, std::size_t events, base::Random& random) {
  const auto tracks = distinct_tracks(settings, kOwnTracks, random);
  std::vector<double> sums;
  double sum = 0.0;
  for (std::size_t rank = 1; rank <= tracks.size(); ++rank) sums.push_back(sum += 1.0 / static_cast<double>(rank));
  std::vector<RequestItem> items;
  for (std::size_t e = 0; e < events; ++e) {
    const auto drawn = std::ranges::upper_bound(sums, random.uniform() * sum) - sums.begin();
    items.push_back(tracks[static_cast<std::size_t>(drawn)]);
  }
  return items;
}

void score_by_network(rank::SequenceModel<float>& network, const std::vector<RequestItem>& history,
                      const std::vector<RequestItem>& candidates, std::vector<float>& logits) {
  rank::Batch batch;
  const std::size_t at_once = network.max_batch();
  for (std::size_t begin = 0; begin < candidates.size(); begin += at_once) {
    batch.clear();
    for (std::size_t i = begin; i < std::min(begin + at_once, candidates.size()); ++i) {
      for (const auto& item : history) batch.history.push_back(item.row);
      batch.add(candidates[i].row, 0.0f);
    }
    network.score(batch, std::span(logits).subspan(begin, batch.size()));
  }
}

/// Logits of the first `count` candidates in double arithmetic: the network of all parameters in double, with the
/// request's items for a catalogue. Long histories need it: the network's own sums of 10,000 terms in float are less
/// exact than what is judged here.
std::vector<float> exact_logits(rank::SequenceModel<float>& model, const SemanticIds& sids,
                                const std::vector<RequestItem>& history, std::vector<RequestItem> targets) {
  SemanticIds few;
  std::vector<std::uint32_t> rows;
  rank::Batch batch;
  batch.clear();
  const auto number_of = [&](const RequestItem& item) {
    rows.push_back(item.row);
    return static_cast<std::uint32_t>(rows.size() - 1);
  };
  std::vector<std::uint32_t> seen;
  for (const auto& item : history) seen.push_back(number_of(item));
  for (const auto& item : targets) {
    batch.history.insert(batch.history.end(), seen.begin(), seen.end());
    batch.add(number_of(item), 0.0f);
  }
  few.items = ItemIds::row_numbers(rows.size());
  for (const auto& family : sids.families) {
    few.families.push_back({family.name, family.codebook_sizes, {}});
    for (const std::uint32_t row : rows) {
      few.families.back().codes.insert(few.families.back().codes.end(), family.of(row).begin(), family.of(row).end());
    }
  }
  const rank::ItemCodes codes(few, {"text", "audio", "joint"});
  rank::ModelSpec spec = model.spec();
  spec.arithmetic = kernels::Arithmetic::f32;
  spec.max_batch = targets.size();
  spec.max_history = std::max<std::size_t>(1, history.size());
  rank::SequenceModel<double> exact(spec, codes, 3);
  const auto from = model.parameters();
  const auto to = exact.parameters();
  for (std::size_t p = 0; p < to.size(); ++p) {
    for (std::size_t r = 0; r < to[p].rows; ++r) {
      const float* source = from[p].values.row(from[p].name == "embedding.item" ? rows[r] : r);
      std::copy_n(source, to[p].cols, to[p].values.row(r));
    }
  }
  exact.parameters_changed();
  std::vector<double> logits(targets.size());
  exact.score(batch, logits);
  return {logits.begin(), logits.end()};
}

struct Times {
  double median = 0.0, p99 = 0.0, least = 0.0, most = 0.0;
};

template <class Work>
Times time(std::size_t count, const Work& work) {
  std::vector<double> ms;
  work(0);
  for (std::size_t i = 0; i < count; ++i) {
    const auto start = Clock::now();
    work(i);
    ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::ranges::sort(ms);
  return {ms[count / 2], ms[std::min(count - 1, count * 99 / 100)], ms.front(), ms.back()};
}

/// Largest difference, relative beyond 1.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    largest = std::max(largest, std::abs(x - y) / std::max(1.0, std::abs(y)));
  }
  return largest;
}

template <class T>
void write_array(const std::filesystem::path& path, const T* values, std::size_t count) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values), static_cast<std::streamsize>(count * sizeof(T)));
}

/// Parameters, and what the request's items are to them: their codes and embeddings alone, not the whole catalogue.
void dump(const std::filesystem::path& folder, rank::SequenceModel<float>& model, const rank::ItemCodes& codes,
          const rank::ScoreRequest& request, const std::vector<float>& logits) {
  const auto history = request.history, candidates = request.candidates;
  std::filesystem::create_directories(folder);
  for (const auto& p : model.parameters()) {
    const bool items = p.name == "embedding.item";
    std::vector<float> values;
    const auto add = [&](std::size_t row) {
      values.insert(values.end(), p.values.row(row), p.values.row(row) + p.cols);
    };
    for (std::size_t r = 0; r < p.rows && !items; ++r) add(r);
    for (const auto& item : history)
      if (items) add(item.row);
    for (const auto& item : candidates)
      if (items) add(item.row);
    write_array(folder / fmt::format("{}.{}x{}.f32", p.name, values.size() / p.cols, p.cols), values.data(),
                values.size());
  }
  std::vector<std::uint32_t> rows((history.size() + candidates.size()) * codes.stride());
  std::size_t at = 0;
  for (const auto part : {history, candidates}) {
    for (const auto& item : part) codes.rows_of(item.row, rows.data() + codes.stride() * at++);
  }
  write_array(folder / fmt::format("rows.{}x{}.u32", at, codes.stride()), rows.data(), rows.size());
  write_array(folder / fmt::format("logits.{}x1.f32", logits.size()), logits.data(), logits.size());
}

/// What all histories are scored with.
struct Bench {
  const Settings& settings;
  const SemanticIds& sids;
  const rank::ItemCodes& codes;
  rank::SequenceModel<float>& model;
  const rank::RequestSequence& scorer;
  const std::vector<RequestItem>& candidates;
};

struct Errors {
  double of_request = 0.0;
  double of_network = 0.0;
};

/// Largest differences of the first candidates' logits from exact ones; writes the request where that is asked for.
Errors check(const Bench& bench, const std::vector<RequestItem>& history, const std::string& name) {
  std::vector<float> logits(bench.candidates.size()), of_network(bench.candidates.size());
  bench.scorer.score({0, history, bench.candidates}, logits);
  score_by_network(bench.model, history, bench.candidates, of_network);
  if (!bench.settings.dump.empty()) {
    dump(std::filesystem::path(bench.settings.dump) / name, bench.model, bench.codes, {0, history, bench.candidates},
         logits);
  }
  const std::size_t count = std::min(kExactCandidates, bench.candidates.size());
  logits.resize(count);
  of_network.resize(count);
  const auto exact =
      exact_logits(bench.model, bench.sids, history, {bench.candidates.data(), bench.candidates.data() + count});
  return {difference(logits, exact), difference(of_network, exact)};
}

/// Prints a line about histories of one kind; false where the logits are wrong.
bool measure(const Bench& bench, std::size_t events, const std::vector<std::vector<RequestItem>>& histories,
             const std::string& kind) {
  const Errors errors = check(bench, histories[0], fmt::format("{}-{}", events, kind));
  if (errors.of_request > (bench.settings.bf16 ? 1e-2 : 1e-5)) {
    fmt::print("{} events: logits differ from exact ones by {:.2g}\n", events, errors.of_request);
    return false;
  }
  std::vector<float> logits(bench.candidates.size());
  const Times times = time(bench.settings.requests, [&](std::size_t i) {
    bench.scorer.score({0, histories[i % histories.size()], bench.candidates}, logits);
  });
  std::string network = "-";
  if (bench.settings.network) {
    const Times slow =
        time(5, [&](std::size_t i) { score_by_network(bench.model, histories[i], bench.candidates, logits); });
    network = fmt::format("{:.1f}", slow.median);
  }
  std::set<std::uint32_t> distinct;
  for (const auto& item : histories[0]) distinct.insert(item.row);
  fmt::print("{:>8} {:>9} {:>8.3f} {:>8.3f} {:>8.3f} {:>8.3f} {:>10.1e} {:>10} {:>10.1e}\n", events, distinct.size(),
             times.median, times.p99, times.least, times.most, errors.of_request, network, errors.of_network);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  if (settings.histories.empty() || settings.requests == 0 || settings.items < kOwnTracks ||
      settings.items < std::max(settings.candidates, *std::ranges::max_element(settings.histories))) {
    fmt::print(stderr, "needs histories, requests, and at least {} items and as many as are drawn\n", kOwnTracks);
    return 2;
  }
  const base::ThreadLimit one(1);
  const SemanticIds sids = random_sids(settings.items);
  const rank::ItemCodes codes(sids, {"text", "audio", "joint"});
  rank::SequenceModel<float> model(network_spec(spec_of(settings, codes)), codes, 3);
  const data::FeatureSet no_features;
  const rank::RequestSequence scorer(model, codes, no_features, true);
  base::Random random(4);
  const auto candidates = distinct_tracks(settings, settings.candidates, random);
  const Bench bench{settings, sids, codes, model, scorer, candidates};
  fmt::print("{} candidates, {} items{}, one thread; milliseconds a request\n", candidates.size(), settings.items,
             settings.bf16 ? ", bf16" : "");
  fmt::print("{:>8} {:>9} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10} {:>10}\n", "events", "distinct", "median", "p99",
             "lowest", "highest", "error", "network", "its error");
  for (const std::size_t events : settings.histories) {
    std::vector<std::vector<RequestItem>> distinct, drawn;
    for (std::size_t i = 0; i < 8; ++i) {
      distinct.push_back(distinct_tracks(settings, events, random));
      drawn.push_back(drawn_tracks(settings, events, random));
    }
    if (settings.kind != "drawn" && !measure(bench, events, distinct, "distinct")) return 1;
    if (settings.kind != "distinct" && !measure(bench, events, drawn, "drawn")) return 1;
  }
}
