#pragma once
// The one k-means of the project: Lloyd's algorithm on rows r_i (N x d), and, in the deeper layers of PSRQ, on the
// 2d-wide rows [r_i, lambda p_i] whose second half is never stored: p_i is the sum of the codewords that the earlier
// layers gave to row i, so its products are table look-ups and its means are histograms of codes.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <neume/quantizer.hpp>

#include "quantize/assignment.hpp"
#include "quantize/codebook_layer.hpp"
#include "quantize/panel_bounds.hpp"

namespace neume::quantize {

/// What is clustered. Everything is borrowed and must outlive the fit.
struct KMeansProblem {
  ConstMatrixView rows;                    ///< N x d residuals, stride = d
  std::span<const CodebookLayer> earlier;  ///< the layers before this one; none for plain k-means on `rows`
  const Code* codes = nullptr;             ///< codes of row i in `earlier`: codes[i * code_stride + m]
  std::size_t code_stride = 0;
  double prefix_weight = 0.0;  ///< lambda; used only where there are earlier layers
  Search search = Search::filtered;

  bool has_prefix() const { return !earlier.empty(); }
};

/// How `rows` rows are cut for sums: at most 16 chunks of whole blocks, by the number of rows alone.
struct ChunkPlan {
  explicit ChunkPlan(std::size_t rows);
  std::size_t begin(std::size_t chunk) const { return chunk * chunk_rows; }
  std::size_t end(std::size_t chunk) const;

  std::size_t rows;
  std::size_t chunk_rows;
  std::size_t count;
};

/// A Lloyd run, one half-step at a time.
class Lloyd {
 public:
  struct Pass {
    double objective = 0.0;   ///< mean squared distance to the nearest codeword
    std::size_t changed = 0;  ///< rows whose label differs from the pass before (all of them in the first)
  };

  /// Starts from the codewords of `start` (its bias and tables are computed here).
  Lloyd(const KMeansProblem& problem, CodebookLayer start);

  /// Labels every row with its nearest codeword, and sums the rows of each cluster in the same pass. Costs one product
  /// of N x d with d x k.
  Pass assign();

  /// The same with labels from elsewhere (N). Needs no product.
  Pass assign_to(std::span<const Code> labels);

  /// Moves every codeword to the mean of its cluster. An empty cluster goes to one of the rows that are farthest from
  /// their codewords (distinct rows, farthest first); where no row is away from its codeword, to a copy of the first
  /// codeword in use, which the lowest index then wins. Returns how many empty clusters went to rows.
  std::size_t update();

  /// Moves codewords to rows: pairs of a code and the row it goes to.
  void reseed(std::span<const std::pair<std::size_t, std::size_t>> places);

  /// Prices of the codewords (k), which assign then adds to the squared distances; only without a prefix.
  void set_prices(std::vector<double> prices) {
    codebook_.price = std::move(prices);
    bounds_.forget();
  }

  /// Rows of each cluster in the last pass.
  std::span<const std::uint32_t> counts() const { return counts_; }
  const CodebookLayer& codebook() const { return codebook_; }
  CodebookLayer take_codebook() { return std::move(codebook_); }
  std::span<const Code> labels() const { return labels_; }

 private:
  /// Sums of one chunk of rows.
  struct Chunk {
    Matrix sums;                        // k x d
    std::vector<std::uint32_t> counts;  // k
    double objective = 0.0;
    std::size_t changed = 0;
  };

  void prepare();
  Chunk& start_chunk(std::size_t index);
  void assign_chunk(std::size_t index);
  void take_row(Chunk& chunk, std::size_t row, const Nearest& nearest);
  Pass total();
  void update_residual_half();
  void update_prefix_half();
  std::vector<std::uint32_t> rows_by_label() const;
  std::size_t fill_empty_clusters();
  void place_at_row(std::size_t code, std::size_t row);

  const KMeansProblem& problem_;
  ChunkPlan plan_;
  CodebookLayer codebook_;
  std::vector<Code> labels_;
  std::vector<Chunk> chunks_;
  std::vector<std::uint32_t> counts_;  // k, of the last pass
  std::vector<float> distances_;       // N, of the last pass
  std::vector<float> prefix_norms_;    // N: lambda^2 |p_i|^2; empty without prefix
  PanelBounds bounds_;                 // where the filter serves
  float negligible_ = 0.0f;            // a squared distance that rounding can make
  bool first_pass_ = true;
};

struct KMeansOptions {
  std::size_t codes = 1;
  std::size_t iterations = 25;
  double tolerance = 1e-5;
  std::uint64_t seed = 1;
  bool require_distinct_rows = false;    ///< DataError where there are fewer distinct rows than codes
  const CodebookLayer* start = nullptr;  ///< codewords to start from instead of seeds; `codes` of them
};

struct KMeansFit {
  CodebookLayer codebook;
  std::vector<Code> labels;  ///< nearest codeword of every row in `codebook`
  LayerReport report;
};

/// The codewords that a fit starts from. Throws DataError where options.require_distinct_rows asks for it.
CodebookLayer first_codebook(const KMeansProblem& problem, const KMeansOptions& options);

/// Called after every assignment with the number of iterations done and the objective.
using IterationFn = std::function<void(std::size_t iteration, double objective)>;

/// Seeds and runs Lloyd's algorithm until the objective falls by less than options.tolerance of itself, no label
/// changes, or options.iterations updates are done. Same bytes for any number of threads.
KMeansFit fit_kmeans(const KMeansProblem& problem, const KMeansOptions& options, const IterationFn& on_iteration = {});

}  // namespace neume::quantize
