// How far Lloyd's algorithm is from the matrix product that it cannot do without, what the prefix half of PSRQ adds to
// a layer, and what seeding costs. Checks the labels of a sample of rows against brute force before it reports a time.
//
//   quantize_bench [rows [width [codes [threads [rounds]]]]]

#include <fmt/format.h>
#include <hwy/targets.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "kernels/matmul.hpp"
#include "quantize/assignment.hpp"
#include "quantize/kmeans.hpp"
#include "quantize/seeding.hpp"

namespace {

using namespace neume;
using namespace neume::quantize;

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Spread {
  double low, median, high;
};

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2], values.back()};
}

std::string show(const Spread& s, double unit = 1.0) {
  return fmt::format("{:9.3f}  [{:.3f}, {:.3f}]", s.median * unit, s.low * unit, s.high * unit);
}

/// Rows around `components` centres that sum two levels, so that residuals have structure too.
Matrix mixture(std::size_t rows, std::size_t width, std::size_t components) {
  base::Random centres_random(7);
  Matrix coarse(components, width), fine(components, width), data(rows, width);
  for (float& x : coarse.flat()) x = static_cast<float>(centres_random.normal());
  for (float& x : fine.flat()) x = 0.5f * static_cast<float>(centres_random.normal());
  base::parallel_for(base::num_chunks(rows, 4096), [&](std::size_t chunk) {
    base::Random random(base::derive_seed(11, chunk));
    for (std::size_t i = chunk * 4096; i < std::min(rows, (chunk + 1) * 4096); ++i) {
      const auto a = coarse.row(random.index(components)), b = fine.row(random.index(components));
      // A sum of three uniform numbers is bell-shaped enough, and fast.
      for (std::size_t j = 0; j < width; ++j)
        data.row(i)[j] = a[j] + b[j] + static_cast<float>(random.uniform() + random.uniform() + random.uniform() - 1.5);
    }
  });
  return data;
}

/// The product of one Lloyd iteration and nothing else, cut as assignment cuts it.
double product_seconds(ConstMatrixView rows, const Matrix& centroids) {
  const ChunkPlan plan(rows.rows);
  return seconds_of([&] {
    base::parallel_for(plan.count, [&](std::size_t chunk) {
      base::Buffer<float> scores(kBlockRows * kCodesAtOnce);
      for (std::size_t begin = plan.begin(chunk); begin + kBlockRows <= plan.end(chunk); begin += kBlockRows) {
        for (std::size_t first = 0; first < centroids.rows(); first += kCodesAtOnce) {
          const std::size_t columns = std::min(kCodesAtOnce, centroids.rows() - first);
          kernels::matmul({kBlockRows, columns, rows.cols}, {rows.row(begin).data(), rows.stride},
                          {centroids.row(first).data(), rows.cols, true}, {scores.data(), columns});
        }
      }
    });
  });
}

/// Squared distance of row i and codeword j, both halves, in double and without algebra.
double brute_distance(const KMeansProblem& problem, const CodebookLayer& codebook, std::size_t i, std::size_t j) {
  double residual = 0.0, prefix = 0.0;
  for (std::size_t p = 0; p < problem.rows.cols; ++p) {
    const double gap = double{problem.rows.row(i)[p]} - codebook.residual.row(j)[p];
    residual += gap * gap;
    if (!problem.has_prefix()) continue;
    double value = -double{codebook.prefix.row(j)[p]};
    for (std::size_t m = 0; m < problem.earlier.size(); ++m)
      value += problem.earlier[m].residual.row(problem.codes[i * problem.code_stride + m])[p];
    prefix += value * value;
  }
  return residual + problem.prefix_weight * problem.prefix_weight * prefix;
}

/// Rows of a sample whose label is farther than the nearest codeword by more than rounding.
std::size_t wrong_labels(const KMeansProblem& problem, const Lloyd& lloyd) {
  std::size_t wrong = 0;
  const std::size_t step = std::max<std::size_t>(1, problem.rows.rows / 200);
  for (std::size_t i = 0; i < problem.rows.rows; i += step) {
    const double found = brute_distance(problem, lloyd.codebook(), i, lloyd.labels()[i]);
    double least = found;
    for (std::size_t j = 0; j < lloyd.codebook().size(); ++j)
      least = std::min(least, brute_distance(problem, lloyd.codebook(), i, j));
    wrong += found - least > 1e-4 * (1.0 + least);
  }
  return wrong;
}

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

void print_machine(std::size_t rows, std::size_t width, std::size_t codes) {
  const auto targets = hwy::SupportedAndGeneratedTargets();
  fmt::print("machine: {}, {} of {} cores in use, Highway {}, dnnl ISA level {:#x}\n", cpu_model(), base::num_threads(),
             base::available_cores(), hwy::TargetName(targets.front()),
             static_cast<unsigned>(dnnl_get_effective_cpu_isa()));
  fmt::print("problem: {} rows x {} columns (mixture), k = {}\n\n", rows, width, codes);
}

