// Training speed of MCCA at the paper's Industrial shape: k = 256, L = 3, d' = 64, T = 20, MLP 256-128, 1,387,247
// items, random codes and full random histories. Before it reports a time it checks the trained step against plain
// double arithmetic: the same model in double, on the same batches, must reach the same losses.
//
//   train_bench [--batch 512] [--attention-hidden 64] [--windows 7] [--seconds 2] [--items 1387247] [--bf16 1]

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "kernels/matmul.hpp"
#include "nn/parameter.hpp"
#include "rank/sequence_model.hpp"

namespace {

using namespace neume;
using Clock = std::chrono::steady_clock;

struct Settings {
  std::size_t batch = 512;
  std::size_t attention_hidden = 64;
  std::size_t windows = 7;
  double seconds = 2.0;
  std::size_t items = 1387247;
  bool bf16 = false;
};

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const double value = std::atof(argv[i + 1]);
    if (name == "--batch") settings.batch = static_cast<std::size_t>(value);
    if (name == "--attention-hidden") settings.attention_hidden = static_cast<std::size_t>(value);
    if (name == "--windows") settings.windows = static_cast<std::size_t>(value);
    if (name == "--seconds") settings.seconds = value;
    if (name == "--items") settings.items = static_cast<std::size_t>(value);
    if (name == "--bf16") settings.bf16 = value != 0;
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

std::vector<rank::Batch> random_batches(const Settings& settings, std::size_t count) {
  base::Random random(2);
  std::vector<rank::Batch> batches(count);
  for (auto& batch : batches) {
    batch.clear();
    for (std::size_t s = 0; s < settings.batch; ++s) {
      for (int j = 0; j < 20; ++j) batch.history.push_back(static_cast<std::uint32_t>(random.index(settings.items)));
      batch.add(static_cast<std::uint32_t>(random.index(settings.items)), random.uniform() < 0.5 ? 1.0f : 0.0f);
    }
  }
  return batches;
}

rank::ModelSpec spec_of(const Settings& settings, const rank::ItemCodes& codes) {
  rank::ModelSpec spec;
  spec.units = rank::mcca_units(codes, 2);
  spec.attention_hidden = settings.attention_hidden;
  spec.max_batch = settings.batch;
  if (settings.bf16) spec.arithmetic = kernels::Arithmetic::bf16;
  return spec;
}

template <class T>
std::vector<double> losses(const Settings& settings, const rank::ItemCodes& codes, std::vector<rank::Batch>& batches) {
  rank::SequenceModel<T> model(spec_of(settings, codes), codes, 3);
  std::vector<double> values;
  for (std::size_t t = 1; t <= 3; ++t) values.push_back(model.train(batches[t], nn::adam_step<T>({1e-3}, t)));
  return values;
}

bool verify(const Settings& settings) {
  Settings small;
  small.bf16 = settings.bf16;
  small.items = 5000;
  small.batch = 48;
  const SemanticIds sids = random_sids(small.items);
  const rank::ItemCodes codes(sids, {"text", "audio", "joint"});
  auto batches = random_batches(small, 4);
  const auto single = losses<float>(small, codes, batches);
  const auto exact = losses<double>(small, codes, batches);
  for (std::size_t i = 0; i < single.size(); ++i) {
    if (std::abs(single[i] - exact[i]) > (settings.bf16 ? 1e-2 : 1e-3) * exact[i]) return false;
  }
  return true;
}

/// Floating-point operations of a sample: products alone, forward and twice backward. Every history item and target is
/// a distinct item here, and the tables' products are shared by a batch.
double operations_a_sample(const Settings& settings) {
  const double width = 64, hidden = static_cast<double>(settings.attention_hidden), families = 3, history = 20;
  const double network = 6 * width * 256 + 256.0 * 128 + 128;
  const double queries = (families + 1) * width * hidden;
  const double items = (history + 1) * width * hidden;
  const double tables = families * 3 * 256 * width * hidden / static_cast<double>(settings.batch);
  return 3 * 2 * (network + queries + items + tables);
}

/// Operations a second of large f32 products, all threads together: what the floor is measured by.
double product_rate() {
  constexpr std::size_t kSize = 384;
  const std::size_t threads = base::num_threads();
  std::vector<double> rates;
  for (int round = 0; round < 5; ++round) {
    constexpr int kRepeats = 100;
    const auto start = Clock::now();
    base::parallel_for(threads, [&](std::size_t) {
      std::vector<float> a(kSize * kSize, 0.5f), b(kSize * kSize, 0.25f), c(kSize * kSize);
      for (int i = 0; i < kRepeats; ++i) {
        kernels::matmul({kSize, kSize, kSize}, {a.data(), kSize}, {b.data(), kSize},
                        kernels::Product<float>{c.data(), kSize});
      }
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    rates.push_back(2.0 * kSize * kSize * kSize * kRepeats * static_cast<double>(threads) / seconds);
  }
  return *std::ranges::max_element(rates);
}

void print_floor(const Settings& settings, double samples_a_second) {
  const double operations = operations_a_sample(settings), rate = product_rate(), floor = rate / operations;
  fmt::print(
      "products: {:.2f} MFLOP a sample, f32 products at {:.0f} GFLOPS here: floor {:.0f} samples/s, share {:.0f}%\n",
      operations / 1e6, rate / 1e9, floor, 100 * samples_a_second / floor);
}

void print_phases(const rank::SequenceModel<float>::PhaseTimes& times) {
  const double total = times.index + times.project + times.blocks + times.rows;
  const auto share = [&](double seconds) { return 100.0 * seconds / total; };
  fmt::print("phases: index {:.1f}%  project {:.1f}%  blocks {:.1f}%  rows {:.1f}%\n", share(times.index),
             share(times.project), share(times.blocks), share(times.rows));
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  if (!verify(settings)) {
    fmt::print("the float model does not follow the double model: no time is reported\n");
    return 1;
  }
  const SemanticIds sids = random_sids(settings.items);
  const rank::ItemCodes codes(sids, {"text", "audio", "joint"});
  rank::SequenceModel<float> model(spec_of(settings, codes), codes, 3);
  const auto batches = random_batches(settings, 64);
  std::uint64_t step = 0;
  const auto run = [&](bool learn) {
    std::vector<float> logits(settings.batch);
    const auto start = Clock::now();
    double elapsed = 0.0;
    std::size_t samples = 0;
    while (elapsed < settings.seconds) {
      const rank::Batch& batch = batches[step++ % batches.size()];
      if (learn) {
        model.train(batch, nn::adam_step<float>({1e-4}, step), [&] { return &batches[step % batches.size()]; });
      } else {
        model.score(batch, logits);
      }
      samples += batch.size();
      elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    }
    return static_cast<double>(samples) / elapsed;
  };
  run(true);  // warm-up
  for (const bool learn : {true, false}) {
    std::vector<double> rates;
    const std::clock_t processor_start = std::clock();
    for (std::size_t w = 0; w < settings.windows; ++w) rates.push_back(run(learn));
    const double processor_seconds = static_cast<double>(std::clock() - processor_start) / CLOCKS_PER_SEC;
    const double per_processor_second =
        settings.seconds * std::accumulate(rates.begin(), rates.end(), 0.0) / processor_seconds;
    std::ranges::sort(rates);
    if (learn) {
      print_phases(model.phase_times());
      print_floor(settings, rates[rates.size() / 2]);
    }
    fmt::print(
        "{:8} batch {:4}  attention {:3}  threads {}  median {:9.0f} samples/s  (min {:.0f}, max {:.0f}, {} windows)  "
        "{:.0f} a processor second\n",
        learn ? "training" : "scoring", settings.batch, settings.attention_hidden, base::num_threads(),
        rates[rates.size() / 2], rates.front(), rates.back(), rates.size(), per_processor_second);
  }
  return 0;
}
