// One fit, timed, for bench/compare_quantizers.py, which runs other libraries on the same rows and judges the results.
// Prints one line of JSON. NEUME_MAX_ISA=avx512 leaves out the filter in eight bits.
//
//   fit_bench lloyd ROWS.npy START.npy ITERATIONS TOLERANCE CENTROIDS.f32    k-means from given centroids
//   fit_bench floor ROWS.npy START.npy ITERATIONS                           its products in f32 and nothing else
//   fit_bench seeded ROWS.npy own|random CODES ITERATIONS                   k-means from its own seeds, or random rows:
//                                                                           objectives and when they were reached
//   fit_bench layers ROWS.npy rq|psrq LAYERS CODES ITERATIONS               a whole fit; then encode of the same rows

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "base/parallel.hpp"
#include "base/sample.hpp"
#include "data/npy.hpp"
#include "kernels/int8_products.hpp"
#include "kernels/matmul.hpp"
#include "quantize/assignment.hpp"
#include "quantize/kmeans.hpp"
#include "quantize/seeding.hpp"

namespace {

using namespace neume;
using namespace neume::quantize;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

Matrix read_rows(const std::string& path) {
  const data::NpyFile file(path);
  Matrix rows(file.rows(), file.cols());
  for (std::size_t i = 0; i < rows.rows(); ++i) file.read_row(i, rows.row(i));
  return rows;
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

/// The rule of fit_kmeans, without its seeding.
int run_lloyd(const std::vector<std::string>& words) {
  const Matrix rows = read_rows(words.at(2));
  CodebookLayer start;
  start.residual = read_rows(words.at(3));
  const std::size_t limit = std::stoul(words.at(4));
  const double tolerance = std::stod(words.at(5));
  const KMeansProblem problem{rows.view(), {}};
  const Stopwatch watch;
  Lloyd lloyd(problem, std::move(start));
  double before = 0.0;
  std::size_t iteration = 0;
  while (iteration < limit) {
    const Lloyd::Pass pass = lloyd.assign();
    if (iteration > 0 && before - pass.objective <= tolerance * before) break;
    before = pass.objective;
    lloyd.update();
    ++iteration;
  }
  const double seconds = watch.seconds();
  std::ofstream out(words.at(6), std::ios::binary);
  const auto centroids = lloyd.codebook().residual.flat();
  out.write(reinterpret_cast<const char*>(centroids.data()), static_cast<std::streamsize>(centroids.size_bytes()));
  fmt::print("{{\"seconds\": {}, \"iterations\": {}, \"peak_mib\": {}}}\n", seconds, iteration, peak_mib());
  return 0;
}

/// The products of the iterations, cut as assignment cuts them.
int run_floor(const std::vector<std::string>& words) {
  const Matrix rows = read_rows(words.at(2)), centroids = read_rows(words.at(3));
  const std::size_t iterations = std::stoul(words.at(4));
  const ChunkPlan plan(rows.rows());
  const Stopwatch watch;
  for (std::size_t iteration = 0; iteration < iterations; ++iteration) {
    base::parallel_for(plan.count, [&](std::size_t chunk) {
      base::Buffer<float> scores(kBlockRows * kCodesAtOnce);
      for (std::size_t begin = plan.begin(chunk); begin + kBlockRows <= plan.end(chunk); begin += kBlockRows) {
        for (std::size_t first = 0; first < centroids.rows(); first += kCodesAtOnce) {
          const std::size_t columns = std::min(kCodesAtOnce, centroids.rows() - first);
          kernels::matmul({kBlockRows, columns, rows.cols()}, {rows.row(begin).data(), rows.cols()},
                          {centroids.row(first).data(), rows.cols(), true}, {scores.data(), columns});
        }
      }
    });
  }
  fmt::print("{{\"seconds\": {}, \"iterations\": {}}}\n", watch.seconds(), iterations);
  return 0;
}

int run_seeded(const std::vector<std::string>& words) {
  const Matrix rows = read_rows(words.at(2));
  const KMeansProblem problem{rows.view(), {}};
  KMeansOptions options;
  options.codes = std::stoul(words.at(4));
  options.iterations = std::stoul(words.at(5));
  options.tolerance = 0.0;
  std::vector<double> seconds, objectives;
  const Stopwatch watch;
  CodebookLayer start;
  if (words.at(3) == "random") {
    const auto drawn = base::draw_sample(rows.rows(), options.codes, 1);
    start = codebook_at(problem, std::vector<std::size_t>(drawn.begin(), drawn.end()));
    options.start = &start;
  }
  fit_kmeans(problem, options, [&](std::size_t, double objective) {
    seconds.push_back(watch.seconds());
    objectives.push_back(objective);
  });
  fmt::print("{{\"seconds\": {}, \"reached\": {}, \"objectives\": {}}}\n", watch.seconds(), seconds, objectives);
  return 0;
}

int run_layers(const std::vector<std::string>& words) {
  const Matrix rows = read_rows(words.at(2));
  QuantizerOptions options;
  options.method = words.at(3) == "rq" ? QuantizerMethod::rq : QuantizerMethod::psrq;
  options.layers = std::stoul(words.at(4));
  options.codes = {std::stoul(words.at(5))};
  options.iterations = std::stoul(words.at(6));
  options.tolerance = 0.0;
  const InputShape shape{{"rows"}, {rows.cols()}, Scaling::none};
  Matrix workspace = rows.clone();
  const Stopwatch watch;
  const QuantizerFit fit = Quantizer::fit(std::move(workspace), shape, options);
  const double seconds = watch.seconds(), peak = peak_mib();
  std::vector<Code> codes(fit.codes.size());
  const Stopwatch encode_watch;
  fit.quantizer.encode(rows.view(), codes);
  const double encode_seconds = encode_watch.seconds();
  if (codes != fit.codes) throw InternalError("encode and fit disagree");
  fmt::print("{{\"seconds\": {}, \"mse\": {}, \"encode_rows_a_second\": {:.0f}, \"peak_mib\": {}}}\n", seconds,
             fit.quantizer.reconstruction(rows.view(), codes).mse.back(),
             static_cast<double>(rows.rows()) / encode_seconds, peak);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  const std::string_view verb = argc > 1 ? words[1] : "";
  try {
    if (verb == "lloyd" && argc == 7) return run_lloyd(words);
    if (verb == "floor" && argc == 5) return run_floor(words);
    if (verb == "seeded" && argc == 6) return run_seeded(words);
    if (verb == "layers" && argc == 7) return run_layers(words);
    fmt::print(stderr, "usage: fit_bench lloyd|floor|seeded|layers ... (see the head of the source)\n");
  } catch (const std::exception& problem) {
    fmt::print(stderr, "fit_bench: {}\n", problem.what());
  }
  return 2;
}