/// The layers before the third: a few iterations each, and the residuals of layer 2 and 3.
struct Layers {
  std::vector<CodebookLayer> codebooks;
  std::vector<Code> codes;  // N x 2
  Matrix residuals;
};

Layers fit_two_layers(Matrix rows, std::size_t codes) {
  Layers layers{{}, std::vector<Code>(2 * rows.rows()), std::move(rows)};
  for (std::size_t l = 0; l < 2; ++l) {
    const KMeansProblem problem{layers.residuals.view(), layers.codebooks, layers.codes.data(), 2, 1.0};
    KMeansFit fit = fit_kmeans(problem, {codes, 3, 0.0, l + 1, false});
    for (std::size_t i = 0; i < layers.residuals.rows(); ++i) {
      layers.codes[2 * i + l] = fit.labels[i];
      subtract_codeword(layers.residuals.row(i), fit.codebook.residual.row(fit.labels[i]));
    }
    layers.codebooks.push_back(std::move(fit.codebook));
  }
  return layers;
}

Lloyd start_of(const KMeansProblem& problem, std::size_t codes) {
  return Lloyd(problem, codebook_at(problem, choose_seeds(problem, codes, 5)));
}

std::size_t argument(int argc, char** argv, int index, std::size_t otherwise) {
  return argc > index ? std::strtoull(argv[index], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t rows = argument(argc, argv, 1, 200000), width = argument(argc, argv, 2, 256);
  const std::size_t codes = argument(argc, argv, 3, 1024), rounds = argument(argc, argv, 5, 7);
  base::set_num_threads(argument(argc, argv, 4, 0));
  print_machine(rows, width, codes);

  const Matrix data = mixture(rows, width, 2000);
  const KMeansProblem first{data.view(), {}};
  const KMeansProblem unfiltered{data.view(), {}, nullptr, 0, 0.0, Search::plain};
  const Layers layers = fit_two_layers(data.clone(), codes);
  // All three cluster the same residuals; they differ in the prefix alone.
  const KMeansProblem rq{layers.residuals.view(), {}, nullptr, 0, 0.0};
  const KMeansProblem psrq2{layers.residuals.view(), std::span(layers.codebooks).first(1), layers.codes.data(), 2, 1.0};
  const KMeansProblem psrq3{layers.residuals.view(), layers.codebooks, layers.codes.data(), 2, 1.0};

  std::vector<double> seeding;
  for (std::size_t r = 0; r < 3; ++r) seeding.push_back(seconds_of([&] { choose_seeds(first, codes, r); }));
  Lloyd filtered = start_of(first, codes), plain = start_of(unfiltered, codes), rq_layer = start_of(rq, codes),
        second = start_of(psrq2, codes), third = start_of(psrq3, codes);
  std::vector<double> products, steps, ratios, filtered_ratios, rq_steps, second_ratios, third_ratios;
  const auto step = [](Lloyd& lloyd) {
    return seconds_of([&] {
      lloyd.assign();
      lloyd.update();
    });
  };
  for (std::size_t r = 0; r < rounds; ++r) {
    products.push_back(product_seconds(data.view(), plain.codebook().residual));
    steps.push_back(step(plain));
    ratios.push_back(steps.back() / products.back());
    filtered_ratios.push_back(step(filtered) / products.back());
    rq_steps.push_back(step(rq_layer));
    second_ratios.push_back(step(second) / rq_steps.back());
    third_ratios.push_back(step(third) / rq_steps.back());
  }
  std::size_t wrong = 0;
  for (const auto& [problem, lloyd] :
       {std::pair(&unfiltered, &plain), {&first, &filtered}, {&rq, &rq_layer}, {&psrq2, &second}, {&psrq3, &third}}) {
    lloyd->assign();
    wrong += wrong_labels(*problem, *lloyd);
  }
  if (wrong != 0) {
    fmt::print("WRONG: {} labels of the sample are not nearest; no times reported\n", wrong);
    return 1;
  }
  fmt::print("labels of 5 x 200 sampled rows equal brute force; medians [lowest, highest] of {} interleaved rounds\n\n",
             rounds);
  const Spread iteration = spread_of(steps);
  fmt::print("product in f32 alone, s            {}\n", show(spread_of(products)));
  fmt::print("plain Lloyd iteration, s           {}\n", show(iteration));
  fmt::print("plain Lloyd iteration / product    {}\n", show(spread_of(ratios)));
  fmt::print("the same with the filter / product {}\n", show(spread_of(filtered_ratios)));
  fmt::print("PSRQ layer 2 / RQ layer            {}\n", show(spread_of(second_ratios)));
  fmt::print("PSRQ layer 3 / RQ layer            {}\n", show(spread_of(third_ratios)));
  fmt::print("seeding, s                         {}\n", show(spread_of(seeding)));
  fmt::print("seeding / 10 Lloyd iterations      {}\n", show(spread_of(seeding), 0.1 / iteration.median));
  return 0;
}
